// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"context"
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// looked is how many of the newest rows the desk looks through for those of its
// organisation.
const looked = 500

type auditPage struct {
	frame
	Rows   int64 // of the whole chain, all of them verified as the page was made
	Events []careid.AuditEntry
}

func (*auditPage) Template() string { return "deskaudit.html" }

// audit shows an RA manager what was done to the people and cards of their
// organisation, and by them. The chain itself is everybody's and is verified
// whole; rows of other organisations are not shown.
func (d *Desk) audit(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "Audit")
	if err != nil {
		return pages.Answer{}, err
	}
	if actor.Role() != careid.RAManager {
		return pages.Answer{}, d.rules.Refuse("audit.manager")
	}
	p := &auditPage{frame: f}
	if p.Rows, err = d.Care.VerifyAudit(r.Context()); err != nil {
		return pages.Answer{}, err
	}
	ours, err := d.ours(r.Context(), actor)
	if err != nil {
		return pages.Answer{}, err
	}
	// The manager may not read the audit by themselves: it is this page that reads it and passes over what is not theirs.
	newest, err := d.Care.Audit(r.Context(), careid.Operator("desk"), max(p.Rows-looked, 0), looked)
	if err != nil {
		return pages.Answer{}, err
	}
	p.Events = slices.DeleteFunc(newest, func(e careid.AuditEntry) bool {
		return e.Subject == "" && !ours[e.Actor] || e.Subject != "" && !ours[e.Subject]
	})
	slices.Reverse(p.Events)
	return pages.Answer{View: p, Body: map[string]any{"rows": p.Rows, "shown": len(p.Events)}}, nil
}

// ours are what an organisation has: people with their cards and authenticators,
// applications, positions and workgroups, by their ids.
func (d *Desk) ours(ctx context.Context, a careid.Actor) (map[string]bool, error) {
	people, err := d.Care.Profiles(ctx, a)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, p := range people {
		ours[p.ID] = true
		cards, err := d.Care.Cards(ctx, a, p.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range cards {
			ours[c.Serial] = true
		}
		authenticators, err := d.Care.Authenticators(ctx, a, p.ID)
		if err != nil {
			return nil, err
		}
		for _, v := range authenticators {
			ours[v.ID] = true
		}
	}
	positions, err := d.Care.Positions(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, p := range positions {
		ours[p.ID] = true
	}
	applications, err := d.Care.Applications(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, v := range applications {
		ours[v.ID] = true
	}
	workgroups, err := d.Care.Workgroups(ctx, a)
	for _, w := range workgroups {
		ours[w.ID] = true
	}
	return ours, err
}
