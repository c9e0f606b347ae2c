// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"slices"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// sitesShown is how many mail sites a page shows before it offers the next.
const sitesShown = 20

// siteView is a mail site with its mailboxes.
type siteView struct {
	mailpolicy.Site
	Boxes  []mailpolicy.Account
	Shared []mailpolicy.Shared
}

// sites are a page of them, after a code, and the code to go on from: "" at the
// end.
func (s *Site) sites(ctx context.Context, after string) (views []siteView, more string, err error) {
	found, err := s.rooms.Mail.Sites(ctx, after, sitesShown+1)
	if err != nil {
		return nil, "", err
	}
	if len(found) > sitesShown {
		found = found[:sitesShown]
		more = found[sitesShown-1].ODS
	}
	for _, site := range found {
		v := siteView{Site: site}
		if v.Boxes, err = s.rooms.Mail.SiteAccounts(ctx, site.ODS, "", 0); err != nil {
			return nil, "", err
		}
		if v.Shared, err = s.rooms.Mail.SiteShared(ctx, site.ODS); err != nil {
			return nil, "", err
		}
		views = append(views, v)
	}
	return views, more, nil
}

// allSites are the sites of all pages.
func (s *Site) allSites(ctx context.Context) ([]siteView, error) {
	views, more, err := s.sites(ctx, "")
	for more != "" && err == nil {
		var next []siteView
		next, more, err = s.sites(ctx, more)
		views = append(views, next...)
	}
	return views, err
}

// firstAccount is the address of the site's account that was opened first, or "".
func (s *Site) firstAccount(ctx context.Context, ods string) (string, error) {
	boxes, err := s.rooms.Mail.SiteAccounts(ctx, ods, "", 0)
	if err != nil || len(boxes) == 0 {
		return "", err
	}
	return slices.MinFunc(boxes, func(a, b mailpolicy.Account) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Address, b.Address))
	}).Address, nil
}
