// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Contact is a desk, by what it is there for.
type Contact struct {
	// Name, and how it is reached; Email or Phone may be empty.
	Name, Email, Phone string
	// Source is where it was published.
	Source wardkey.Source
}

// Contacts are the desks that mail accounts need, by purpose. The numbers of
// two of them differ by one group of digits.
type Contacts struct {
	// NAS is the National Administration Service, the first to ask about
	// anything. Feedback takes what it has not resolved. ODSCodes tells which
	// code is a site's.
	NAS, Feedback, ODSCodes Contact
}

func readContacts(book *wardkey.Rulebook, t time.Time) (c Contacts, err error) {
	for _, one := range []struct {
		id   string
		into *Contact
	}{
		{"mail.contact.nas", &c.NAS},
		{"mail.contact.feedback", &c.Feedback},
		{"mail.contact.ods", &c.ODSCodes},
	} {
		parts, err := book.Strings(one.id, t)
		if err != nil {
			return Contacts{}, err
		}
		if len(parts) != 3 {
			return Contacts{}, fmt.Errorf("mailpolicy: %s is no name, address and number", one.id)
		}
		row, _ := book.At(one.id, t)
		*one.into = Contact{Name: parts[0], Email: parts[1], Phone: parts[2], Source: book.Source(row.Source)}
	}
	return c, nil
}

// CodeDesk is who gives a site its ODS code where the CQC does not: ok only for
// a site that is not registered with the CQC.
func (p *Policy) CodeDesk(s Site) (desk Contact, ok bool) {
	if s.CQCLocation != "" {
		return Contact{}, false
	}
	return p.Contacts.ODSCodes, true
}

// Query is what is known of a question that was put to a desk.
type Query struct {
	// Ticket is the reference that the desk gave; Called when it was called, zero
	// where it was not.
	Ticket string
	Called time.Time
}

// EscalationStep is one step of a query that is not resolved, for a page to
// show.
type EscalationStep struct {
	Contact Contact
	// Do says what to do there. Open: it can be taken now; otherwise Needs says
	// what is missing.
	Do    string
	Open  bool
	Needs string
}

// Escalation lists the steps of a query in their order. The administration
// service always comes first.
func (p *Policy) Escalation(q Query) []EscalationStep {
	steps := []EscalationStep{
		{Contact: p.Contacts.NAS, Do: "Ask the National Administration Service.", Open: true},
		{Contact: p.Contacts.NAS, Do: "During the call, or in a later one, ask to speak to a Subject Matter Expert.", Open: !q.Called.IsZero()},
		{Contact: p.Contacts.Feedback, Do: "Write what is still outstanding, with the ticket's reference or the day and time of the call.", Open: q.escalates() == nil},
	}
	if !steps[1].Open {
		steps[1].Needs = "a call"
	}
	if !steps[2].Open {
		steps[2].Needs = "a ticket's reference, or the day and time of a call"
	}
	return steps
}

// Escalate returns whom to write to about a query that is outstanding, or the
// Refusal mail.escalation where it has neither a ticket's reference nor the time
// of a call.
func (p *Policy) Escalate(q Query) (Contact, error) {
	if no := q.escalates(); no != nil {
		return Contact{}, no
	}
	return p.Contacts.Feedback, nil
}

// AskExpert returns where to ask for a Subject Matter Expert, or the Refusal
// mail.escalation.expert before any call was made.
func (p *Policy) AskExpert(q Query) (Contact, error) {
	if q.Called.IsZero() {
		return Contact{}, Rules().Refuse("mail.escalation.expert")
	}
	return p.Contacts.NAS, nil
}

func (q Query) escalates() error {
	if textFault(q.Ticket) != "" || isBlank(q.Ticket) && q.Called.IsZero() {
		return Rules().Refuse("mail.escalation")
	}
	return nil
}

// MenuStep is one thing that the help desk's phone menu says and what is to be
// pressed then, for a page to show.
type MenuStep struct{ Says, Press string }

// HelpdeskMenu lists the phone menu's steps for somebody of social care or a
// pharmacy who can't get into an account, from the call to a person.
func (p *Policy) HelpdeskMenu() []MenuStep {
	return []MenuStep{
		{Says: "Call " + p.Contacts.NAS.Phone + " and listen to the first message."},
		{Says: "The first choice: unable to access account.", Press: "1"},
		{Says: "The message says that a password can be reset on the log in page, and to ask a Local Administrator. Wait."},
		{Says: "Social care, pharmacy and others.", Press: "1"},
		{Says: "A person answers."},
	}
}
