// SPDX-License-Identifier: Apache-2.0

package careid

import (
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

//go:embed rules.json
var rulesJSON []byte

// builtIn parses the embedded book once: it can't change.
var builtIn = sync.OnceValues(func() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) })

// Rules returns the built-in rulebook: every number of this room with its date and source, and a row for each
// refusal.
func Rules() (*wardkey.Rulebook, error) { return builtIn() }

// Policy is the book's values on one day, typed.
type Policy struct {
	CertYears      int
	RenewalWindow  time.Duration // closed at both ends
	AlertWindow    time.Duration
	SessionMax     time.Duration
	SessionIdle    time.Duration // none, where it is no shorter than SessionMax
	SessionFresh   time.Duration // how long a proof is good enough to change contact details, inclusive
	Binding        Binding
	PasscodeLeast  int
	PasscodeMost   int
	PasscodeTries  int
	CodeDigits     int
	Channels       []string      // on which an unlock code may go out
	CodeFromStart  time.Duration // an unlock code's life, whichever ends first
	CodeFromSent   time.Duration
	CodeTries      int // of one code
	CardTries      int // of one card in any 24 hours
	CardCap        int // of one card in a row, before only the Registration Authority helps
	ResendGap      time.Duration
	ResendHour     int // codes to one person in any hour
	ResetLife      time.Duration
	Domains        []string
	PhotoKinds     []string
	AddressKinds   []string
	Documents      int
	InvitationLife time.Duration
	HandleLife     time.Duration
	NonceLife      time.Duration
	ChallengeLife  time.Duration // of a challenge to another authenticator
	PresenceLife   time.Duration
	ClockSkew      time.Duration
	LeaseEvery     time.Duration
	LeaseFor       time.Duration
	TermsVersion   string
	TermsModes     []string
	SignInAAL      AAL // the least that signs in
	ActorAAL       AAL // the least that acts for others, or changes one's own record
	MostRegistered int // active on one profile
	TOTPWindow     int // steps of 30 seconds that a code may be off
	TOTPTries      int // of one app in one window
	TOTPTriesEvery time.Duration
	TOTPCap        int           // of one app in a row
	TOTPEnrol      time.Duration // from registration to the first code
	CardAAL        AAL           // of a session by card
	CardMethods    []string      // its amr values
	AfterCard      SecondFactor  // what a sign-in by card is asked for
}

// PolicyAt reads a book as of t. A rule that is missing, undated or of another shape is an error.
func PolicyAt(book *wardkey.Rulebook, t time.Time) (Policy, error) {
	var p Policy
	var failed []error
	duration := func(into *time.Duration, id string) {
		v, err := book.Duration(id, t)
		*into, failed = v, append(failed, err)
	}
	number := func(into *int, id string) {
		v, err := book.Int(id, t)
		*into, failed = v, append(failed, err)
	}
	list := func(into *[]string, id string) {
		v, err := book.Strings(id, t)
		*into, failed = v, append(failed, err)
	}
	number(&p.CertYears, "cert.validity")
	duration(&p.RenewalWindow, "cert.renewal")
	duration(&p.AlertWindow, "cert.alert")
	duration(&p.SessionMax, "session.max")
	duration(&p.SessionIdle, "session.idle")
	duration(&p.SessionFresh, "session.fresh")
	number(&p.PasscodeLeast, "passcode.least")
	number(&p.PasscodeMost, "passcode.most")
	number(&p.PasscodeTries, "passcode.tries")
	number(&p.CodeDigits, "unlock.code.digits")
	list(&p.Channels, "unlock.channels")
	duration(&p.CodeFromStart, "unlock.life.start")
	duration(&p.CodeFromSent, "unlock.life.sent")
	number(&p.CodeTries, "unlock.code.tries")
	number(&p.CardTries, "unlock.card.tries")
	number(&p.CardCap, "unlock.card.cap")
	duration(&p.ResendGap, "unlock.resend.gap")
	number(&p.ResendHour, "unlock.resend.hour")
	duration(&p.ResetLife, "unlock.reset.life")
	list(&p.Domains, "contact.domains")
	list(&p.PhotoKinds, "identity.photo")
	list(&p.AddressKinds, "identity.address")
	number(&p.Documents, "identity.documents")
	duration(&p.InvitationLife, "application.life")
	duration(&p.HandleLife, "act.handle")
	duration(&p.NonceLife, "proof.nonce")
	duration(&p.ChallengeLife, "challenge.life")
	duration(&p.PresenceLife, "proof.presence")
	duration(&p.ClockSkew, "device.clock")
	duration(&p.LeaseEvery, "lease.every")
	duration(&p.LeaseFor, "lease.for")
	level := func(into *AAL, id string) {
		v, err := book.Int(id, t)
		*into, failed = AAL(v), append(failed, err)
	}
	level(&p.SignInAAL, "signin.aal")
	level(&p.ActorAAL, "actor.aal")
	number(&p.MostRegistered, "authenticator.most")
	number(&p.TOTPWindow, "totp.window")
	number(&p.TOTPTries, "totp.tries")
	duration(&p.TOTPTriesEvery, "totp.tries.window")
	number(&p.TOTPCap, "totp.cap")
	duration(&p.TOTPEnrol, "totp.enrol")
	var err error
	p.AfterCard, err = SecondFactorAfter(book, KindCard, Yes, t)
	failed = append(failed, err)
	card := []Shown{{Kind: KindCard, Verified: Yes}}
	p.CardAAL, _, err = Assurance(book, card, t)
	failed = append(failed, err)
	p.CardMethods, err = methods(book, card, t)
	failed = append(failed, err)
	binding, err := book.Text("card.binding", t)
	p.Binding, failed = Binding(binding), append(failed, err)
	list(&p.TermsModes, "terms.modes")
	p.TermsVersion, err = book.Text("terms.version", t)
	if err := errors.Join(append(failed, err)...); err != nil {
		return Policy{}, fmt.Errorf("careid: policy: %w", err)
	}
	return p, nil
}

// policySlot is how long a read policy is used: rules change at midnight, and no zone's midnight lies inside a
// quarter of an hour.
const policySlot = 15 * time.Minute

type datedPolicy struct {
	slot time.Time
	Policy
}

// policy reads the book as of t, or remembers having done so.
func (s *Service) policy(t time.Time) (Policy, error) {
	slot := t.UTC().Truncate(policySlot)
	if kept := s.kept.Load(); kept != nil && kept.slot.Equal(slot) {
		return kept.Policy, nil
	}
	p, err := PolicyAt(s.book, slot)
	if err != nil {
		return Policy{}, err
	}
	if s.binding != "" {
		p.Binding = s.binding
	}
	s.kept.Store(&datedPolicy{slot, p})
	return p, nil
}
