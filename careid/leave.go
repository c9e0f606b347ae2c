// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// LeaverStep is one step of a leaver's checklist. Done is Unknown for what happens outside this service.
type LeaverStep struct {
	Step   string // such as "return-card"
	What   string
	Done   Known
	Ground Ground
}

// LeaverSteps is the checklist of a kind of leaving on a day, in order, with nothing done yet. Who moves to another
// organisation keeps the card, who leaves care hands it in. Refusal: leaving.unknown.
func LeaverSteps(book *wardkey.Rulebook, kind Leaving, t time.Time) ([]LeaverStep, error) {
	ids, g, ok := groundList(book, "leaving."+string(kind)+".steps", t)
	card, _, err := CardOnLeaving(book, kind, t)
	if !ok || err != nil {
		return nil, book.Refuse("leaving.unknown")
	}
	var steps []LeaverStep
	for _, id := range ids {
		step := LeaverStep{Step: id, What: "The card: " + card + ".", Ground: g}
		if id != "keep-card" && id != "return-card" {
			if step.What, err = book.Text("leaving.step."+id, t); err != nil {
				return nil, err
			}
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// LeaverChecklist is the checklist for a person, with what is done. Refusals: those of Profile, leaving.unknown.
func (s *Service) LeaverChecklist(ctx context.Context, a Actor, profile string, kind Leaving) ([]LeaverStep, error) {
	var steps []LeaverStep
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionView, AnyTerm, p); err != nil {
			return err
		}
		if steps, err = LeaverSteps(s.book, kind, tx.Now); err != nil {
			return err
		}
		for i := range steps {
			if steps[i].Done, err = stepDone(ctx, tx, p, steps[i].Step); err != nil {
				return err
			}
		}
		return nil
	})
	return steps, err
}

// stepDone looks at what a step is about.
func stepDone(ctx context.Context, tx *Tx, p Profile, step string) (Known, error) {
	yes := func(is bool, err error) (Known, error) {
		if err != nil || !is {
			return No, err
		}
		return Yes, nil
	}
	switch step {
	case "unlink-mail-account":
		links, err := tx.Links.LinksOf(ctx, p.ID)
		return yes(!slices.ContainsFunc(links, func(l Link) bool { return l.State != LinkEnded }), err)
	case "end-positions":
		held, err := tx.Assignments.AssignmentsOf(ctx, p.ID)
		return yes(!slices.ContainsFunc(held, func(v Assignment) bool { return v.To.IsZero() || v.To.After(tx.Now) }), err)
	case "return-card", "keep-card":
		cards, err := tx.Cards.CardsOf(ctx, p.ID)
		live := slices.ContainsFunc(cards, func(c Card) bool { return c.State == CardActive || c.State == CardLocked })
		return yes(live == (step == "keep-card"), err)
	case "close-profile":
		return yes(p.State == ProfileClosed, nil)
	}
	return Unknown, nil
}

// Leaver is somebody who leaves care. Card is the serial of the card that they handed in to their line manager; "" for
// somebody who has none in use.
type Leaver struct {
	Profile string
	Card    string
}

// LeaveCare ends a person's Care Identity when they leave care: the card that was handed in is returned, the links to
// mail accounts end, and all that CloseProfile ends. A card in use that was not handed in is refused, leaving.card: it
// is reported lost first. The CA is told as by CloseProfile.
func (s *Service) LeaveCare(ctx context.Context, a Actor, l Leaver) error {
	return s.closeProfile(ctx, a, "leave care", l.Profile, func(ctx context.Context, tx *Tx, rec *record, cards []Card) error {
		for _, c := range cards {
			live := c.State == CardActive || c.State == CardLocked
			if live && c.Serial != l.Card || !live && c.Serial == l.Card {
				return s.no("leaving.card")
			}
		}
		if l.Card != "" && !slices.ContainsFunc(cards, func(c Card) bool { return c.Serial == l.Card }) {
			return s.no("leaving.card")
		}
		rec.Detail = "card " + auditText(l.Card)
		for i, c := range cards {
			if c.Serial == l.Card {
				if err := s.takeOut(ctx, tx, rec, c, CardReturned, cessationOfOperation); err != nil {
					return err
				}
				cards[i].State = CardReturned
			}
		}
		links, err := tx.Links.LinksOf(ctx, l.Profile)
		if err != nil {
			return err
		}
		for _, link := range links {
			from := link.State
			link.State, link.At = LinkEnded, tx.Now
			if from == LinkEnded {
				continue
			}
			if _, err := tx.Links.SetLink(ctx, link, from); err != nil {
				return err
			}
		}
		return nil
	})
}

// CloseProfile ends a person's Care Identity: their roles, positions and sessions end at once, no card of theirs signs
// in any more, their cards are cancelled and the certificates revoked, and their other authenticators are removed.
func (s *Service) CloseProfile(ctx context.Context, a Actor, profile string) error {
	return s.closeProfile(ctx, a, "close profile", profile, func(context.Context, *Tx, *record, []Card) error { return nil })
}

// ReopenProfile has a person who came back go on under the user id that they had, and no other. Nothing else comes back:
// roles, positions, a card and other authenticators are given anew, by those who may. Their contact details are as they
// were, and they are told. Refusals: profile.open, and those of the role table.
func (s *Service) ReopenProfile(ctx context.Context, a Actor, profile string) error {
	return s.change(ctx, a.name(), "reopen profile", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionReopen, AnyTerm, p); err != nil {
			return err
		}
		if p.State != ProfileClosed {
			return s.no("profile.open")
		}
		p.State = ProfileOpen
		channel, to := p.contact()
		rec.tell(channel, to, "Your Care Identity", "Your Care Identity profile is open again, under the user id "+p.ID+". If you did not expect this, contact your Registration Authority at once.")
		return tx.People.UpdateProfile(ctx, p)
	})
}

// closeProfile closes a profile after what first does with its cards.
func (s *Service) closeProfile(ctx context.Context, a Actor, name, profile string, first func(context.Context, *Tx, *record, []Card) error) error {
	var cards []Card
	err := s.change(ctx, a.name(), name, profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionClose, AnyTerm, p); err != nil {
			return err
		}
		if cards, err = tx.Cards.CardsOf(ctx, profile); err != nil {
			return err
		}
		if err := first(ctx, tx, rec, cards); err != nil {
			return err
		}
		p.State = ProfileClosed
		if err := tx.People.UpdateProfile(ctx, p); err != nil {
			return err
		}
		if err := endRoles(ctx, tx, profile); err != nil {
			return err
		}
		if _, err := endPositions(ctx, tx, profile); err != nil {
			return err
		}
		if _, err := tx.Releases.DropRelease(ctx, profile); err != nil {
			return err
		}
		for _, c := range cards {
			if c.State == CardActive || c.State == CardLocked || c.State == CardOrdered {
				if err := s.takeOut(ctx, tx, rec, c, CardCancelled, cessationOfOperation); err != nil {
					return err
				}
			}
		}
		if err := s.dropAuthenticators(ctx, tx, rec, profile, "profile closed"); err != nil {
			return err
		}
		return s.endSessions(ctx, tx, rec, SessionFilter{Profile: profile}, "profile closed")
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, c := range cards {
		failed = append(failed, s.settle(ctx, c.Serial))
	}
	return errors.Join(failed...)
}
