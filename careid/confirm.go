// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"

	"github.com/wardkey-sdk/wardkey"
)

// Confirm is the end of an act: a proof by the new authentication key, purpose renew, naming this act. Only now does
// the new pair count as the card's, and the old pair is replaced: refused at sign-in, not revoked. For Clear jws is
// empty, for the card has no key left. Confirming a confirmed act again changes nothing.
// Refusals: act.unknown, act.state, proof.…, cert.…, card.exists (Issue: another card was confirmed first).
func (s *Service) Confirm(ctx context.Context, handle string, jws string) error {
	var proven *proof
	var caErr error
	if jws != "" {
		var err error
		if proven, err = s.verifyProof(jws); err != nil {
			s.log.InfoContext(ctx, "careid: proof refused", "rule", wardkey.RuleOf(err))
			return err
		}
		if caErr = s.ca.Verify(ctx, proven.certificate); caErr != nil && wardkey.RuleOf(caErr) == "" {
			return caErr
		}
	}
	var act Act
	err := s.change(ctx, "agent", "confirm act", "", func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		if act, err = s.actOf(ctx, tx, handle); err != nil {
			return err
		}
		rec.Subject, rec.Detail = act.Card, "act "+act.ID+" "+string(act.Kind)
		if act.State == ActConfirmed {
			return nil
		}
		if act.Replaces != "" {
			rec.Detail += ", replaces card " + act.Replaces
		}
		rec.events = append(rec.events, Event{Name: EventActConfirmed, Card: act.Card}, Event{Name: EventCardChanged, Card: act.Card})
		if act.Kind == Clear {
			return s.confirmClear(ctx, tx, act, jws)
		}
		if act.State != ActIssued || proven == nil {
			return s.no("act.state", "state", string(act.State))
		}
		if err := s.checkConfirmation(ctx, tx, rec, act, proven, caErr); err != nil {
			return err
		}
		rec.keep = false // from here on all or nothing
		return s.confirmPair(ctx, tx, rec, act, proven)
	})
	if err != nil || act.Replaces == "" {
		return err
	}
	return s.settle(ctx, act.Replaces)
}

func (s *Service) confirmClear(ctx context.Context, tx *Tx, act Act, jws string) error {
	if jws != "" || act.State != ActOpen || !act.Opened {
		return s.no("act.state", "state", string(act.State))
	}
	c, err := tx.Cards.Card(ctx, act.Card)
	if err != nil {
		return err
	}
	from := c.State
	if done, err := tx.Cards.UpdateCard(ctx, Card{
		Serial: c.Serial, Profile: c.Profile, State: CardCleared, IssuedAt: c.IssuedAt, RetiredAt: c.RetiredAt,
	}, from); err != nil || !done {
		return orConflict(err)
	}
	act.State = ActConfirmed
	_, err = tx.Acts.UpdateAct(ctx, act, ActOpen)
	return err
}

// checkConfirmation spends the nonce and proves that the new key of this act spoke.
func (s *Service) checkConfirmation(ctx context.Context, tx *Tx, rec *record, act Act, p *proof, caErr error) error {
	if err := s.spend(ctx, tx, rec, p); err != nil {
		return err
	}
	if p.claims.Purpose != Renew || p.claims.Act != act.ID {
		return s.no("proof.purpose")
	}
	c, err := tx.Cards.Certificate(ctx, p.fingerprint)
	if errors.Is(err, ErrNotFound) || err == nil && (c.Act != act.ID || c.State != CertificatePending) {
		return s.no("cert.unknown")
	}
	if err != nil {
		return err
	}
	if c.Use != Authentication {
		return s.no("cert.usage")
	}
	return s.fromCA(caErr)
}

// confirmPair makes the act's pair the card's current one and moves what hangs on that.
func (s *Service) confirmPair(ctx context.Context, tx *Tx, rec *record, act Act, p *proof) error {
	certs, err := tx.Cards.CertificatesOf(ctx, act.Card)
	if err != nil {
		return err
	}
	for _, c := range certs {
		from := c.State
		switch {
		case c.Act == act.ID && from == CertificatePending:
			c.State = CertificateCurrent
		case c.Act != act.ID && from == CertificateCurrent:
			c.State = CertificateReplaced
		default:
			continue
		}
		if done, err := tx.Cards.SetCertificate(ctx, c, from); err != nil || !done {
			return orConflict(err)
		}
	}
	card, err := tx.Cards.Card(ctx, act.Card)
	if err != nil {
		return err
	}
	from := card.State
	card.NotAfter = p.certificate.NotAfter
	if act.Kind == Issue {
		card.State, card.IssuedAt = CardActive, tx.Now
		if act.Locked {
			card.State = CardLocked
		}
		if _, err := tx.Cards.FillOrder(ctx, act.Profile, act.Card); err != nil {
			return err
		}
		if err := s.replace(ctx, tx, rec, act); err != nil {
			return err
		}
		if err := s.onlyCard(ctx, tx, act.Profile, act.Card); err != nil {
			return err
		}
	}
	if done, err := tx.Cards.UpdateCard(ctx, card, from); err != nil || !done {
		return orConflict(err)
	}
	act.State = ActConfirmed
	if done, err := tx.Acts.UpdateAct(ctx, act, ActIssued); err != nil || !done {
		return orConflict(err)
	}
	return nil
}

// onlyCard refuses a person's second card in use: two may have been begun at once.
func (s *Service) onlyCard(ctx context.Context, tx *Tx, profile, serial string) error {
	cards, err := tx.Cards.CardsOf(ctx, profile)
	if err != nil {
		return err
	}
	for _, c := range cards {
		if c.Serial != serial && (c.State == CardActive || c.State == CardLocked) {
			return s.no("card.exists", "card", c.Serial)
		}
	}
	return nil
}

// replace takes the card out of use whose place the new one took.
func (s *Service) replace(ctx context.Context, tx *Tx, rec *record, act Act) error {
	if act.Replaces == "" || act.Replaces == act.Card {
		return nil
	}
	old, err := tx.Cards.Card(ctx, act.Replaces)
	if err != nil {
		return err
	}
	if old.State != CardActive && old.State != CardLocked {
		return nil // out of use already
	}
	return s.takeOut(ctx, tx, rec, old, CardReplaced, superseded)
}
