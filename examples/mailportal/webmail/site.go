// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (p *Portal) siteRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /site", p.show(p.ownSite))
	for path, form := range map[string]doer{
		"/site/shared": p.openShared, "/site/members": p.grant, "/site/members/remove": p.revoke, "/site/leaver": p.markLeaver,
	} {
		mux.HandleFunc("POST "+path, p.do(form, p.ownSite))
	}
}

type ownSite struct {
	Site       string
	Boxes      []box
	Directory  []mailpolicy.DirectoryEntry
	Most       int // accounts
	MostShared int
	Tickets    []mailpolicy.Contact // where to write where no owner can
}

// box is a shared mailbox as the person who is signed in has it.
type box struct {
	mailpolicy.Shared
	As mailpolicy.Membership // "" for none
}

// Another reports that the site may have another shared mailbox.
func (s ownSite) Another() bool { return len(s.Boxes) < s.MostShared }

// Owned reports that users are added and removed here.
func (b box) Owned() bool { return b.As == mailpolicy.Owner }

// ownSite is for who may send: until then an account sees nobody's number.
func (p *Portal) ownSite(v *visit) (*page, error) {
	account, err := p.account(v)
	if err != nil {
		return nil, err
	}
	if err := p.Accounts.CanSend(v.r.Context(), account.Address); err != nil {
		return nil, err
	}
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	site, err := p.Accounts.Site(v.r.Context(), account.Site)
	if err != nil {
		return nil, err
	}
	data := ownSite{
		Site: site.ODS, Most: policy.AccountsPerSite + site.MoreAccounts, MostShared: policy.SharedPerSite + site.MoreShared,
		Tickets: policy.TransferRecipients(),
	}
	if data.Directory, _, err = p.Accounts.Directory(v.r.Context(), account.Site, "", mailpolicy.MaxListed); err != nil {
		return nil, err
	}
	data.Boxes, err = p.boxes(v, account.Site)
	return &page{Template: "site.html", Title: "Your site", Data: data}, err
}

// boxes are the shared mailboxes of a site, the first one first, and what the
// session is in each.
func (p *Portal) boxes(v *visit, site string) ([]box, error) {
	shared, err := p.Accounts.SiteShared(v.r.Context(), site)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(shared, func(x, y mailpolicy.Shared) int { return len(x.Address) - len(y.Address) }) // care.ODS, then care.ODS.2
	boxes := make([]box, len(shared))
	for i, s := range shared {
		as, err := p.Accounts.CanOpenShared(v.r.Context(), v.token(), s.Address)
		if err != nil && wardkey.RuleOf(err) == "" {
			return nil, err
		}
		boxes[i] = box{s, as}
	}
	return boxes, nil
}

// openShared opens a mailbox of the holder's own site, in their ownership.
func (p *Portal) openShared(v *visit) (answer, error) {
	account, err := p.account(v)
	if err != nil {
		return answer{}, err
	}
	if err := p.Accounts.CanSend(v.r.Context(), account.Address); err != nil {
		return answer{}, err
	}
	by := mailpolicy.Actor{ID: account.Address, Role: mailpolicy.SiteApplicant}
	shared, err := p.Accounts.OpenShared(v.r.Context(), by, account.Site, account.Address)
	return answer{Next: "/site?told=shared", Body: map[string]string{"address": shared.Address}}, err
}

func (p *Portal) grant(v *visit) (answer, error) {
	err := p.Accounts.SetMember(v.r.Context(), v.token(), v.trimmed("shared"), v.trimmed("address"), mailpolicy.Membership(v.form.Get("as")))
	return answer{Next: "/site?told=members"}, err
}

func (p *Portal) revoke(v *visit) (answer, error) {
	return answer{Next: "/site?told=members"}, p.Accounts.RemoveMember(v.r.Context(), v.token(), v.trimmed("shared"), v.trimmed("address"))
}

// markLeaver lets somebody go to another site with their account.
func (p *Portal) markLeaver(v *visit) (answer, error) {
	return answer{Next: "/site?told=leaver"}, p.Accounts.MarkLeaver(v.r.Context(), v.token(), v.trimmed("address"))
}
