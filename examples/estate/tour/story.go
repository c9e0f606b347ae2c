// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// The hospital's readers: staff of the Registration Authority sit at the desk,
// with the card that they deal with in a second reader before them; nurses sign
// in at the workstation of the ward.
const (
	desk    = 1
	counter = 2
	ward    = 3
)

// The roles whose people the estate was seeded with.
const (
	raManager = "ra-manager"
	raAgent   = "ra-agent"
	sponsor   = "sponsor"
)

// story is what the steps hand on to each other.
type story struct {
	h       *hospital.Hospital
	openssl string
	dir     string // of this run alone, for openssl

	staff        map[string]person // by role
	organisation string

	root, issuing *x509.Certificate // step 1
	nurse         person            // steps 2 and 3: lives through the whole story
	leaver        person            // steps 2 and 3: lets the card run out, then loses it
	atPortals     *hospital.Browser // step 11: the nurse's, signed in at both
	sender        mailUser          // step 15
	outside       []recipient       // step 16: with certificates that the gateway knows
}

// person is somebody with a card.
type person struct {
	hospital.Starter
	userID   string
	card     string // serial; "" before it is issued
	passcode string
}

// meet finds the staff that the estate was seeded with.
func (s *story) meet(ctx context.Context) error {
	state, err := s.h.State(ctx)
	if err != nil {
		return fmt.Errorf("the tour does not reach the estate: %w", err)
	}
	for _, p := range state.People {
		for _, role := range []string{raManager, raAgent, sponsor} {
			if !slices.Contains(p.Roles, role) {
				continue
			}
			i := slices.IndexFunc(state.Cards, func(c hospital.Card) bool { return c.Holder == p.UserID && c.DemoPasscode != "" })
			if _, met := s.staff[role]; met || i < 0 {
				continue
			}
			card := state.Cards[i]
			s.staff[role] = person{userID: p.UserID, card: card.Serial, passcode: card.DemoPasscode}
			s.organisation = p.Organisation
			break
		}
	}
	for _, role := range []string{raManager, raAgent, sponsor} {
		if s.staff[role].card == "" {
			return fmt.Errorf("the estate has no %s with a card: the tour wants one that was just seeded", role)
		}
	}
	return nil
}

// signedIn puts somebody's card into a reader and signs in, in a browser of
// their own.
func (s *story) signedIn(ctx context.Context, p person, reader int) (*hospital.Browser, *hospital.Session, error) {
	if p.card == "" {
		return nil, nil, errNoCard
	}
	if err := s.h.Insert(ctx, reader, p.card); err != nil {
		return nil, nil, err
	}
	b := s.h.Browser()
	session, err := b.SignIn(ctx, reader, p.passcode)
	return b, session, err
}

// pair reads somebody's newest certificates: authentication, then signing.
func (s *story) pair(ctx context.Context, p person) ([]*x509.Certificate, error) {
	if p.card == "" {
		return nil, errNoCard
	}
	return s.h.Certificates(ctx, p.card)
}

// errNoCard is why a step can't do its part.
var errNoCard = errors.New("there is no card: an earlier step did not make it")

// atDesk signs a member of staff in at the desk.
func (s *story) atDesk(ctx context.Context, role string) (*hospital.Browser, error) {
	b, _, err := s.signedIn(ctx, s.staff[role], desk)
	return b, must("the "+role+" signs in at the desk", err)
}

// renewStaff renews the cards of the staff, each by its own holder in the last
// ninety days.
func (s *story) renewStaff(ctx context.Context) error {
	for _, role := range []string{sponsor, raAgent, raManager} {
		b, err := s.atDesk(ctx, role)
		if err != nil {
			return err
		}
		if err := must("the "+role+" renews the card in its window", b.Renew(ctx, desk, s.staff[role].passcode)); err != nil {
			return err
		}
		if err := must("the "+role+" signs out", b.SignOut(ctx)); err != nil {
			return err
		}
	}
	return nil
}
