// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
)

// sealInfo separates these messages from any other use of an agent's key. RFC 9180 §5.1.
const sealInfo = "wardkey/so-pin/v1"

// openReset uses the code up, once in all servers, and opens the reset act under a generation that was never used.
// The card must still be the person's to whom the code was sent.
func (s *Service) openReset(ctx context.Context, u UnlockCode, sentTo string) (*Reset, error) {
	var reset opening
	err := s.change(ctx, "anonymous", "redeem code", u.Card, func(ctx context.Context, tx *Tx, rec *record) error {
		used, err := tx.Unlocks.UseCode(ctx, u.Request)
		if err != nil {
			return err
		}
		if !used {
			return s.no("unlock.code").Because(reason("code used"))
		}
		card, holder, err := s.unlockable(ctx, tx, u.Card)
		if isRefusal(err) {
			return s.no("unlock.code").Because(reason("card no longer fit"))
		}
		if err != nil {
			return err
		}
		if holder.ID != sentTo {
			return s.no("unlock.code").Because(reason("another person"))
		}
		rec.Actor = holder.ID
		reset, err = s.addReset(ctx, tx, rec, card, ResetAct{Profile: holder.ID, Request: u.Request, AgentKey: u.AgentKey})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.offer(ctx, reset, u.AgentKey)
}

// opening is a reset act just opened: its token, its card, and the generations to try.
type opening struct {
	token, card string
	candidates  Generations
}

// addReset opens a reset act of a card that may be opened. From here on the card is held as locked.
func (s *Service) addReset(ctx context.Context, tx *Tx, rec *record, card Card, r ResetAct) (opening, error) {
	o := opening{token: newSecret(), card: card.Serial}
	var err error
	if o.candidates, err = s.firstGeneration(ctx, tx, card.Serial); err != nil {
		return o, err
	}
	next := o.candidates.Next
	if err := tx.Cards.SetGenerations(ctx, card.Serial, Generations{First: o.candidates.First, Second: o.candidates.Second, Next: next + 1}); err != nil {
		return o, err
	}
	r.Token, r.Card, r.State, r.Next, r.At = digest(o.token), card.Serial, ResetOpen, next, tx.Wall
	if err := tx.Unlocks.AddReset(ctx, r); err != nil {
		return o, err
	}
	rec.Detail = fmt.Sprintf("reset opened, generation %d", next)
	rec.events = append(rec.events, Event{Name: EventCardChanged, Card: card.Serial})
	if err := s.endSessions(ctx, tx, rec, SessionFilter{Card: card.Serial}, "unlock"); err != nil {
		return o, err
	}
	card.State = CardLocked
	_, err = tx.Cards.UpdateCard(ctx, card, CardActive) // false: held as locked already
	return o, err
}

// offer seals what an opened reset hands to the agent.
func (s *Service) offer(ctx context.Context, o opening, agentKey []byte) (*Reset, error) {
	candidates, err := s.sealAll(ctx, o.card, o.candidates, agentKey)
	if err != nil {
		return nil, err
	}
	return &Reset{Token: o.token, Candidates: candidates}, nil
}

// resetOf reads a reset act that its token still opens: ten minutes by Wall, no newer one, and the card still the same
// person's.
func (s *Service) resetOf(ctx context.Context, tx *Tx, token string) (ResetAct, error) {
	r, err := tx.Unlocks.Reset(ctx, digest(token))
	if errors.Is(err, ErrNotFound) {
		return ResetAct{}, s.no("reset.unknown")
	}
	if err != nil {
		return ResetAct{}, err
	}
	policy, err := s.policy(tx.Now)
	if err != nil {
		return ResetAct{}, err
	}
	card, err := tx.Cards.Card(ctx, r.Card)
	if err != nil {
		return ResetAct{}, err
	}
	if r.State == ResetEnded || card.Profile != r.Profile || !tx.Wall.Before(r.At.Add(policy.ResetLife)) {
		return ResetAct{}, s.no("reset.unknown")
	}
	return r, nil
}

// ResetOpened tells which candidate opened the card. The other is dropped, and only then is the new generation
// released, sealed to the agent's key. Repeated with the same generation it gives the same generation again.
// Refusals: reset.unknown, reset.order, card.….
func (s *Service) ResetOpened(ctx context.Context, token string, generation int64) (SealedSOPIN, error) {
	var r ResetAct
	err := s.change(ctx, "agent", "card opened", "", func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		if r, err = s.resetOf(ctx, tx, token); err != nil {
			return err
		}
		rec.Actor, rec.Subject = r.Profile, r.Card
		rec.Detail = fmt.Sprintf("generation %d, then %d", generation, r.Next)
		if r.State == ResetHasOpened && r.Opened == generation {
			return s.stillLocked(ctx, tx, r.Card)
		}
		gens, err := tx.Cards.Generations(ctx, r.Card)
		if err != nil {
			return err
		}
		if r.State != ResetOpen || generation < 1 || generation != gens.First && generation != gens.Second {
			return s.no("reset.order")
		}
		if err := s.stillLocked(ctx, tx, r.Card); err != nil {
			return err
		}
		if err := tx.Cards.SetGenerations(ctx, r.Card, Generations{First: generation, Second: r.Next, Next: gens.Next}); err != nil {
			return err
		}
		r.State, r.Opened = ResetHasOpened, generation
		if done, err := tx.Unlocks.UpdateReset(ctx, r, ResetOpen); err != nil || !done {
			return orConflict(err)
		}
		return nil
	})
	if err != nil {
		return SealedSOPIN{}, err
	}
	return s.seal(ctx, r.Card, r.Next, r.AgentKey)
}

// stillLocked refuses to go on with a card that was taken out of use meanwhile.
func (s *Service) stillLocked(ctx context.Context, tx *Tx, serial string) error {
	card, err := tx.Cards.Card(ctx, serial)
	if err != nil || card.State == CardLocked {
		return err
	}
	if err := s.cardState(card); err != nil {
		return err
	}
	return s.no("reset.order")
}

// ResetConfirm ends a reset: the card has its new passcode, the new generation stands alone, and the card signs in
// again. Repeated, it changes nothing. Refusals: reset.unknown, reset.order, card.….
func (s *Service) ResetConfirm(ctx context.Context, token string) error {
	return s.change(ctx, "agent", "unlock confirmed", "", func(ctx context.Context, tx *Tx, rec *record) error {
		r, err := s.resetOf(ctx, tx, token)
		if err != nil {
			return err
		}
		rec.Actor, rec.Subject = r.Profile, r.Card
		if r.State == ResetConfirmed {
			return nil
		}
		if r.State != ResetHasOpened {
			return s.no("reset.order")
		}
		if err := s.stillLocked(ctx, tx, r.Card); err != nil {
			return err
		}
		gens, err := tx.Cards.Generations(ctx, r.Card)
		if err != nil {
			return err
		}
		if err := tx.Cards.SetGenerations(ctx, r.Card, Generations{First: r.Next, Next: gens.Next}); err != nil {
			return err
		}
		if err := forgetSOPIN(ctx, tx, r.Card); err != nil {
			return err
		}
		card, err := tx.Cards.Card(ctx, r.Card)
		if err != nil {
			return err
		}
		card.State, card.UnlockedAt = CardActive, tx.Now
		if done, err := tx.Cards.UpdateCard(ctx, card, CardLocked); err != nil || !done {
			return orConflict(err)
		}
		if err := s.confirmAssist(ctx, tx, rec, r); err != nil {
			return err
		}
		r.State = ResetConfirmed
		rec.events = append(rec.events, Event{Name: EventUnlocked, Card: r.Card}, Event{Name: EventCardChanged, Card: r.Card})
		if done, err := tx.Unlocks.UpdateReset(ctx, r, ResetHasOpened); err != nil || !done {
			return orConflict(err)
		}
		return nil
	})
}

// sealAll seals the candidates of a card, oldest first.
func (s *Service) sealAll(ctx context.Context, card string, g Generations, agentKey []byte) ([]SealedSOPIN, error) {
	var sealed []SealedSOPIN
	for _, generation := range []int64{g.First, g.Second} {
		if generation == 0 {
			continue
		}
		one, err := s.seal(ctx, card, generation, agentKey)
		if err != nil {
			return nil, err
		}
		sealed = append(sealed, one)
	}
	return sealed, nil
}

// seal derives one SO PIN and seals it to the agent's key; the PIN is cleared again at once. RFC 9180 §6.1.
func (s *Service) seal(ctx context.Context, card string, generation int64, agentKey []byte) (SealedSOPIN, error) {
	point, err := ecdh.X25519().NewPublicKey(agentKey)
	if err != nil {
		return SealedSOPIN{}, s.no("agent.key").Because(err)
	}
	public, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return SealedSOPIN{}, s.no("agent.key").Because(err)
	}
	pin, err := s.soPIN(ctx, card, generation)
	if err != nil {
		return SealedSOPIN{}, fmt.Errorf("careid: SO PIN of a card: %w", err)
	}
	defer clear(pin)
	sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(sealInfo), pin)
	if err != nil {
		return SealedSOPIN{}, fmt.Errorf("careid: seal SO PIN: %w", err)
	}
	return SealedSOPIN{Generation: generation, Sealed: sealed}, nil
}
