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
	// AccountsPerSite and SharedPerSite are the usual quotas, inclusive; a site may
	// be granted more.
	AccountsPerSite, SharedPerSite int
	// SharedMark stands between a site's code and the number of its second shared
	// mailbox and those after it.
	SharedMark string
	// MaxMessageBytes is the largest message, headers included, inclusive.
	MaxMessageBytes int64
	// PasswordMin is the fewest characters of a password; LockAfter the number
	// of wrong passwords in a row that lock an account.
	PasswordMin, LockAfter int
	// PasswordHistory is how many passwords before the one in force are not taken
	// again.
	PasswordHistory int
	// PasswordReminders are the days before a password expires on which its holder is
	// reminded, the earliest first (PasswordReminder).
	PasswordReminders []int
	// ActivationLength is the number of characters of an activation password.
	ActivationLength int
	// Questions is how many security questions the second gate wants, each
	// answer from AnswerMin to AnswerMax characters, inclusive.
	Questions, AnswerMin, AnswerMax int
	// QuestionsAsked is how many of them a recovery asks.
	QuestionsAsked int
	// RecoveryTries within RecoveryBlock, by the machine's clock, are all that an
	// address has: of answers, of codes, and of calls to the help desk.
	RecoveryTries int
	RecoveryBlock time.Duration
	// RecoveryMax is how long a recovery waits for its answers, CodeMax how long
	// for its code of CodeDigits digits. Each ends exclusive.
	RecoveryMax, CodeMax time.Duration
	CodeDigits           int
	// SessionMax is how long one sign-in to the mail portal lasts.
	SessionMax time.Duration
	// ResetRecent is how long after an unlock or a reset a sign-in that fails
	// gets the checklist for it, exclusive.
	ResetRecent time.Duration
	// Life is how long an account stays in its states.
	Life Life
	// Contacts are the desks by what they are for.
	Contacts Contacts
	// ListMaxAge is the age at which an accredited list is stale.
	ListMaxAge time.Duration

	methods       map[Client][]string
	preferred     Client
	privateTicked bool

	exact       map[string]bool
	under       map[string]standing
	elsewhere   standing // of every domain that is neither
	carriers    []string
	list        *DomainList
	stale       bool
	tagAnywhere bool
	reasons     reasons
}

// reasons are made once a policy, so that a decision allocates none.
type reasons struct {
	internal, secure, accredited, outside, untagged, tagged *Reason
	stale, contested, unknown, carried, lost                *Reason
}

// PolicyAt returns the policy in force at t under the seed's profile. It fails
// where t lies before the first day of a rule that it needs.
func PolicyAt(t time.Time) (*Policy, error) { return PolicyOf(Rules(), t) }

// PolicyOf is PolicyAt by another book: an organisation's Overlay of Rules.
func PolicyOf(book *wardkey.Rulebook, t time.Time) (*Policy, error) {
	p := &Policy{At: t.UTC(), Profile: SeedProfile}
	for _, n := range []struct {
		id   string
		into *int
	}{
		{"mail.site.accounts", &p.AccountsPerSite},
		{"mail.site.shared", &p.SharedPerSite},
		{"mail.password.min", &p.PasswordMin},
		{"mail.lock.after", &p.LockAfter},
		{"mail.password.history", &p.PasswordHistory},
		{"mail.activation.length", &p.ActivationLength},
		{"mail.questions", &p.Questions},
		{"mail.answer.min", &p.AnswerMin},
		{"mail.answer.max", &p.AnswerMax},
		{"mail.questions.asked", &p.QuestionsAsked},
		{"mail.recovery.tries", &p.RecoveryTries},
		{"mail.code.digits", &p.CodeDigits},
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
	for _, d := range []struct {
		id   string
		into *time.Duration
	}{
		{"mail.session.max", &p.SessionMax},
		{"mail.reset.recent", &p.ResetRecent},
		{"mail.recovery.block", &p.RecoveryBlock},
		{"mail.recovery.max", &p.RecoveryMax},
		{"mail.code.max", &p.CodeMax},
		{"mail.secure.list.maxage", &p.ListMaxAge},
	} {
		if *d.into, err = book.Duration(d.id, t); err != nil {
			return nil, err
		}
	}
	if p.Life, err = readLife(book, t); err != nil {
		return nil, err
	}
	if p.Contacts, err = readContacts(book, t); err != nil {
		return nil, err
	}
	if p.PasswordReminders, err = readReminders(book, t); err != nil {
		return nil, err
	}
	if p.SharedMark, err = book.Text("mail.shared.mark", t); err != nil {
		return nil, err
	}
	if err := p.readClients(book, t); err != nil {
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
	if p.carriers, err = book.Strings("mail.secure.carriers", t); err != nil {
		return err
	}
	if p.tagAnywhere, err = book.Bool("mail.secure.tag.anywhere", t); err != nil {
		return err
	}
	p.exact, p.under = make(map[string]bool), make(map[string]standing)
	for _, domain := range exact {
		p.exact[domain] = true
	}
	for _, domain := range under {
		p.under[domain] = listed
	}
	p.reasons = reasonsOf(book, t)
	return nil
}

// Accredited returns a copy of the policy under the accredited profile. Where
// there is doubt whether a domain is on the list, its mail is encrypted with or
// without the tag, because the sender may have relied on the list or on the
// seed's rule: a domain on a list that is older than ListMaxAge or dated after
// At, a domain that counts as secure by the seed's profile alone, and every
// domain but nhs.net where list is nil, which is how a caller says that it could
// not be read.
func (p *Policy) Accredited(list *DomainList) *Policy {
	c := *p
	c.Profile = AccreditedProfile
	c.under = make(map[string]standing, len(p.under))
	for domain := range p.under {
		c.under[domain] = contested
	}
	c.list = list
	if list == nil {
		c.elsewhere = unknown
	} else {
		c.stale = list.AsOf.After(p.At) || p.At.Sub(list.AsOf) > p.ListMaxAge
	}
	c.reasons.secure = c.reasons.accredited
	return &c
}

func reasonsOf(book *wardkey.Rulebook, t time.Time) reasons {
	const (
		write = "To have it encrypted, write [secure] into the subject."
		leave = "If it need not be encrypted, take [secure] out of the subject."
		tell  = "Tell your help desk that the list of secure domains needs to be brought up to date."
	)
	return reasons{
		internal:   reason(book, t, "mail.secure.exact", "The address is at a domain that is secure by itself.", ""),
		secure:     reason(book, t, "mail.secure.under", "The address is under .gov.uk, which counts as secure.", ""),
		accredited: reason(book, t, "mail.secure.accredited", "The address is at a domain on the accredited list.", ""),
		outside:    reason(book, t, "mail.secure.tag", "The address does not count as secure: with [secure] in the subject its copy is encrypted.", ""),
		untagged:   reason(book, t, "mail.secure.tag", "The subject has no [secure] and the address does not count as secure, so its copy goes as it is.", write),
		tagged:     reason(book, t, "mail.secure.tag", "The subject has [secure] and the address does not count as secure.", leave),
		stale:      reason(book, t, "mail.secure.list.maxage", "The address is on a list of secure domains that is out of date, so its copy is encrypted.", tell),
		contested:  reason(book, t, "mail.secure.accredited", "The address counts as secure by one publication and is not on the accredited list, so its copy is encrypted.", ""),
		unknown:    reason(book, t, "mail.secure.accredited", "The list of secure domains can't be read, so the copy is encrypted.", tell),
		carried:    reason(book, t, "mail.secure.carriers", "The address holds another one, where the message may go on to, so its copy is encrypted.", "Write to that other address itself."),
		lost:       reason(book, t, "mail.secure.reply", "The message seems to answer or pass on one that was encrypted, and its subject has lost [secure].", write),
	}
}

func reason(book *wardkey.Rulebook, t time.Time, id, text, next string) *Reason {
	r := &Reason{Rule: id, Text: text, Next: next}
	if row, ok := book.At(id, t); ok {
		r.Source = book.Source(row.Source)
	}
	return r
}
