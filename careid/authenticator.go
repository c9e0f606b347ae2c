// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// AuthenticatorKind is what a person signs in with. Its text is part of the ids of rules.
type AuthenticatorKind string

// The published kinds. A mail account is one (NHS.net Connect, formerly NHSmail), though it never proves its own link.
const (
	KindCard             AuthenticatorKind = "card"
	KindIPad             AuthenticatorKind = "ipad"
	KindWindowsHello     AuthenticatorKind = "windows-hello"
	KindSecurityKey      AuthenticatorKind = "security-key"
	KindAuthenticatorApp AuthenticatorKind = "authenticator-app"
	KindMailAccount      AuthenticatorKind = "nhs.net-connect"
)

// Kinds lists the authenticators that there are at t, the card first. Before the day on which they were published, and
// under an overlay that allows none, there are none.
func Kinds(book *wardkey.Rulebook, t time.Time) []AuthenticatorKind {
	return kinds(book, "authenticator.kinds", t)
}

func kinds(book *wardkey.Rulebook, id string, t time.Time) []AuthenticatorKind {
	names, _, _ := groundList(book, id, t)
	var all []AuthenticatorKind
	for _, name := range names {
		all = append(all, AuthenticatorKind(name))
	}
	return all
}

// kindAt refuses a kind that does not exist at t. Refusal: authenticator.unknown.
func kindAt(book *wardkey.Rulebook, kind AuthenticatorKind, t time.Time) error {
	known := Kinds(book, t)
	if slices.Contains(known, kind) {
		return nil
	}
	return book.Refuse("authenticator.unknown", "kind", string(kind), "known", kindNames(book, known, t))
}

// kindNames is how people call them.
func kindNames(book *wardkey.Rulebook, kinds []AuthenticatorKind, t time.Time) string {
	var names []string
	for _, kind := range kinds {
		name, err := book.Text("authenticator."+string(kind)+".name", t)
		if err != nil {
			name = string(kind)
		}
		names = append(names, name)
	}
	return knownWords(names)
}

// Factor is one of the three kinds of evidence that a person gives; a device may accept either of the last two.
type Factor string

// NIST SP 800-63B-4 §2 counts different ones only.
const (
	FactorHas       Factor = "has"
	FactorKnows     Factor = "knows"
	FactorIs        Factor = "is"
	FactorKnowsOrIs Factor = "knows or is"
)

// Factors says what a person has shown who used an authenticator. verified is whether the device says that it asked
// for its PIN or a biometric: unknown counts as no, and the device alone is one factor. A card always asks. Two factors
// are multifactor authentication. Refusal: authenticator.unknown.
func Factors(book *wardkey.Rulebook, kind AuthenticatorKind, verified Known, t time.Time) ([]Factor, Ground, error) {
	if err := kindAt(book, kind, t); err != nil {
		return nil, Ground{}, err
	}
	list, g, ok := groundList(book, "authenticator."+string(kind)+".factors", t)
	if !ok {
		return nil, Ground{}, book.Refuse("authenticator.unknown", "kind", string(kind), "known", kindNames(book, Kinds(book, t), t))
	}
	var factors []Factor
	for _, text := range list {
		if f := Factor(text); f != FactorKnowsOrIs || verified == Yes {
			factors = append(factors, f)
		}
	}
	return factors, g, nil
}

// SecondFactor is whether a sign-in is asked for a further factor, by which rule, and whether registering one is
// advised. Advice never gates anything.
type SecondFactor struct {
	Demanded bool
	Advised  bool
	Ground   Ground
}

// SecondFactorAfter answers for a sign-in by an authenticator. A card supersedes multifactor authentication; any other
// kind that has shown fewer than two factors is asked for one more. Refusal: authenticator.unknown.
func SecondFactorAfter(book *wardkey.Rulebook, kind AuthenticatorKind, verified Known, t time.Time) (SecondFactor, error) {
	advised, err := book.Bool("mfa.advised", t)
	answer := SecondFactor{Demanded: true, Advised: err == nil && advised}
	if kind == KindCard {
		demanded, err := book.Bool("mfa.card.demanded", t)
		answer.Demanded = err != nil || demanded
		answer.Ground, _ = ground(book, "mfa.card.demanded", t)
		return answer, nil
	}
	factors, g, err := Factors(book, kind, verified, t)
	if err != nil {
		return SecondFactor{}, err
	}
	answer.Demanded, answer.Ground = len(factors) < 2, g
	return answer, nil
}

// HasCertificates reports whether an authenticator carries certificates, whose end is alerted at each sign-in. The
// others are never alerted: they have none that could end. Refusal: authenticator.unknown.
func HasCertificates(book *wardkey.Rulebook, kind AuthenticatorKind, t time.Time) (bool, error) {
	if err := kindAt(book, kind, t); err != nil {
		return false, err
	}
	_, has := lists(book, "authenticator.certificates", string(kind), t)
	return has, nil
}

// ExpiryAlerts tells of certificates that end within the alert window, both ends included. An authenticator without
// certificates has none to tell of, whatever notAfter says. Refusal: authenticator.unknown.
func ExpiryAlerts(book *wardkey.Rulebook, kind AuthenticatorKind, serial string, notAfter, t time.Time) ([]Alert, error) {
	has, err := HasCertificates(book, kind, t)
	if err != nil || !has {
		return nil, err
	}
	window, err := book.Duration("cert.alert", t)
	if err != nil {
		return nil, err
	}
	return expiryAlerts(window, serial, notAfter, t), nil
}

// expiryAlerts is the alert of certificates that end at notAfter, if it is due.
func expiryAlerts(window time.Duration, serial string, notAfter, t time.Time) []Alert {
	left := notAfter.Sub(t)
	if left > window || left < 0 {
		return nil
	}
	return []Alert{{Rule: "cert.alert", Card: serial, DaysLeft: daysLeft(left), NotAfter: notAfter}}
}

// daysLeft counts a day that has begun as a whole one.
func daysLeft(left time.Duration) int {
	const day = 24 * time.Hour
	if left < 0 {
		return int(left / day)
	}
	return int((left + day - time.Second) / day)
}

// WithoutCard is the refusal of somebody who needs a card and has none: its next step names the authenticators that
// are registered on the profile, else those that can be, and the last how to come to a card. Refusal: card.none, always.
func WithoutCard(book *wardkey.Rulebook, registered []AuthenticatorKind, t time.Time) *wardkey.Refusal {
	return book.Refuse("card.none", "ways", otherWays(book, registered, t))
}

// otherWays is the step that leads around a card.
func otherWays(book *wardkey.Rulebook, registered []AuthenticatorKind, t time.Time) string {
	self := kinds(book, "authenticator.self", t)
	var usable []AuthenticatorKind
	for _, kind := range self {
		if slices.Contains(registered, kind) {
			usable = append(usable, kind)
		}
	}
	switch {
	case len(usable) > 0:
		return "Sign in with what you have registered, over the internet: " + kindNames(book, usable, t) + "."
	case len(self) > 0:
		return "Register another authenticator on your own profile when you are signed in: " + kindNames(book, self, t) + "; the first one ever comes from your Registration Authority."
	}
	return "Ask your Registration Authority for another authenticator."
}

// ProvesLink refuses an authenticator that can't prove the link of a mail account: the mail account itself. Refusals:
// authenticator.unknown, link.circular.
func ProvesLink(book *wardkey.Rulebook, kind AuthenticatorKind, t time.Time) error {
	if err := kindAt(book, kind, t); err != nil {
		return err
	}
	if _, ok := lists(book, "link.proof", string(kind), t); !ok {
		return book.Refuse("link.circular")
	}
	return nil
}
