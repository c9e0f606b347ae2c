// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	_ "embed"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

//go:embed rules.json
var rulesJSON []byte

// Rules returns the room's rulebook: dated values with their sources, and the
// row of each refusal. It panics only if the embedded file is broken, which
// the package's tests exclude.
func Rules() *wardkey.Rulebook { return rules() }

var rules = sync.OnceValue(func() *wardkey.Rulebook {
	book, err := wardkey.ParseRulebook(rulesJSON)
	if err != nil {
		panic(err)
	}
	return book
})

// Profile names the list that says which domains are secure by themselves.
type Profile string

const (
	// SeedProfile is the FAQ for care providers: nhs.net itself, and every
	// address under .gov.uk. It is what PolicyAt gives.
	SeedProfile Profile = "seed"
	// AccreditedProfile is DCB1596: nhs.net itself and the domains on the list
	// of accredited organisations, which the caller brings.
	AccreditedProfile Profile = "dcb1596"
)

// Policy is the mail policy in force at one instant. It is immutable and safe
// for concurrent use.
type Policy struct {
	// At is the instant.
	At time.Time
	// Profile says which list rules the decision.
	Profile Profile
	// AccountsPerSite and SharedPerSite are quotas, inclusive.
	AccountsPerSite, SharedPerSite int
	// MaxMessageBytes is the largest message, headers included, inclusive.
	MaxMessageBytes int64
	// PasswordMin is the fewest characters of a password; LockAfter the number
	// of wrong passwords in a row that lock an account.
	PasswordMin, LockAfter int
	// ActivationLength is the number of characters of an activation password.
	ActivationLength int
	// Questions is how many security questions the second gate wants, each
	// answer from AnswerMin to AnswerMax characters, inclusive.
	Questions, AnswerMin, AnswerMax int
	// SessionMax is how long one sign-in to the mail portal lasts.
	SessionMax time.Duration
	// ResetRecent is how long after an unlock or a reset a sign-in that fails
	// gets the checklist for it, exclusive.
	ResetRecent time.Duration
	// ListMaxAge is the age at which an accredited list is stale.
	ListMaxAge time.Duration

	exact, under map[string]bool
	list         *DomainList
	stale        bool
	reasons      reasons
}

// reasons are made once a policy, so that a decision allocates none.
type reasons struct {
	internal, secure, untagged, tagged, doubtful *Reason
}

// PolicyAt returns the policy in force at t under the seed's profile. It fails
// where t lies before the first day of a rule that it needs.
func PolicyAt(t time.Time) (*Policy, error) {
	p := &Policy{At: t.UTC(), Profile: SeedProfile}
	book := Rules()
	for _, n := range []struct {
		id   string
		into *int
	}{
		{"mail.site.accounts", &p.AccountsPerSite},
		{"mail.site.shared", &p.SharedPerSite},
		{"mail.password.min", &p.PasswordMin},
		{"mail.lock.after", &p.LockAfter},
		{"mail.activation.length", &p.ActivationLength},
		{"mail.questions", &p.Questions},
		{"mail.answer.min", &p.AnswerMin},
		{"mail.answer.max", &p.AnswerMax},
	} {
		v, err := book.Int(n.id, t)
		if err != nil {
			return nil, err
		}
		*n.into = v
	}
	size, err := book.Int("mail.size.max", t)
	if err != nil {
		return nil, err
	}
	p.MaxMessageBytes = int64(size) << 20
	if p.SessionMax, err = book.Duration("mail.session.max", t); err != nil {
		return nil, err
	}
	if p.ResetRecent, err = book.Duration("mail.reset.recent", t); err != nil {
		return nil, err
	}
	if p.ListMaxAge, err = book.Duration("mail.secure.list.maxage", t); err != nil {
		return nil, err
	}
	return p, p.readDomains(book, t)
}

func (p *Policy) readDomains(book *wardkey.Rulebook, t time.Time) error {
	exact, err := book.Strings("mail.secure.exact", t)
	if err != nil {
		return err
	}
	under, err := book.Strings("mail.secure.under", t)
	if err != nil {
		return err
	}
	p.exact, p.under = set(exact), set(under)
	p.reasons = reasons{
		internal: reason(book, t, "mail.secure.exact", "The address is at a domain that is secure by itself."),
		secure:   reason(book, t, "mail.secure.under", "The address is under .gov.uk, which counts as secure."),
		untagged: reason(book, t, "mail.secure.tag", "The subject has no [secure]; write it there to have the message encrypted for addresses that are not secure."),
		tagged:   reason(book, t, "mail.secure.tag", "The subject has [secure] and the address is not at a secure domain."),
		doubtful: reason(book, t, "mail.secure.list.maxage", "The list of secure domains is out of date, so the message is encrypted."),
	}
	return nil
}

// Accredited returns a copy of the policy under the accredited profile. A nil
// list, one dated after At and one older than ListMaxAge make nothing but
// nhs.net secure; whoever stands on an old list gets encrypted mail, with or
// without the tag, because its sender may have relied on the list.
func (p *Policy) Accredited(list *DomainList) *Policy {
	c := *p
	c.Profile = AccreditedProfile
	c.under = nil
	c.list = list
	c.stale = list == nil || list.AsOf.After(p.At) || p.At.Sub(list.AsOf) > p.ListMaxAge
	c.reasons.secure = reason(Rules(), p.At, "mail.secure.accredited", "The address is at a domain on the accredited list.")
	return &c
}

func reason(book *wardkey.Rulebook, t time.Time, id, text string) *Reason {
	r := &Reason{Rule: id, Text: text}
	if row, ok := book.At(id, t); ok {
		r.Source = book.Source(row.Source)
	}
	return r
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}
