// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func TestLists(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for i := range 5 {
		_, err := h.accounts.OpenSite(ctx, nas, mailpolicy.Site{ODS: fmt.Sprintf("A%02d", i), Name: "Site"})
		require.NoError(t, err)
	}
	for _, name := range []string{"zoe", "adam", "mia"} {
		_, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "VLX12", Address: name + "@nhs.net", Name: name, Mobile: "07700 900123"})
		require.NoError(t, err)
	}
	shared, err := h.accounts.OpenShared(ctx, applicant, "vlx12", "zoe@nhs.net")
	require.NoError(t, err)

	var codes []string
	for page := 0; ; page++ {
		after := ""
		if len(codes) > 0 {
			after = codes[len(codes)-1]
		}
		sites, err := h.accounts.Sites(ctx, after, 4)
		require.NoError(t, err)
		for _, s := range sites {
			codes = append(codes, s.ODS)
		}
		if len(sites) < 4 {
			require.Equal(t, 1, page)
			break
		}
	}
	require.Equal(t, []string{"A00", "A01", "A02", "A03", "A04", "VLX12"}, codes)
	for _, limit := range []int{-1, 0, mailpolicy.MaxListed + 1} {
		all, err := h.accounts.Sites(ctx, "", limit)
		require.NoError(t, err)
		require.Len(t, all, 6)
	}

	accounts, err := h.accounts.SiteAccounts(ctx, "vlx12", "adam@nhs.net", 1)
	require.NoError(t, err)
	require.Len(t, accounts, 1)
	require.Equal(t, "mia@nhs.net", accounts[0].Address)
	require.Equal(t, mailpolicy.Applied, accounts[0].State)
	boxes, err := h.accounts.SiteShared(ctx, "vlx12")
	require.NoError(t, err)
	require.Equal(t, []mailpolicy.Shared{shared}, boxes)
	none, err := h.accounts.SiteAccounts(ctx, "B99", "", 0)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = h.accounts.SiteAccounts(ctx, "no code", "", 0)
	require.Equal(t, "mail.site.ods", wardkey.RuleOf(err))
	_, err = h.accounts.SiteShared(ctx, "")
	require.Equal(t, "mail.site.ods", wardkey.RuleOf(err))
}
