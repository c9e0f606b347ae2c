// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"strings"
	"time"
)

// LossReport says whose card is gone. Card is its number, where it is known; without it the person's card in use is
// meant, of which there is never more than one.
type LossReport struct {
	Profile string
	Card    string
	Stolen  bool
}

// Incident is the priority incident for the link between a lost card and a mail account: what the mail help desk is
// told. The address is needed, the card's number only if it is known.
type Incident struct {
	Address string
	Card    string
	By      string // user id of who raised it
	At      time.Time
}

// Loss is the case of a lost or stolen card. The card itself is out of use and its replacement ordered from the report
// on; the case goes through two steps, the Registration Authority first, and closes after both.
type Loss struct {
	ID         string
	Profile    string
	Card       string
	Order      string // of the replacement
	Stolen     bool
	ReportedBy string // user id
	Role       Role   // of who reported it
	At         time.Time
	RABy       string // user id; step one
	RAAt       time.Time
	Incident   Incident // step two
}

// Next is the desk whose step is due, or "" for a closed case.
func (v Loss) Next() DeskPurpose {
	switch {
	case v.RAAt.IsZero():
		return DeskRA
	case v.Incident.At.IsZero():
		return DeskMail
	}
	return ""
}

// ReportLost is ReportLoss for a card whose number is known, and returns the order of its replacement.
func (s *Service) ReportLost(ctx context.Context, a Actor, serial string) (*Order, error) {
	var order *Order
	err := s.change(ctx, a.name(), "report lost", serial, func(ctx context.Context, tx *Tx, rec *record) error {
		c, p, err := s.cardOf(ctx, tx, a, serial)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionLost, AnyTerm, p); err != nil {
			return err
		}
		_, order, err = s.loseCard(ctx, tx, rec, a, c, false)
		return err
	})
	if err != nil {
		return nil, err
	}
	return order, s.settle(ctx, serial)
}

// ReportLoss takes a card out of use for good: its sessions end, its link to a mail account is suspended, all its
// certificates that have not ended are revoked for keyCompromise, an order for a replacement and a case are opened. The
// Registration Authority, the holder or a local administrator reports, the last two for it to go on with. When it
// returns nil, the CA has the revocations. An error that is no refusal means that the card is out of use here, and that
// Due goes on telling the CA.
// Refusals, besides those of the actor: loss.none (no card in use), card.notlive, org.scope (another person's card).
func (s *Service) ReportLoss(ctx context.Context, a Actor, r LossReport) (*Loss, error) {
	var made *Loss
	err := s.change(ctx, a.name(), "report lost", r.Profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, r.Profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionLost, AnyTerm, p); err != nil {
			return err
		}
		c, err := s.cardLost(ctx, tx, p, r.Card)
		if err != nil {
			return err
		}
		made, _, err = s.loseCard(ctx, tx, rec, a, c, r.Stolen)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, s.settle(ctx, made.Card)
}

// cardLost finds the card that is meant.
func (s *Service) cardLost(ctx context.Context, tx *Tx, p Profile, serial string) (Card, error) {
	cards, err := tx.Cards.CardsOf(ctx, p.ID)
	if err != nil {
		return Card{}, err
	}
	for _, c := range cards {
		if c.Serial == serial || serial == "" && (c.State == CardActive || c.State == CardLocked) {
			return c, nil
		}
	}
	if serial != "" {
		return Card{}, s.no("org.scope")
	}
	return Card{}, s.no("loss.none")
}

// loseCard takes the card out of use, orders another and opens the case. Where the Registration Authority itself
// reports, its step is done by that.
func (s *Service) loseCard(ctx context.Context, tx *Tx, rec *record, a Actor, c Card, stolen bool) (*Loss, *Order, error) {
	if err := s.takeOut(ctx, tx, rec, c, CardLost, keyCompromise); err != nil {
		return nil, nil, err
	}
	order := &Order{ID: newID(), Profile: c.Profile, Replaces: c.Serial, At: tx.Now}
	if err := tx.Cards.AddOrder(ctx, *order); err != nil {
		return nil, nil, err
	}
	v := &Loss{ID: newID(), Profile: c.Profile, Card: c.Serial, Order: order.ID, Stolen: stolen, ReportedBy: a.profile, Role: a.role, At: tx.Now}
	if s.mayHandleLoss(a) {
		v.RABy, v.RAAt = a.profile, tx.Now
	}
	rec.Detail = "card " + c.Serial + " of " + c.Profile + ", order " + order.ID + ", case " + v.ID
	return v, order, tx.Losses.AddLoss(ctx, *v)
}

// mayHandleLoss says whether the first step of a case is the actor's.
func (s *Service) mayHandleLoss(a Actor) bool {
	_, err := s.permission(a, ActionHandleLoss, AnyTerm)
	return err == nil
}

// HandleLoss records that the Registration Authority has taken a case up: its first step. Done again it changes
// nothing.
func (s *Service) HandleLoss(ctx context.Context, a Actor, id string) (*Loss, error) {
	return s.lossStep(ctx, a, "handle loss", ActionHandleLoss, id, func(_ context.Context, tx *Tx, v *Loss, _ *record) (bool, error) {
		if !v.RAAt.IsZero() {
			return false, nil
		}
		v.RABy, v.RAAt = a.profile, tx.Now
		return true, nil
	})
}

// RaiseIncident records the priority incident with the mail help desk, the second step of a case, and suspends the
// person's link to that account if it is still active. Who is told is the desk of purpose DeskMail. Done again it
// changes nothing.
// Refusals, besides those of the actor: loss.order (the Registration Authority comes first), mail.address (none, or not
// one of nhs.net).
func (s *Service) RaiseIncident(ctx context.Context, a Actor, id string, in Incident) (*Loss, error) {
	return s.lossStep(ctx, a, "raise priority incident", ActionLost, id, func(ctx context.Context, tx *Tx, v *Loss, rec *record) (bool, error) {
		address := mailAddress(in.Address)
		local, domain, _ := strings.Cut(address, "@")
		switch {
		case domain != "nhs.net" || !isAtoms(local, emailAtom):
			return false, s.no("mail.address")
		case v.RAAt.IsZero():
			return false, s.no("loss.order")
		case !v.Incident.At.IsZero():
			return false, nil
		}
		v.Incident = Incident{Address: address, Card: auditText(in.Card), By: a.profile, At: tx.Now}
		rec.Detail += ", " + auditText(address)
		l, err := tx.Links.LinkOfAddress(ctx, address)
		if errors.Is(err, ErrNotFound) || err == nil && (l.Profile != v.Profile || l.State != LinkActive) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		l.State, l.At = LinkSuspended, tx.Now
		_, err = tx.Links.SetLink(ctx, l, LinkActive)
		return true, err
	})
}

// lossStep takes one step of a case of the actor's organisation, or of the holder's own.
func (s *Service) lossStep(ctx context.Context, a Actor, name string, action Action, id string, step func(context.Context, *Tx, *Loss, *record) (bool, error)) (*Loss, error) {
	var v Loss
	err := s.change(ctx, a.name(), name, "", func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		if v, err = tx.Losses.Loss(ctx, id); errors.Is(err, ErrNotFound) {
			return s.absent(ctx, tx, a)
		} else if err != nil {
			return err
		}
		rec.Subject, rec.Detail = v.Profile, "case "+v.ID+", card "+v.Card
		p, err := s.person(ctx, tx, a, v.Profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, action, AnyTerm, p); err != nil {
			return err
		}
		changed, err := step(ctx, tx, &v, rec)
		if err != nil || !changed {
			rec.quiet = !changed
			return err
		}
		if v.Next() == "" {
			rec.Detail += ", closed"
		}
		return tx.Losses.UpdateLoss(ctx, v)
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// Losses lists the open cases of people in the care of the actor's organisation, oldest first; for a holder their own,
// for the operator all.
func (s *Service) Losses(ctx context.Context, a Actor) ([]Loss, error) {
	var mine []Loss
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := s.authorize(ctx, tx, a, ActionView, AnyTerm, a.self()); err != nil {
			return err
		}
		all, err := tx.Losses.OpenLosses(ctx)
		if err != nil {
			return err
		}
		for _, v := range all {
			p, err := tx.People.Profile(ctx, v.Profile)
			if err != nil {
				return err
			}
			if a.operator != "" || p.ID == a.profile || a.role != Holder && p.Organisation == a.organisation {
				mine = append(mine, v)
			}
		}
		return nil
	})
	return mine, err
}
