// SPDX-License-Identifier: Apache-2.0

package wardkey

import (
	"errors"
	"strings"
	"time"
)

// Source names where a rule was published: the document, its date as printed
// (ISO 8601, empty where the document has none) and, where there is one, the
// clause.
type Source struct {
	Document string `json:"document"`
	Date     string `json:"date,omitempty"`
	Clause   string `json:"clause,omitempty"`
}

// Refusal is one "no" of careid or mailpolicy, as a value: which rule, who
// published it, what the person may be told, who can mend it and how.
//
// Error prints the rule and the public sentence only. A private cause, set
// with Because, is reached by errors.Is and errors.As and is never printed or
// sent.
type Refusal struct {
	// Rule is the stable id, such as "cert.expired". Ids are never reused.
	Rule string
	// Status is the HTTP status that carries this refusal.
	Status int
	// Source is the publication that the rule comes from.
	Source Source
	// Public is the sentence for the person.
	Public string
	// Fixer is the role that can mend it, such as "ra-agent" or "holder", and
	// Contact what that role resolves to for this person ("" when unknown).
	Fixer   string
	Contact string
	// Next lists the steps to take, in order.
	Next []string
	// InPerson is true where the holder must be there.
	InPerson bool
	// RetryAt is when to try again; zero where waiting does not help.
	RetryAt time.Time
	// Facts are the values that the sentences were filled with.
	Facts map[string]string

	cause error
}

// Error returns the rule's id and the public sentence.
func (r *Refusal) Error() string { return r.Rule + ": " + r.Public }

// Unwrap returns the private cause, or nil.
func (r *Refusal) Unwrap() error { return r.cause }

// Is reports whether target is a Refusal by the same rule, so that
// errors.Is(err, rulebook.Refuse("cert.expired")) asks for the rule alone.
func (r *Refusal) Is(target error) bool {
	other, ok := target.(*Refusal)
	return ok && other.Rule == r.Rule
}

// Because returns a copy that keeps cause for logs and errors.As. The cause is
// never part of Error, of the JSON form or of any page.
func (r *Refusal) Because(cause error) *Refusal {
	c := *r
	c.cause = cause
	return &c
}

// RetryAfter returns a copy that says when trying again can help.
func (r *Refusal) RetryAfter(at time.Time) *Refusal {
	c := *r
	c.RetryAt = at.UTC().Truncate(time.Second)
	return &c
}

// ResolvedTo returns a copy whose Fixer is reached at contact.
func (r *Refusal) ResolvedTo(contact string) *Refusal {
	c := *r
	c.Contact = contact
	return &c
}

// Refusals are several refusals at once, in the order in which they should be
// shown. errors.As and errors.Is look into each.
type Refusals []*Refusal

// Error joins the single errors, one a line.
func (rs Refusals) Error() string {
	lines := make([]string, len(rs))
	for i, r := range rs {
		lines[i] = r.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each refusal.
func (rs Refusals) Unwrap() []error {
	errs := make([]error, len(rs))
	for i, r := range rs {
		errs[i] = r
	}
	return errs
}

// RuleOf returns the id of the rule by which err says no: a Refusal's, or that
// of any error in its chain with a method Rule() string (those of card and pki
// have one). It is "" where err names none.
func RuleOf(err error) string {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Rule
	}
	var ruled interface{ Rule() string }
	if errors.As(err, &ruled) {
		return ruled.Rule()
	}
	return ""
}
