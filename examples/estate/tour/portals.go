// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// nurseRole is the role that the nurse chooses of the two that the hospital was
// seeded with.
const nurseRole = "S8000:G8000:R8001"

// portals is step 11.
func portals(ctx context.Context, s *story) error {
	if err := s.givePositions(ctx); err != nil {
		return err
	}
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	b := s.h.Browser()
	if err := s.enterClinical(ctx, b, hospital.AskedSignIn, hospital.AskedRole); err != nil {
		return err
	}
	if err := s.clinicalKnows(ctx, b); err != nil {
		return err
	}
	if err := s.enterLinks(ctx, b); err != nil {
		return err
	}
	if err := must("the nurse signs out of the link portal alone", b.LeaveLinks(ctx)); err != nil {
		return err
	}
	if err := refused(b.Inside(ctx, s.h.Web()+"/links", nil), "the link portal after that", "rp.session"); err != nil {
		return err
	}
	if _, err := s.h.Advance(ctx, linkFreshness+time.Minute); err != nil {
		return must("the clock moves on", err)
	}
	if err := s.enterLinks(ctx, b, hospital.AskedStepUp); err != nil {
		return err
	}
	s.atPortals = b
	return s.clinicalKnows(ctx, b)
}

// linkFreshness is how recent a sign-in the link portal asks for.
const linkFreshness = 5 * time.Minute

// givePositions has the RA manager give the nurse every position that there is:
// two, so that there is a choice.
func (s *story) givePositions(ctx context.Context) error {
	if err := holds(s.nurse.userID != "", "a profile from step 2", "none"); err != nil {
		return err
	}
	b, err := s.atDesk(ctx, raManager)
	if err != nil {
		return err
	}
	all, err := b.Positions(ctx)
	if err != nil {
		return must("the desk shows the positions", err)
	}
	if err := holds(len(all) == 2, "two positions", "%d", len(all)); err != nil {
		return err
	}
	for _, p := range all {
		if err := must("the RA manager gives the nurse the position "+p.Name, b.AssignPosition(ctx, s.nurse.userID, p.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) enterClinical(ctx context.Context, b *hospital.Browser, want ...string) error {
	portal, err := s.clinical(ctx)
	if err != nil {
		return err
	}
	return s.enter(ctx, b, "the clinical portal", portal+"/portal", want)
}

func (s *story) enterLinks(ctx context.Context, b *hospital.Browser, want ...string) error {
	return s.enter(ctx, b, "the link portal", s.h.Web()+"/links", want)
}

// enter opens an application as the nurse, and fails unless the provider asked
// for exactly this.
func (s *story) enter(ctx context.Context, b *hospital.Browser, what, page string, want []string) error {
	asked, err := b.Enter(ctx, page, hospital.Entry{Reader: ward, Passcode: s.nurse.passcode, Role: nurseRole})
	if err != nil {
		return must("the nurse opens "+what, err)
	}
	return holds(slices.Equal(asked, want), fmt.Sprintf("%s asks for %v", what, want), "%v", asked)
}

// clinical is the address of the clinical portal.
func (s *story) clinical(ctx context.Context) (string, error) {
	state, err := s.h.State(ctx)
	if err != nil {
		return "", must("the estate tells its state", err)
	}
	return state.Portal, holds(state.Portal != "", "the address of a clinical portal", "none")
}

// clinicalKnows fails unless the portal has the nurse in the chosen role, at the
// level of a card.
func (s *story) clinicalKnows(ctx context.Context, b *hospital.Browser) error {
	portal, err := s.clinical(ctx)
	if err != nil {
		return err
	}
	var who struct {
		UserID, Role, RoleCode string
		AAL                    int
	}
	if err := b.Inside(ctx, portal+"/portal", &who); err != nil {
		return must("the clinical portal lets the nurse in", err)
	}
	return first(
		holds(who.UserID == s.nurse.userID, "the portal knows "+s.nurse.userID, "it knows %q", who.UserID),
		holds(who.RoleCode == nurseRole, "in the role "+nurseRole, "%q", who.RoleCode),
		holds(who.AAL == 3, "at level 3", "%d", who.AAL),
	)
}

// signedOutWithin is how soon an application knows that the card is gone.
const signedOutWithin = 5 * time.Second

// pulled is step 12.
func pulled(ctx context.Context, s *story) error {
	b := s.atPortals
	if err := holds(b != nil, "the nurse signed in at both portals, from step 11", "nobody"); err != nil {
		return err
	}
	portal, err := s.clinical(ctx)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, signedOutWithin)
	defer cancel()
	if err := must("the card is pulled", s.h.Pull(within, ward)); err != nil {
		return err
	}
	for what, address := range map[string]string{"the clinical portal": portal + "/session", "the link portal": s.h.Web() + "/links"} {
		if err := signedOut(within, b, what, address); err != nil {
			return err
		}
	}
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	for what, address := range map[string]string{"the clinical portal": portal + "/session", "the link portal": s.h.Web() + "/links"} {
		if err := refused(b.Inside(ctx, address, nil), what+" after the card is put back", "rp.session"); err != nil {
			return err
		}
	}
	return s.enterClinical(ctx, b, hospital.AskedSignIn, hospital.AskedRole)
}

// signedOut waits until an application says that nobody is signed in there.
func signedOut(ctx context.Context, b *hospital.Browser, what, address string) error {
	for {
		err := b.Inside(ctx, address, nil)
		if wardkey.RuleOf(err) == "rp.session" {
			return nil
		}
		if ctx.Err() != nil {
			return holds(false, what+" is signed out within 5 seconds of the pull", "it is not")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
