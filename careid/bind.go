// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// openBind opens the binding of a card that an outside issuer made. It is the Registration Authority's, which sees the
// person and a document; the card's own proof for this act, purpose presence, binds it.
func (s *Service) openBind(ctx context.Context, tx *Tx, a Actor, r ActRequest) (Act, error) {
	p, err := s.person(ctx, tx, a, r.Profile)
	if err != nil {
		return Act{}, err
	}
	row, err := s.authorize(ctx, tx, a, ActionBind, AnyTerm, p)
	if err != nil {
		return Act{}, err
	}
	switch {
	case len(s.outside) == 0:
		return Act{}, s.no("act.kind")
	case p.State != ProfileOpen:
		return Act{}, s.no("profile.closed")
	case r.Evidence.Document == "":
		return Act{}, s.no("evidence.missing", "wanted", ByCard.shown()+", and "+Attested.shown())
	}
	if err := s.evidence(row, r.Evidence); err != nil {
		return Act{}, err
	}
	if err := s.onlyCard(ctx, tx, p.ID, r.Card); err != nil {
		return Act{}, err
	}
	return Act{Profile: p.ID, Evidence: r.Evidence}, s.readyForBinding(ctx, tx, r.Card, p.ID)
}

// readyForBinding makes the card known as ordered for this person: a new serial, or one that was never served here and
// is nobody's. A card in use by the same person may bind the certificates that its issuer has renewed.
func (s *Service) readyForBinding(ctx context.Context, tx *Tx, serial, profile string) error {
	c, err := s.orOrdered(ctx, tx, serial, profile)
	if err != nil {
		return err
	}
	switch {
	case c.Issuer != "" && c.Profile == profile:
		return s.bindable(c)
	case c.Issuer == "" && c.State == CardOrdered && c.Profile == profile: // begun before: addAct sees to the rest
		return nil
	case c.Issuer == "" && c.State == CardCleared:
		g, err := tx.Cards.Generations(ctx, serial)
		if err != nil {
			return err
		}
		if g.First != 0 {
			return s.no("card.ours")
		}
		return reorder(ctx, tx, serial, profile)
	case c.Issuer == "":
		return s.no("card.ours")
	}
	return s.no("card.taken")
}

// bindable refuses an outside card that is lost, which stays so, and one under unlock, which is finished first.
func (s *Service) bindable(c Card) error {
	if slices.Contains([]CardState{CardOrdered, CardActive, CardCancelled, CardReturned, CardReplaced}, c.State) {
		return nil
	}
	return s.cardState(c)
}

// bindingOf finds the open act that a presence proof is to bind a card for; "" is no such act.
func bindingOf(ctx context.Context, tx *Tx, p *proof) (Act, error) {
	if p.claims.Purpose != Presence {
		return Act{}, nil
	}
	act, err := tx.Acts.Act(ctx, p.claims.Act)
	if errors.Is(err, ErrNotFound) || err == nil && act.Kind != Bind {
		return Act{}, nil
	}
	return act, err
}

// bind makes an outside card the person's: its key has just signed for this act, its issuer vouches for it now, and the
// issuer's subject names the person of the act.
func (s *Service) bind(ctx context.Context, tx *Tx, rec *record, act Act, p *proof, v verdict) error {
	rec.Subject, rec.Detail = act.Card, "act "+act.ID
	if err := s.mayBind(ctx, tx, act, p, v); err != nil {
		return err
	}
	certs, err := tx.Cards.CertificatesOf(ctx, act.Card)
	if err != nil {
		return err
	}
	known, err := s.boundBefore(ctx, tx, act, p)
	if err != nil {
		return err
	}
	card, err := tx.Cards.Card(ctx, act.Card)
	if err != nil {
		return err
	}
	if card.Profile != act.Profile || card.Issuer != "" && card.Issuer != v.issuer {
		return s.no("card.taken")
	}
	if err := s.bindable(card); err != nil { // it was, when the act was opened
		return err
	}
	if err := s.onlyCard(ctx, tx, act.Profile, act.Card); err != nil {
		return err
	}
	rec.keep = false // from here on all or nothing
	for _, c := range certs {
		if c.State == CertificateCurrent && c.Fingerprint != p.fingerprint {
			c.State = CertificateReplaced
			if done, err := tx.Cards.SetCertificate(ctx, c, CertificateCurrent); err != nil || !done {
				return orConflict(err)
			}
		}
	}
	now := Certificate{
		Fingerprint: p.fingerprint, Card: act.Card, Act: act.ID, Use: Authentication, State: CertificateCurrent,
		NotAfter: p.certificate.NotAfter, DER: p.certificate.Raw,
	}
	if known != "" && known != CertificateCurrent {
		if done, err := tx.Cards.SetCertificate(ctx, now, known); err != nil || !done {
			return orConflict(err)
		}
	} else if err := tx.Cards.AddCertificate(ctx, now); err != nil {
		return err
	}
	from := card.State
	if from != CardActive {
		card.IssuedAt, card.RetiredAt = tx.Now, time.Time{}
	}
	card.State, card.Issuer, card.NotAfter = CardActive, v.issuer, p.certificate.NotAfter
	if done, err := tx.Cards.UpdateCard(ctx, card, from); err != nil || !done {
		return orConflict(err)
	}
	if _, err := tx.Cards.FillOrder(ctx, act.Profile, act.Card); err != nil {
		return err
	}
	act.PresentAt, act.State = tx.Wall, ActConfirmed
	rec.Detail += ", a card of " + v.issuer
	rec.events = append(rec.events, Event{Name: EventActConfirmed, Card: act.Card}, Event{Name: EventCardChanged, Card: act.Card})
	if done, err := tx.Acts.UpdateAct(ctx, act, ActOpen); err != nil || !done {
		return orConflict(err)
	}
	return nil
}

// mayBind checks the act, the issuer's word and whom its subject names. It changes nothing.
func (s *Service) mayBind(ctx context.Context, tx *Tx, act Act, p *proof, v verdict) error {
	if act.State != ActOpen {
		return s.no("act.unknown")
	}
	if !bytes.Equal(act.Session, p.bind) {
		return s.no("proof.purpose")
	}
	by := Actor{profile: act.Actor, role: act.Role, organisation: act.Organisation, session: act.Session}
	if err := s.stands(ctx, tx, by); isRefusal(err) {
		return s.no("act.unknown").Because(reason("its session or role is over"))
	} else if err != nil {
		return err
	}
	if v.issuer == "" && wardkey.RuleOf(v.no) != "cert.unknown" { // good or not
		return s.no("card.ours")
	}
	if v.no != nil {
		return s.fromCA(v.no)
	}
	issuer, _ := s.issuerNamed(v.issuer)
	id, err := issuer.UserID(p.certificate.Subject)
	if err != nil {
		return s.no("card.person").Because(err)
	}
	if id != act.Profile {
		return s.no("card.person").Because(reason("another user id"))
	}
	holder, err := tx.People.Profile(ctx, act.Profile)
	if err == nil && holder.State != ProfileOpen {
		return s.no("profile.closed")
	}
	return err
}

// unbind takes the certificates of an outside card off it, and the SO PIN that was imported for it.
func (s *Service) unbind(ctx context.Context, tx *Tx, card string) error {
	certs, err := tx.Cards.CertificatesOf(ctx, card)
	if err != nil {
		return err
	}
	for _, c := range certs {
		from := c.State
		c.State = CertificateUnbound
		if _, err := tx.Cards.SetCertificate(ctx, c, from); err != nil {
			return err
		}
	}
	return forgetSOPIN(ctx, tx, card)
}

// boundBefore is the state in which the store has the proof's certificate, "" for none. One that is on another card can't
// come onto this.
func (s *Service) boundBefore(ctx context.Context, tx *Tx, act Act, p *proof) (CertificateState, error) {
	c, err := tx.Cards.Certificate(ctx, p.fingerprint)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if c.Card != act.Card {
		return "", s.no("card.taken")
	}
	return c.State, nil
}
