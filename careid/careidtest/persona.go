// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

// Persona is somebody to bring into a hospital: a plain value, to be copied and changed. Only the names are needed; the
// rest of the zero value is an ordinary holder of a fresh card.
//
//	night := careidtest.LockedNoEmail()
//	night.Mobile = "07700 900456"
//	h := careidtest.New(t, careidtest.Config{People: []careidtest.Persona{night}})
type Persona struct {
	Given, Family string
	Email         string // default given.family@nhs.net
	Mobile        string // default 07700 900123
	// NoEmail and NoMobile take them off the profile when everything else is done: an invitation needs the first.
	NoEmail, NoMobile bool

	Role     careid.Role // at Organisation; default careid.Holder
	Position string      // the name of a position that they hold at Organisation, made where it isn't there
	MovingTo string      // the ODS code of an organisation that they are released to, and that hasn't taken them over

	NoCard   bool
	Passcode string // default Passcode
	// DaysLeft is how many days the card's certificates still have when the hospital opens; -1 is a card that ended
	// yesterday. 0 is a fresh card. Such a card has a past: its holder must be of Config.People, and the hospital opens
	// so much later that the card was made on its first day or after.
	DaysLeft int
	Locked   bool // somebody typed MaxTries wrong passcodes
}

// Nurse is a holder of a card, and of nothing else that gives rights.
func Nurse() Persona { return Persona{Given: "Asha", Family: "Patel"} }

// RAManager is a second one: the first is the hospital's founder.
func RAManager() Persona { return Persona{Given: "Grace", Family: "Adeyemi", Role: careid.RAManager} }

// AdvancedRAAgent is one.
func AdvancedRAAgent() Persona {
	return Persona{Given: "Tomas", Family: "Novak", Role: careid.AdvancedRAAgent}
}

// RAAgent is one.
func RAAgent() Persona { return Persona{Given: "Daniel", Family: "Price", Role: careid.RAAgent} }

// Sponsor is one.
func Sponsor() Persona { return Persona{Given: "Maya", Family: "Lindqvist", Role: careid.Sponsor} }

// IDChecker is one.
func IDChecker() Persona { return Persona{Given: "Huw", Family: "Morgan", Role: careid.IDChecker} }

// LocalSmartcardAdministrator is one.
func LocalSmartcardAdministrator() Persona {
	return Persona{Given: "Ines", Family: "Costa", Role: careid.LocalSmartcardAdministrator}
}

// Starter has a profile and no card yet.
func Starter() Persona { return Persona{Given: "Kofi", Family: "Mensah", NoCard: true} }

// RenewalDue has a card that ends in 30 days.
func RenewalDue() Persona { return Persona{Given: "Leila", Family: "Haddad", DaysLeft: 30} }

// Expired has a card that ended yesterday.
func Expired() Persona { return Persona{Given: "Owen", Family: "Rees", DaysLeft: -1} }

// Locked has a card that is locked, and can be reached by e-mail.
func Locked() Persona { return Persona{Given: "Nadia", Family: "Rahman", Locked: true} }

// LockedNoEmail has a locked card, and neither e-mail address nor mobile number on the profile.
func LockedNoEmail() Persona {
	return Persona{Given: "Piotr", Family: "Zielinski", Locked: true, NoEmail: true, NoMobile: true}
}

// ExpiredLocked has a card that ended yesterday and is locked.
func ExpiredLocked() Persona {
	return Persona{Given: "Carys", Family: "Evans", Locked: true, DaysLeft: -1}
}

// LeaverMidMove holds a position here, and is released to an organisation that hasn't taken them over yet.
func LeaverMidMove() Persona {
	return Persona{Given: "Samuel", Family: "Boateng", Position: "Ward nurse", MovingTo: "RXX"}
}

func (p Persona) withDefaults() Persona {
	p.Email = cmp.Or(p.Email, fmt.Sprintf("%s.%s@nhs.net", p.Given, p.Family))
	p.Mobile = cmp.Or(p.Mobile, "07700 900123")
	p.Role = cmp.Or(p.Role, careid.Holder)
	p.Passcode = cmp.Or(p.Passcode, Passcode)
	return p
}

// Add brings somebody in, as everybody comes in: by Apply for Care ID, and a card from the RA manager. A DaysLeft is an
// error here: what is in the past must be so before the hospital opens.
func (h *Hospital) Add(ctx context.Context, p Persona) (Person, error) {
	if p.DaysLeft != 0 {
		return Person{}, errors.New("careidtest: a Persona with DaysLeft must be of Config.People")
	}
	return h.add(ctx, p.withDefaults())
}

func (h *Hospital) add(ctx context.Context, p Persona) (Person, error) {
	profile, err := h.apply(ctx, p)
	if err != nil {
		return Person{}, err
	}
	person := Person{Profile: profile}
	if !p.NoCard {
		if person.Card, err = h.issue(ctx, profile.ID, "", p.Passcode); err != nil {
			return person, err
		}
	}
	if err := h.settle(ctx, &person, p); err != nil {
		return person, err
	}
	if p.Locked && person.Card != nil {
		return person, h.lock(ctx, person.Card)
	}
	return person, nil
}

// settle gives somebody what hangs on their profile.
func (h *Hospital) settle(ctx context.Context, person *Person, p Persona) error {
	manager, err := h.Actor(ctx, h.RAManager, careid.RAManager)
	if err != nil {
		return err
	}
	if p.Role != careid.Holder {
		if err := h.Service.GrantRole(ctx, manager, person.Profile.ID, p.Role); err != nil {
			return err
		}
	}
	if p.Position != "" {
		if err := h.assign(ctx, manager, person.Profile.ID, p.Position); err != nil {
			return err
		}
	}
	if p.MovingTo != "" {
		if err := h.Service.Release(ctx, manager, person.Profile.ID, p.MovingTo); err != nil {
			return err
		}
	}
	if !p.NoEmail && !p.NoMobile {
		return nil
	}
	left := careid.Contact{Email: person.Profile.Email, Mobile: person.Profile.Mobile}
	if p.NoEmail {
		left.Email = ""
	}
	if p.NoMobile {
		left.Mobile = ""
	}
	person.Profile.Email, person.Profile.Mobile = left.Email, left.Mobile
	return h.Service.SetContact(ctx, manager, person.Profile.ID, left)
}

// assign gives somebody a position by its name.
func (h *Hospital) assign(ctx context.Context, manager careid.Actor, profile, name string) error {
	all, err := h.Service.Positions(ctx, manager)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(p careid.Position) bool { return p.Name == name })
	if at < 0 {
		made, err := h.Service.CreatePosition(ctx, manager, careid.Position{
			Name: name, Role: careid.Coded{Code: "S8000:G8000:R8001", Name: "Nurse Access Role"},
		})
		if err != nil {
			return err
		}
		all, at = append(all, *made), len(all)
	}
	_, err = h.Service.AssignPosition(ctx, manager, careid.Assign{Profile: profile, Position: all[at].ID})
	return err
}

// lock types wrong passcodes until the card is locked.
func (h *Hospital) lock(ctx context.Context, c *Card) error {
	wrong := []byte(strings.Repeat("0", len(c.Passcode)))
	if string(wrong) == string(c.Passcode) {
		wrong[0] = '1'
	}
	var err error
	for range MaxTries {
		err = c.opened(ctx, wrong, func() error { return nil })
	}
	if wardkey.RuleOf(err) != "card.locked" {
		return fmt.Errorf("careidtest: a card of wrong passcodes is not locked: %w", err)
	}
	return nil
}

// past is when the card of a person was issued who has so many days left when the hospital opens.
func past(opens time.Time, daysLeft int) time.Time {
	return opens.Add(time.Duration(daysLeft)*24*time.Hour+time.Second).AddDate(-3, 0, 0)
}

// opening is when the hospital opens: on the founder's day, or as much later as the oldest card of its people asks for.
func opening(founded time.Time, people []Persona) (time.Time, error) {
	opens := founded
	for _, p := range people {
		if p.DaysLeft == 0 {
			continue
		}
		if at := founded.AddDate(3, 0, -p.DaysLeft); at.After(opens) {
			opens = at
		}
	}
	for _, p := range people {
		if p.DaysLeft != 0 && past(opens, p.DaysLeft).After(opens) {
			return opens, fmt.Errorf("careidtest: no card of three years has %d days left", p.DaysLeft)
		}
	}
	return opens, nil
}

// older brings in those who have a past, the oldest first, up to the day the hospital opens.
func (h *Hospital) older(ctx context.Context, opens time.Time, people []Persona) error {
	var order []int
	for i, p := range people {
		if p.DaysLeft != 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return people[a].DaysLeft - people[b].DaysLeft })
	for _, i := range order {
		if err := h.liveTo(ctx, past(opens, people[i].DaysLeft)); err != nil {
			return err
		}
		var err error
		if h.People[i], err = h.add(ctx, people[i].withDefaults()); err != nil {
			return fmt.Errorf("admit %s: %w", people[i].Given, err)
		}
	}
	h.Wall.Set(opens)
	return h.liveTo(ctx, opens)
}

// liveTo moves the calendar, and the founder renews in time.
func (h *Hospital) liveTo(ctx context.Context, at time.Time) error {
	for {
		due := h.RAManager.Card.Certificates[0].NotAfter.AddDate(0, 0, -45)
		if !due.Before(at) {
			break
		}
		h.Clock.Set(due)
		if err := h.Renew(ctx, h.RAManager.Card); err != nil {
			return err
		}
	}
	h.Clock.Set(at)
	return nil
}
