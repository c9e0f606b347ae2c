// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Visit is what a person is about to do at a workstation.
type Visit struct {
	Service    NationalService
	With       AuthenticatorKind   // "" is a card
	Registered []AuthenticatorKind // what the person's profile has, to be named where a card can't be used
}

func (v Visit) withCard() bool { return v.With == "" || v.With == KindCard }

// Reach says whether a service is reached from the workstation's network. The service's own rule comes first; only
// where it has none does what a person signs in with decide: a card needs HSCN, the others the internet. HSCN reaches
// both.
//
// Refusals, with the ground beside them: service.unknown, authenticator.unknown, network.unpublished, network.hscn (the
// service), network.card (its next step names what can be used instead).
func Reach(book *wardkey.Rulebook, v Visit, w Workstation, t time.Time) (Ground, error) {
	name, err := ServiceName(book, v.Service, t)
	if err != nil {
		return Ground{}, err
	}
	id, refusal := "service."+string(v.Service)+".network", "network.hscn"
	wanted, err := book.Text(id, t)
	if err != nil {
		id, refusal = "network.card", "network.card"
		if !v.withCard() {
			if err := kindAt(book, v.With, t); err != nil {
				return Ground{}, err
			}
			id = "network.other"
		}
		if wanted, err = book.Text(id, t); err != nil {
			return Ground{}, book.Refuse("network.unpublished", "service", name)
		}
	}
	g, _ := ground(book, id, t)
	if wanted == NetworkInternet || w.Network == NetworkHSCN {
		return g, nil
	}
	network := "the internet"
	if w.Network != NetworkInternet {
		if g, passes := unknownPasses(book, "network", t); passes {
			return g, nil
		}
		network = "a network that is not known"
	}
	return g, refuseBy(book, g, refusal, "service", name, "network", network, "alternatives", otherWays(book, v.Registered, t))
}

// Finding is one setting of a workstation: right where No is nil.
type Finding struct {
	Setting string
	Ground  Ground
	No      *wardkey.Refusal
}

// Checkup is all that Doctor looked at, always in the same order.
type Checkup []Finding

// Refusals lists what is wrong; nil where nothing is.
func (c Checkup) Refusals() wardkey.Refusals {
	var wrong wardkey.Refusals
	for _, found := range c {
		if found.No != nil {
			wrong = append(wrong, found.No)
		}
	}
	return wrong
}

// Doctor looks at each setting that a sign-in depends on and says for each whether it is right: system, browser,
// client, network and clock; with a card also set-up, private window, Credential Management and the card in its reader;
// and that the machine is shared, which is never wrong. Unknown does what the rules workstation.unknown.… say.
// It believes what the workstation declares, and a clean checkup grants nothing.
//
// Refusals: those of Compat, Reach and Methods, device.changed, browser.private, device.credmgmt, card.absent,
// device.clock; device.unreadable where the book has no rule to measure by.
func Doctor(book *wardkey.Rulebook, v Visit, w Workstation, t time.Time) Checkup {
	d := doctor{book, w, t}
	var c Checkup
	add := func(setting string, g Ground, err error) { c = append(c, Finding{setting, g, asRefusal(book, err)}) }
	g, err := systemCompat(book, w, t)
	add("system", g, err)
	g, err = browserCompat(book, w, t)
	add("browser", g, err)
	g, err = hasMethod(book, w.Client, MethodCard, t)
	add("client", g, err)
	g, err = Reach(book, v, w, t)
	add("network", g, err)
	if v.withCard() {
		g, err = d.setUp()
		add("set-up", g, err)
		g, err = d.private()
		add("private", g, err)
		g, err = d.credentialManagement()
		add("credential-management", g, err)
		g, err = d.card()
		add("card", g, err)
	}
	g, err = d.clock()
	add("clock", g, err)
	g, _ = ground(book, "device.shared", t)
	add("shared", g, nil)
	return c
}

// asRefusal keeps a checkup made of refusals: what is none is told as a rule that can't be read.
func asRefusal(book *wardkey.Rulebook, err error) *wardkey.Refusal {
	if err == nil {
		return nil
	}
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		return no
	}
	return book.Refuse("device.unreadable").Because(err)
}

// doctor is the checks of single settings.
type doctor struct {
	book *wardkey.Rulebook
	w    Workstation
	t    time.Time
}

// known is the answer to a setting that is yes or no, with the id by which the wrong answer is refused.
func (d doctor) known(field string, is, wrong Known, refusal string) (Ground, error) {
	g, _ := ground(d.book, "workstation.unknown."+field, d.t)
	_, right := unknownPasses(d.book, field, d.t)
	if is == Yes || is == No {
		right = is != wrong
	}
	if !right {
		return g, d.book.Refuse(refusal)
	}
	return g, nil
}

func (d doctor) private() (Ground, error) {
	return d.known("private", d.w.Private, Yes, "browser.private")
}

func (d doctor) credentialManagement() (Ground, error) {
	return d.known("credential-management", d.w.CredentialManagement, No, "device.credmgmt")
}

func (d doctor) card() (Ground, error) { return d.known("card", d.w.Card, No, "card.absent") }

// setUp asks for the set-up again after the system was updated or reset.
func (d doctor) setUp() (Ground, error) {
	same := Unknown
	if d.w.Build != "" && d.w.SetUpOn != "" {
		same = No
		if d.w.Build == d.w.SetUpOn {
			same = Yes
		}
	}
	return d.known("build", same, No, "device.changed")
}

func (d doctor) clock() (Ground, error) {
	g, _ := ground(d.book, "device.clock", d.t)
	limit, err := d.book.Duration("device.clock", d.t)
	if err != nil {
		return g, err
	}
	if d.w.ClockSkew == nil {
		if _, passes := unknownPasses(d.book, "clock", d.t); passes {
			return g, nil
		}
		return g, d.book.Refuse("device.clock", "skew", "an unknown time")
	}
	if d.w.ClockSkew.Abs() > limit {
		return g, d.book.Refuse("device.clock", "skew", d.w.ClockSkew.Round(time.Second).String())
	}
	return g, nil
}
