// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"bytes"
	"context"
	"errors"

	"github.com/wardkey-sdk/wardkey"
)

// Answer verifies a card's proof of any purpose but the confirmation of an act. SignIn and StepUp give a result for
// the browser; Presence and Renew are recorded with their act, and a Presence for an act of the kind Bind binds an outside
// card. Checked, in this order: form, signature and key usage;
// audience, origin and the workstation's clock; the nonce, spent from here on; the certificate's place on a card; the
// card's state; revocation, then expiry (an expired certificate of this service is good enough to be present, and for nothing else);
// the person. What it does not prove: that the asking browser is the one named by bind, which Redeem proves.
//
// Refusals: proof.…, device.clock, cert.…, card.… (Bind: card.ours, card.person, card.taken, card.exists), unlock.unfinished,
// profile.closed, act.unknown.
func (s *Service) Answer(ctx context.Context, jws string) (*Answered, error) {
	p, err := s.verifyProof(jws)
	if err != nil {
		s.log.InfoContext(ctx, "careid: proof refused", "rule", wardkey.RuleOf(err))
		return nil, err
	}
	v, err := s.judge(ctx, p.certificate)
	if err != nil {
		return nil, err
	}
	var answer Answered
	err = s.change(ctx, "card", "answer "+string(p.claims.Purpose), "", func(ctx context.Context, tx *Tx, rec *record) error {
		answer = Answered{}
		if err := s.spend(ctx, tx, rec, p); err != nil {
			return err
		}
		if act, err := bindingOf(ctx, tx, p); err != nil || act.ID != "" {
			if err != nil {
				return err
			}
			return s.bind(ctx, tx, rec, act, p, v)
		}
		card, holder, err := s.cardOfProof(ctx, tx, rec, p, v)
		if err != nil {
			return err
		}
		rec.Actor = holder.ID
		switch p.claims.Purpose {
		case SignIn, StepUp:
			answer, err = s.answerSignIn(ctx, tx, p, card)
		case Presence, Renew:
			err = s.answerAct(ctx, tx, rec, p, card)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// cardOfProof finds the card that the proof's certificate is on, and refuses what may not answer. It changes nothing.
func (s *Service) cardOfProof(ctx context.Context, tx *Tx, rec *record, p *proof, v verdict) (Card, Profile, error) {
	fail := func(err error) (Card, Profile, error) { return Card{}, Profile{}, err }
	cert, card, holder, err := tx.Cards.CardOf(ctx, p.fingerprint)
	if errors.Is(err, ErrNotFound) {
		return fail(s.no("cert.unknown"))
	}
	if err != nil {
		return fail(err)
	}
	rec.Subject, rec.Actor = card.Serial, holder.ID
	no := v.no
	if p.claims.Purpose == Presence && v.issuer == "" && wardkey.RuleOf(no) == "cert.expired" {
		no = nil
	}
	switch {
	case v.issuer != card.Issuer: // its issuer is no longer configured, or another one answers now
		return fail(s.no("cert.unknown"))
	case cert.State == CertificateUnbound && card.State == CardActive: // the card was bound again, by another one
		return fail(s.no("cert.unknown"))
	case cert.Use != Authentication:
		return fail(s.no("cert.usage"))
	case card.State != CardActive && card.State != CardLocked:
		return fail(s.cardState(card))
	case cert.State == CertificateRevoking || cert.State == CertificateRevoked:
		return fail(s.no("cert.revoked"))
	case no != nil:
		return fail(s.ofIssuer(s.fromCA(no), card))
	case cert.State == CertificateReplaced:
		return fail(s.no("cert.superseded"))
	case holder.State != ProfileOpen:
		return fail(s.no("profile.closed"))
	}
	return card, holder, s.cardState(card) // a locked card: finish the unlock
}

// answerSignIn stores a presence and a result, and names the act that the agent should go on with.
func (s *Service) answerSignIn(ctx context.Context, tx *Tx, p *proof, card Card) (Answered, error) {
	if p.bind == nil || p.claims.Act != "" {
		return Answered{}, s.no("proof.purpose")
	}
	if p.claims.Purpose == StepUp {
		row, err := s.standing(ctx, tx, p.bind)
		if err != nil {
			return Answered{}, err
		}
		// A session by another authenticator of the same person goes on as one by their card.
		if row.Card != card.Serial && (row.Card != "" || row.Profile != card.Profile) {
			return Answered{}, s.no("proof.purpose")
		}
	}
	policy, err := s.policy(tx.Now)
	if err != nil {
		return Answered{}, err
	}
	answer := Answered{Presence: newSecret(), Result: newSecret(), LeaseEvery: policy.LeaseEvery, LeaseFor: policy.LeaseFor}
	presence := PresenceLease{Hash: digest(answer.Presence), Card: card.Serial, Until: tx.Wall.Add(policy.LeaseFor)}
	if err := tx.Proofs.AddPresence(ctx, presence); err != nil {
		return Answered{}, err
	}
	err = tx.Proofs.AddResult(ctx, Result{
		Hash: digest(answer.Result), Bind: p.bind, Purpose: p.claims.Purpose, Presence: presence.Hash,
		Certificate: p.fingerprint, Card: card.Serial, Profile: card.Profile, Until: tx.Wall.Add(policy.NonceLife),
	})
	if err != nil {
		return Answered{}, err
	}
	if card.OpenAct == "" {
		return answer, nil
	}
	act, err := tx.Acts.Act(ctx, card.OpenAct)
	if err == nil && (act.State == ActIssued || len(act.Requests) > 0) {
		answer.OpenAct, err = s.addHandle(ctx, tx, act.ID, nil)
	}
	return answer, err
}

// answerAct records with an act that the holder's card spoke for it: present at the desk, or agreeing to its renewal.
func (s *Service) answerAct(ctx context.Context, tx *Tx, rec *record, p *proof, card Card) error {
	act, err := tx.Acts.Act(ctx, p.claims.Act)
	if errors.Is(err, ErrNotFound) {
		return s.no("act.unknown")
	}
	if err != nil {
		return err
	}
	rec.Detail = "act " + act.ID
	own := act.Kind == Renew && act.Role == Holder
	switch {
	case act.State != ActOpen || act.Card != card.Serial || act.Evidence.Kind != ByCard:
		return s.no("act.unknown")
	case !bytes.Equal(act.Session, p.bind), own != (p.claims.Purpose == Renew):
		return s.no("proof.purpose")
	}
	act.PresentAt = tx.Wall
	if act.Kind == Passcode {
		act.State = ActConfirmed
		rec.Detail += ", change of passcode " + helpedBy(act)
		rec.events = append(rec.events, Event{Name: EventActConfirmed, Card: act.Card})
	}
	if done, err := tx.Acts.UpdateAct(ctx, act, ActOpen); err != nil || !done {
		return orConflict(err)
	}
	return nil
}
