// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// The sites that the story opens, by their ODS codes.
const (
	linkSite   = "VKT01"
	quotaSite  = "VKT02"
	senderSite = "VKT03"
)

// mailUser is somebody with a mail account.
type mailUser struct {
	address  string
	password string // the activation password, until it is changed
	mobile   string
	portal   *hospital.Browser // signed in
}

// Two workstations as their browsers' pages report them.
func workstations() (fit, unfit hospital.Workstation) {
	return hospital.Workstation{Browser: "edge", CredentialManagement: "yes", Private: "no", Skew: "0"},
		hospital.Workstation{Browser: "firefox", CredentialManagement: "no", Private: "yes", Skew: "-1800"}
}

// linking is step 13, at the link portal. The nurse is signed in with the card, by
// the provider, and has signed in to her mail account in the same browser. Its
// password is asked for again with each link.
func linking(ctx context.Context, s *story) error {
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	b := s.h.Browser()
	if err := s.enterLinks(ctx, b, hospital.AskedSignIn); err != nil {
		return err
	}
	if err := must("a site gets mail accounts", s.h.OpenSite(ctx, linkSite, "Elm House")); err != nil {
		return err
	}
	own, err := s.openAccount(ctx, linkSite, "Asha", "Patel", s.nurse.Mobile)
	if err != nil {
		return err
	}
	if err := missingAtOnce(ctx, b, own.address); err != nil {
		return err
	}
	if err := openPortal(ctx, &own, b); err != nil {
		return err
	}
	steps := firstLogin()
	if err := pass(ctx, &own, steps[:2]...); err != nil {
		return err
	}
	if err := must("the mail account is shown to be the nurse's", b.OwnMail(ctx, own.address, mailPassword)); err != nil {
		return err
	}
	fit, _ := workstations()
	if err := refused(b.Link(ctx, own.address, "", fit), "a link by somebody who only found the account open", "mail.password.wrong"); err != nil {
		return err
	}
	if err := refused(b.Link(ctx, own.address, mailPassword, fit), "a link before the policy is accepted", "mail.aup"); err != nil {
		return err
	}
	if err := pass(ctx, &own, steps[2]); err != nil {
		return err
	}
	return s.linkOnce(ctx, b, own.address)
}

// missingAtOnce asks from an unfit workstation for an account whose policy is
// not accepted, and for one that nobody has.
func missingAtOnce(ctx context.Context, b *hospital.Browser, address string) error {
	_, unfit := workstations()
	missing, err := b.LinkPreflight(ctx, address, unfit)
	if err != nil {
		return must("the preflight answers", err)
	}
	if err := sameRules(missing, "mail.aup", "device.credmgmt", "browser.unsupported", "browser.private", "device.clock"); err != nil {
		return err
	}
	for _, no := range missing {
		if err := holds(no.Fixer != "" && len(no.Next) > 0, no.Rule+" says who can mend it and how", "%q, %v", no.Fixer, no.Next); err != nil {
			return err
		}
	}
	if missing, err = b.LinkPreflight(ctx, "nobody.there@nhs.net", unfit); err != nil {
		return must("the preflight answers", err)
	}
	return sameRules(missing, "mail.inactive", "device.credmgmt", "browser.unsupported", "browser.private", "device.clock")
}

// sameRules fails unless a preflight refused by exactly these rules.
func sameRules(missing wardkey.Refusals, want ...string) error {
	var got []string
	for _, no := range missing {
		got = append(got, no.Rule)
	}
	slices.Sort(got)
	slices.Sort(want)
	return holds(slices.Equal(got, want), "the missing conditions "+strings.Join(want, ", "), "%s", strings.Join(got, ", "))
}

// linkOnce links an account, tries a second one beside it, moves the link to that
// one, and ends it and makes it anew.
func (s *story) linkOnce(ctx context.Context, b *hospital.Browser, address string) error {
	fit, _ := workstations()
	missing, err := b.LinkPreflight(ctx, address, fit)
	if err != nil {
		return must("the preflight answers", err)
	}
	if err := sameRules(missing); err != nil {
		return err
	}
	if err := must("the account is linked", b.Link(ctx, address, mailPassword, fit)); err != nil {
		return err
	}
	other, err := s.openAccount(ctx, linkSite, "Asha", "Patel-Second", s.nurse.Mobile)
	if err != nil {
		return err
	}
	if err := openPortal(ctx, &other, b); err != nil {
		return err
	}
	if err := pass(ctx, &other, firstLogin()...); err != nil {
		return err
	}
	if err := must("the second account is shown to be the nurse's", b.OwnMail(ctx, other.address, mailPassword)); err != nil {
		return err
	}
	if err := refused(b.Link(ctx, other.address, mailPassword, fit), "a second link", "link.taken"); err != nil {
		return err
	}
	if err := must("the link is moved to the second account", b.Relink(ctx, address, other.address, mailPassword, fit)); err != nil {
		return err
	}
	if err := must("the account is unlinked", b.Unlink(ctx, other.address)); err != nil {
		return err
	}
	return must("the card is free to be linked again", b.Link(ctx, other.address, mailPassword, fit))
}

// openAccount opens a mail account and reads its activation password out of the
// text.
func (s *story) openAccount(ctx context.Context, ods, given, family, mobile string) (mailUser, error) {
	u := mailUser{mobile: mobile}
	texts, err := s.h.Mailbox(ctx, mobile)
	if err != nil {
		return u, must("the inbox opens", err)
	}
	if u.address, err = s.h.OpenAccount(ctx, ods, given, family, mobile); err != nil {
		return u, must("an account of the site", err)
	}
	text, err := texts.Next(ctx, func(m hospital.Message) bool { return m.Channel == "text" && strings.Contains(m.Body, u.address) })
	if err != nil {
		return u, must("the activation password by text", err)
	}
	lines := strings.Split(text.Body, "\n")
	u.password = lines[len(lines)-1] // alone on the last line, exactly as it must be typed
	return u, nil
}

// openPortal signs in to the mail portal with the activation password.
func openPortal(ctx context.Context, u *mailUser, b *hospital.Browser) error {
	u.portal = b
	g, err := b.MailSignIn(ctx, u.address, u.password)
	if err != nil {
		return must("the activation password signs in", err)
	}
	return holds(g == hospital.Gates{}, "three gates to pass", "%+v", g)
}

// pass does what a first sign-in asks for.
func pass(ctx context.Context, u *mailUser, gates ...gate) error {
	for _, g := range gates {
		if err := must("the first sign-in: "+g.name, g.pass(ctx, u)); err != nil {
			return err
		}
	}
	return nil
}

// gate is one of the three things to do at a first sign-in.
type gate struct {
	name string
	pass func(context.Context, *mailUser) error
}

func firstLogin() []gate {
	return []gate{
		{"a new password", func(ctx context.Context, u *mailUser) error {
			return u.portal.ChangeMailPassword(ctx, mailPassword)
		}},
		{"security questions", func(ctx context.Context, u *mailUser) error {
			return u.portal.SetQuestions(ctx, []hospital.Answer{
				{Question: "First ward worked on?", Answer: "Nightingale"},
				{Question: "Colour of the first bicycle?", Answer: "turquoise"},
				{Question: "Street of the first school?", Answer: "Mill Lane"},
			})
		}},
		{"the policy", func(ctx context.Context, u *mailUser) error { return u.portal.AcceptPolicy(ctx) }},
	}
}

const accountsPerSite = 10

// quota is step 14.
func quota(ctx context.Context, s *story) error {
	if err := must("a site gets mail accounts", s.h.OpenSite(ctx, quotaSite, "Ash Court")); err != nil {
		return err
	}
	var owner string
	for i := range accountsPerSite {
		address, err := s.h.OpenAccount(ctx, quotaSite, "Carer", fmt.Sprintf("Ash%c", 'A'+i), "+447700900200")
		if err != nil {
			return must(fmt.Sprintf("account %d of the site", i+1), err)
		}
		owner = address
	}
	_, err := s.h.OpenAccount(ctx, quotaSite, "Carer", "Eleventh", "+447700900200")
	if err := refused(err, "the eleventh account", "mail.quota.accounts"); err != nil {
		return err
	}
	shared, err := s.h.OpenShared(ctx, quotaSite, owner)
	if err != nil {
		return must("the site's shared mailbox", err)
	}
	if err := holds(strings.EqualFold(shared, "care."+quotaSite+"@nhs.net"), "care."+quotaSite+"@nhs.net", "%s", shared); err != nil {
		return err
	}
	_, err = s.h.OpenShared(ctx, quotaSite, owner)
	return refused(err, "the second shared mailbox", "mail.quota.shared")
}

// gates is step 15.
func gates(ctx context.Context, s *story) error {
	if err := must("a site gets mail accounts", s.h.OpenSite(ctx, senderSite, "Oak Lodge")); err != nil {
		return err
	}
	u, err := s.openAccount(ctx, senderSite, "Jo", "Newcomer", "+447700900143")
	if err != nil {
		return err
	}
	if err := openPortal(ctx, &u, s.h.Browser()); err != nil {
		return err
	}
	to := "asha.patel@nhs.net"
	inbox, err := s.h.Mailbox(ctx, to)
	if err != nil {
		return must("the inbox opens", err)
	}
	for _, g := range firstLogin() {
		if err := refused(u.portal.SendMail(ctx, to, "Rota", "On Monday."), "sending before "+g.name, "mail.aup.pending"); err != nil {
			return err
		}
		if err := must(g.name, g.pass(ctx, &u)); err != nil {
			return err
		}
	}
	if err := must("sending after all three", u.portal.SendMail(ctx, to, "Rota", "On Monday.")); err != nil {
		return err
	}
	m, err := inbox.Next(ctx, func(m hospital.Message) bool { return m.Subject == "Rota" })
	if err != nil {
		return must("the message arrives", err)
	}
	if err := holds(strings.Contains(m.Body, "On Monday."), "the message as it was written", "%q", m.Body); err != nil {
		return err
	}
	s.sender = u
	return nil
}
