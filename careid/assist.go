// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"strings"
)

// Help at a desk: only the holder types the new passcode, into the agent's own page; no call of this package takes one.
//
// An Unlock opens a locked card by a reset act, on the word of the helper that the holder is there; TakeUnlock goes on
// with its handle. A Passcode is the change of a passcode that the holder knows and may not change alone, for want of an
// e-mail address: the act is confirmed by the card's own presence proof, for which the holder types it, and the change
// itself is the card's affair.

// makesPair says whether an act of this kind ends in a new pair of certificates.
func (p Purpose) makesPair() bool { return p == Issue || p == Renew || p == Repair }

// openAssist opens an unlock or a change of passcode at a desk. No contact on the profile is needed for either.
func (s *Service) openAssist(ctx context.Context, tx *Tx, a Actor, r ActRequest) (Act, error) {
	c, p, err := s.cardOf(ctx, tx, a, r.Card)
	if err != nil {
		return Act{}, err
	}
	row, err := s.authorize(ctx, tx, a, actionOf(r.Kind), AnyTerm, p)
	if err != nil {
		return Act{}, err
	}
	if c, p, err = s.openable(ctx, tx, c.Serial); err != nil {
		return Act{}, err
	}
	if r.Kind == Unlock {
		if err := s.officer(ctx, tx, c); err != nil {
			return Act{}, err
		}
	}
	if r.Kind == Passcode && c.State != CardActive {
		return Act{}, s.cardState(c)
	}
	return Act{Profile: p.ID, Evidence: r.Evidence}, s.evidence(row, r.Evidence)
}

// TakeUnlock opens the reset act of an unlock at a desk, with the handle of its act; the rest is as after a code. agentKey
// is the agent's ephemeral X25519 public key, 32 bytes. Until the reset is confirmed the card is held as locked. Asked
// again, by an agent that died, it opens another reset, and the one before is over.
// Refusals: act.unknown, agent.key, cert.expired, card.… (card.outside), profile.closed.
func (s *Service) TakeUnlock(ctx context.Context, handle string, agentKey []byte) (*Reset, error) {
	if _, err := ecdh.X25519().NewPublicKey(agentKey); err != nil {
		return nil, s.no("agent.key").Because(err)
	}
	var reset opening
	err := s.change(ctx, "agent", "unlock at the desk", "", func(ctx context.Context, tx *Tx, rec *record) error {
		act, err := s.actOf(ctx, tx, handle)
		if err != nil {
			return err
		}
		if act.Kind != Unlock || act.State != ActOpen {
			return s.no("act.unknown")
		}
		rec.Actor, rec.Subject = act.Profile, act.Card
		card, holder, err := s.openable(ctx, tx, act.Card)
		if err != nil {
			return err
		}
		if holder.ID != act.Profile {
			return s.no("act.unknown").Because(reason("another person"))
		}
		if err := s.officer(ctx, tx, card); err != nil {
			return err
		}
		act.Opened = true
		if done, err := tx.Acts.UpdateAct(ctx, act, ActOpen); err != nil || !done {
			return orConflict(err)
		}
		reset, err = s.addReset(ctx, tx, rec, card, ResetAct{Profile: holder.ID, Request: deskRequest(act.ID), AgentKey: agentKey})
		rec.Detail += ", " + helpedBy(act)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.offer(ctx, reset, agentKey)
}

// deskRequest is what a reset of a desk's act has in the place of a code's request; actOfRequest is its way back, "" for
// a code's.
func deskRequest(act string) string { return act + ":" + newID() }

func actOfRequest(request string) string {
	act, _, found := strings.Cut(request, ":")
	if !found {
		return ""
	}
	return act
}

// helpedBy names the helper of an act, for the audit.
func helpedBy(act Act) string {
	by := fmt.Sprintf("helped by %s %s %s", act.Actor, act.Role, act.Organisation)
	if act.Evidence.Kind == Attested {
		by += ", seen " + auditText(act.Evidence.Document)
	}
	return by
}

// confirmAssist closes the desk's act on a card whose reset is confirmed, and names its helper where the reset came
// from it. Where the holder's own code was faster, there is nothing left to help with.
func (s *Service) confirmAssist(ctx context.Context, tx *Tx, rec *record, r ResetAct) error {
	id := actOfRequest(r.Request)
	if id != "" {
		act, err := tx.Acts.Act(ctx, id)
		if err != nil {
			return err
		}
		rec.Detail = "act " + act.ID + ", " + helpedBy(act)
	}
	act, err := tx.Acts.OpenActOf(ctx, r.Card)
	if errors.Is(err, ErrNotFound) || err == nil && act.Kind != Unlock {
		return nil
	}
	if err != nil {
		return err
	}
	from := act.State
	act.State = ActAbandoned
	if act.ID == id {
		act.State = ActConfirmed
		rec.events = append(rec.events, Event{Name: EventActConfirmed, Card: act.Card})
	}
	_, err = tx.Acts.UpdateAct(ctx, act, from)
	return err
}
