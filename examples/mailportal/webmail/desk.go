// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

type deskForm func(context.Context, *mailpolicy.Accounts, mailpolicy.Actor, *visit) error

// deskForms are what the administration service does with an account or a site, by the last
// part of the form's address.
func deskForms() map[string]deskForm {
	return map[string]deskForm{
		"resend": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.ResendActivation(ctx, by, v.trimmed("address"))
		},
		"correct": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.CorrectRegistration(ctx, by, v.trimmed("address"), v.trimmed("mobile"))
		},
		"reset": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			caller := mailpolicy.Caller{Address: v.trimmed("address"), Mobile: v.trimmed("mobile"), Characters: v.form.Get("characters")}
			return a.HelpdeskReset(ctx, by, caller, v.trimmed("to"))
		},
		"authorise": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.AuthoriseMobile(ctx, by, v.trimmed("address"), v.trimmed("mobile"), v.trimmed("from"))
		},
		"join": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.Join(ctx, by, v.trimmed("address"), v.trimmed("site"))
		},
		"ticket": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.MarkLeaverByTicket(ctx, by, mailpolicy.TransferTicket{Address: v.trimmed("address"), Reference: v.trimmed("reference"), RaisedWith: v.form["raised"]})
		},
		"state": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			change, known := map[string]func(context.Context, mailpolicy.Actor, string) error{
				"unlock": a.Unlock, "disable": a.Disable, "enable": a.Enable, "reactivate": a.Reactivate, "delete": a.Delete, "restore": a.Restore,
			}[v.form.Get("to")]
			if !known {
				return mailpolicy.Rules().Refuse("mail.capability")
			}
			return change(ctx, by, v.trimmed("address"))
		},
		"grant": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			more, err := strconv.Atoi(v.trimmed("more"))
			if err != nil {
				more = -1 // refused as no such number
			}
			grant := a.GrantAccounts
			if v.form.Get("of") == "shared" {
				grant = a.GrantShared
			}
			return grant(ctx, by, v.trimmed("site"), more, v.trimmed("reason"))
		},
		"site": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.CorrectSite(ctx, by, v.site("site"))
		},
		"owner": func(ctx context.Context, a *mailpolicy.Accounts, by mailpolicy.Actor, v *visit) error {
			return a.BreakGlass(ctx, by, mailpolicy.BreakGlass{
				ODS: v.trimmed("ods"), LocationID: v.trimmed("location"), ManagerID: v.trimmed("manager"),
				Proof: mailpolicy.Proof(v.form.Get("proof")), From: v.trimmed("from"), NewOwner: v.trimmed("owner"),
			})
		},
	}
}

func (p *Portal) deskRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /desk", p.show(p.desk))
	for name, act := range deskForms() {
		mux.HandleFunc("POST /desk/"+name, p.do(func(v *visit) (answer, error) {
			next := url.Values{"told": {"desk"}, "address": {v.trimmed("address")}, "site": {v.trimmed("site")}}
			return answer{Next: "/desk?" + next.Encode()}, act(v.r.Context(), p.Accounts, p.Desk, v)
		}, p.desk))
	}
}

type desk struct {
	Address  string // asked for
	Account  *mailpolicy.Account
	No       *wardkey.Refusal
	Question mailpolicy.DeskQuestion
	Unasked  *wardkey.Refusal // why the desk can't ask a question
	Tickets  []mailpolicy.Contact
	ODS      string // asked for
	Site     *mailpolicy.Site
	NoSite   *wardkey.Refusal
}

// desk is the page of the administration service: one account and what can be
// done about it, one site and what it is granted, and a shared mailbox without an
// owner.
func (p *Portal) desk(v *visit) (*page, error) {
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	q := v.r.URL.Query()
	data := desk{Address: q.Get("address"), ODS: q.Get("site"), Tickets: policy.TransferRecipients()}
	if v.form != nil {
		data.Address, data.ODS = v.trimmed("address"), v.trimmed("site")
	}
	if data.ODS != "" {
		site, err := p.Accounts.Site(v.r.Context(), data.ODS)
		switch {
		case err == nil:
			data.Site = &site
		case !errors.As(err, &data.NoSite):
			return nil, err
		}
	}
	if data.Address != "" {
		account, err := p.Accounts.Account(v.r.Context(), data.Address)
		switch {
		case err == nil:
			data.Account = &account
		case !errors.As(err, &data.No):
			return nil, err
		}
	}
	if data.Account != nil {
		data.Question, err = p.Accounts.HelpdeskQuestion(v.r.Context(), p.Desk, data.Address)
		if err != nil && !errors.As(err, &data.Unasked) {
			return nil, err
		}
	}
	return &page{Template: "desk.html", Title: "The administration service", Data: data}, nil
}
