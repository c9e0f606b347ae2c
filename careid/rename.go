// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
)

// NewName is a change of a person's name, and the document that proves it.
type NewName struct {
	Given, Family string
	Evidence      Evidence // Attested, with the document seen
}

// Rename changes a person's name and orders a card in it: a new name is a new card, never new certificates on the old
// one. The old card goes on signing in under the old name until the new one is confirmed, and then its certificates are
// revoked as superseded. Where an order is open already, that card will have the new name, and the order is returned;
// it is nil where there is neither a card in use nor an order.
//
// Refusals, besides those of the actor: evidence.missing, profile.closed, name.invalid, name.same, act.open (a card is
// being made in the old name).
func (s *Service) Rename(ctx context.Context, a Actor, profile string, n NewName) (*Order, error) {
	var order *Order
	err := s.change(ctx, a.name(), "change name", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		row, err := s.authorize(ctx, tx, a, ActionRename, AnyTerm, p)
		if err != nil {
			return err
		}
		if p.State != ProfileOpen {
			return s.no("profile.closed")
		}
		if err := s.evidence(row, n.Evidence); err != nil {
			return err
		}
		if err := s.checkName(n.Given, n.Family); err != nil {
			return err
		}
		if p.Given == n.Given && p.Family == n.Family {
			return s.no("name.same")
		}
		p.Given, p.Family = n.Given, n.Family
		if err := tx.People.UpdateProfile(ctx, p); err != nil {
			return err
		}
		rec.Detail = "document " + auditText(n.Evidence.Document)
		channel, to := p.contact()
		rec.tell(channel, to, "Your name was changed", "The name on your Care Identity profile was changed; a new name needs a new smartcard. If you did not ask for this, contact your Registration Authority at once.")
		if order, err = s.orderInNewName(ctx, tx, p); err != nil || order == nil {
			return err
		}
		rec.Detail += ", order " + order.ID + " replaces card " + order.Replaces
		return nil
	})
	if err != nil {
		return nil, err
	}
	return order, nil
}

// orderInNewName orders a card in place of the one in use, if there is one and no order is open.
func (s *Service) orderInNewName(ctx context.Context, tx *Tx, p Profile) (*Order, error) {
	cards, err := tx.Cards.CardsOf(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	var old *Card
	for _, c := range cards {
		act, err := tx.Acts.OpenActOf(ctx, c.Serial)
		if err == nil && (act.Kind == Issue || act.Kind == Repair) {
			return nil, s.no("act.open", "kind", string(act.Kind))
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if c.State == CardActive || c.State == CardLocked {
			old = &c
		}
	}
	if order, err := openOrderOf(ctx, tx, p.ID); err != nil || order != nil || old == nil {
		return order, err
	}
	order := &Order{ID: newID(), Profile: p.ID, Replaces: old.Serial, At: tx.Now}
	return order, tx.Cards.AddOrder(ctx, *order)
}

// openOrderOf is the oldest order that is open for a person, or nil.
func openOrderOf(ctx context.Context, tx *Tx, profile string) (*Order, error) {
	orders, err := tx.Cards.OpenOrders(ctx)
	for _, o := range orders {
		if o.Profile == profile {
			return &o, nil
		}
	}
	return nil, err
}

// inOwnName refuses to write another name onto a card: one whose holder has a new name is replaced.
func (s *Service) inOwnName(ctx context.Context, tx *Tx, c Card, p Profile) error {
	certs, err := tx.Cards.CertificatesOf(ctx, c.Serial)
	if err != nil {
		return err
	}
	for _, kept := range certs {
		if kept.State != CertificateCurrent {
			continue
		}
		cert, err := kept.Parse()
		if err != nil {
			return err
		}
		if cn := cert.Subject.CommonName; cn != p.Name() && cn != p.ID+" "+p.Name() {
			return s.no("name.card")
		}
	}
	return nil
}
