// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"crypto/x509"
	"regexp"
	"strconv"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// authority is step 1.
func authority(ctx context.Context, s *story) error {
	state, err := s.h.State(ctx)
	if err != nil {
		return must("the estate tells its state", err)
	}
	root, err := s.certificate(ctx, "/aia/root.cer")
	if err != nil {
		return must("the root is published", err)
	}
	issuing, err := s.certificate(ctx, "/aia/issuing.cer")
	if err != nil {
		return must("the issuing CA is published", err)
	}
	err = first(
		holds(state.CA.IssuingKey == "softhsm", "the issuing key in SoftHSM", "it is in %s", state.CA.IssuingKey),
		holds(root.IsCA && issuing.IsCA, "two CA certificates", "root %t, issuing %t", root.IsCA, issuing.IsCA),
		holds(!bytes.Equal(root.RawSubjectPublicKeyInfo, issuing.RawSubjectPublicKeyInfo), "two keys", "the root and the issuing CA share one"),
		holds(issuing.NotAfter.Equal(state.CA.NotAfter), "an issuing CA until "+stamp(state.CA.NotAfter), "%s", stamp(issuing.NotAfter)),
	)
	if err != nil {
		return err
	}
	if err := s.opensslVerify(ctx, root, nil, issuing, state.Now); err != nil {
		return must("openssl verify accepts the issuing CA under the root", err)
	}
	s.root, s.issuing = root, issuing
	return nil
}

// The two people whose cards the story follows: names and contacts, which is
// all that an applicant brings.
func starters() (nurse, leaver person) {
	nurse = person{passcode: nursePasscode, Starter: hospital.Starter{
		GivenName: "Asha", FamilyName: "Patel", Email: "asha.patel@nhs.net", Mobile: "+447700900141",
	}}
	leaver = person{passcode: leaverPasscode, Starter: hospital.Starter{
		GivenName: "Owen", FamilyName: "Rees", Email: "owen.rees@nhs.net", Mobile: "+447700900142",
	}}
	return nurse, leaver
}

// application is step 2.
func application(ctx context.Context, s *story) error {
	s.nurse, s.leaver = starters()
	b, err := s.atDesk(ctx, sponsor)
	if err != nil {
		return err
	}
	no := b.OpenProfile(ctx, s.nurse.Starter)
	if err := refused(no, "opening a profile directly", "profile.apply"); err != nil {
		return err
	}
	told := why(no)
	if err := first(
		holds(len(told.Next) > 0, "the refusal says where to go", "no next step"),
		holds(told.Fixer == raManager, "the refusal says who can: ra-manager", "%q", told.Fixer),
		holds(told.Source.Document != "", "the refusal names its source", "none"),
	); err != nil {
		return err
	}
	if err := first(s.admit(ctx, &s.nurse), s.admit(ctx, &s.leaver)); err != nil {
		return err
	}
	return holds(s.nurse.userID != s.leaver.userID, "two user ids", "both are %s", s.nurse.userID)
}

var twelveDigits = regexp.MustCompile(`^[0-9]{12}$`)

// admit takes a person through Apply for Care ID: invited by the sponsor,
// checked by the RA agent, approved by the RA manager.
func (s *story) admit(ctx context.Context, p *person) error {
	mail, err := s.h.Mailbox(ctx, p.Email)
	if err != nil {
		return must("the inbox opens", err)
	}
	b, err := s.atDesk(ctx, sponsor)
	if err != nil {
		return err
	}
	id, err := b.Invite(ctx, p.Starter)
	if err != nil {
		return must("the sponsor invites a starter", err)
	}
	if err := s.apply(ctx, mail); err != nil {
		return err
	}
	seen := []hospital.Document{{Kind: "passport", Number: "925076473"}, {Kind: "utility-bill"}, {Kind: "council-tax"}}
	if b, err = s.atDesk(ctx, raAgent); err != nil {
		return err
	}
	if err := must("the RA agent records the identity check", b.Check(ctx, id, seen...)); err != nil {
		return err
	}
	if b, err = s.atDesk(ctx, raManager); err != nil {
		return err
	}
	if p.userID, err = b.Approve(ctx, id); err != nil {
		return must("the RA manager approves the application", err)
	}
	return holds(twelveDigits.MatchString(p.userID), "a user id of 12 digits", "%q", p.userID)
}

// apply is the starter's part: the link in the invitation, once.
func (s *story) apply(ctx context.Context, mail *hospital.Mailbox) error {
	invitation, err := mail.Next(ctx, nil)
	if err != nil {
		return must("the invitation arrives by e-mail", err)
	}
	link, err := invitation.Link()
	if err != nil {
		return must("the invitation has a link", err)
	}
	if err := must("the starter applies", s.h.Apply(ctx, link)); err != nil {
		return err
	}
	return refused(s.h.Apply(ctx, link), "an invitation used twice", "application.token", "application.state")
}

// issuance is step 3.
func issuance(ctx context.Context, s *story) error {
	return first(s.newCard(ctx, &s.nurse), s.newCard(ctx, &s.leaver))
}

// newCard has a blank card made for a person and looks at what it carries.
func (s *story) newCard(ctx context.Context, p *person) error {
	if err := holds(p.userID != "", "a profile from step 2", "none"); err != nil {
		return err
	}
	card, err := s.h.BlankCard(ctx)
	if err != nil {
		return must("a blank card from the drawer", err)
	}
	before, err := s.h.Now(ctx)
	if err != nil {
		return must("the clock is read", err)
	}
	if err := s.issue(ctx, *p, card); err != nil {
		return err
	}
	p.card = card
	after, err := s.h.Now(ctx)
	if err != nil {
		return must("the clock is read", err)
	}
	pair, err := s.pair(ctx, *p)
	if err != nil {
		return must("two certificates", err)
	}
	return s.checkPair(ctx, pair, *p, before, after)
}

// issue has the RA agent make a card for a person who shows a passport.
func (s *story) issue(ctx context.Context, p person, card string) error {
	b, err := s.atDesk(ctx, raAgent)
	if err != nil {
		return err
	}
	if err := must("the blank card goes into the other reader", s.h.Insert(ctx, counter, card)); err != nil {
		return err
	}
	return must("the RA agent issues the card", b.IssueCard(ctx, hospital.Issue{
		UserID: p.userID, Card: card, Reader: counter, Passcode: p.passcode,
		Presence: hospital.Presence{Attested: "passport 925076473"},
	}))
}

// validityYears is the life of a pair of certificates.
const validityYears = 3

// checkPair looks at a fresh pair: made between before and after, for p.
func (s *story) checkPair(ctx context.Context, pair []*x509.Certificate, p person, before, after time.Time) error {
	if err := holds(!bytes.Equal(pair[0].RawSubjectPublicKeyInfo, pair[1].RawSubjectPublicKeyInfo), "two key pairs", "both certificates are of one key"); err != nil {
		return err
	}
	for i, c := range pair {
		name := []string{"authentication", "signing"}[i]
		end := calendarYears(c.NotBefore, validityYears).Add(-time.Second)
		if err := first(
			holds(c.Subject.SerialNumber == p.userID, "the "+name+" certificate of "+p.userID, "that of %s", c.Subject.SerialNumber),
			holds(!c.NotBefore.Before(before.Truncate(time.Second)) && !c.NotBefore.After(after),
				"it begins between "+stamp(before)+" and "+stamp(after), "%s", stamp(c.NotBefore)),
			holds(c.NotAfter.Equal(end), "it ends "+strconv.Itoa(validityYears)+" calendar years on, minus a second: "+stamp(end), "%s", stamp(c.NotAfter)),
		); err != nil {
			return err
		}
		if s.root == nil {
			continue // step 1 said so
		}
		if err := must("openssl verify accepts the "+name+" certificate", s.opensslVerify(ctx, s.root, s.issuing, c, after)); err != nil {
			return err
		}
	}
	return nil
}

// calendarYears adds years; 29 February becomes 28 February where the year has
// no leap day.
func calendarYears(t time.Time, years int) time.Time {
	to := t.AddDate(years, 0, 0)
	if to.Day() != t.Day() {
		to = to.AddDate(0, 0, -to.Day())
	}
	return to
}
