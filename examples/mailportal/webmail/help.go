// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"errors"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

type help struct {
	Contacts mailpolicy.Contacts
	Menu     []mailpolicy.MenuStep
	Have     []string // what to have ready where a mailbox has lost its owners
	Query    mailpolicy.Query
	Called   string // as typed
	Asked    bool
	Steps    []mailpolicy.EscalationStep
	Write    *mailpolicy.Contact // whom to write to now
	No       *wardkey.Refusal    // why nobody yet
}

// help has the desks, the way through their menu and the order in which they are
// asked, for a query whose ticket or call is given.
func (p *Portal) help(v *visit) (*page, error) {
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	q := v.r.URL.Query()
	data := help{
		Contacts: policy.Contacts, Menu: policy.HelpdeskMenu(), Have: mailpolicy.BreakGlass{}.Missing(), Asked: q.Has("ticket"),
		Query: mailpolicy.Query{Ticket: strings.TrimSpace(q.Get("ticket"))}, Called: q.Get("called"),
	}
	if at, err := time.Parse("2006-01-02T15:04", data.Called); err == nil { // as a field for day and time sends it
		data.Query.Called = at
	}
	data.Steps = policy.Escalation(data.Query)
	to, err := policy.Escalate(data.Query)
	if err == nil {
		data.Write = &to
	} else if !errors.As(err, &data.No) {
		return nil, err
	}
	return &page{Template: "help.html", Title: "Help", Data: data}, nil
}
