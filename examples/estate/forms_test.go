// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

func TestForms(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	ctx := t.Context()
	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	serial, passcode := p.state().card("Amara Bell")
	require.NoError(t, h.Insert(ctx, 1, serial))
	nurse := h.Browser()
	session, err := nurse.SignIn(ctx, 1, passcode)
	require.NoError(t, err)
	person := func() *careid.Profile {
		found, err := e.rooms.Care.Profile(ctx, e.rooms.Operator(), session.UserID)
		require.NoError(t, err)
		return found
	}

	t.Run("a contact that is emptied is taken away", func(t *testing.T) {
		before := person()
		require.NotEmpty(t, before.Email)
		require.NotEmpty(t, before.Mobile)
		require.NoError(t, nurse.PostForm(ctx, "/my/contacts", url.Values{"email": {before.Email}, "mobile": {""}}))
		require.Equal(t, before.Email, person().Email)
		require.Empty(t, person().Mobile)
		require.NoError(t, nurse.PostForm(ctx, "/my/contacts", url.Values{"mobile": {"07700 900456"}}))
		require.Equal(t, before.Email, person().Email, "what isn't there stays")
		require.Equal(t, "+447700900456", person().Mobile)
	})
	t.Run("the link portal is here too", func(t *testing.T) {
		page := shown(t, nurse, "/links")
		require.Contains(t, page, "It opens no mail account.")
		require.Contains(t, page, "not signed in to a mail account")
	})
	t.Run("a card is reported lost in two steps", func(t *testing.T) {
		page := shown(t, nurse, "/my")
		before, _, found := strings.Cut(page, `action="/my/lost"`)
		require.True(t, found)
		step := before[strings.LastIndex(before, "<details"):]
		require.True(t, strings.HasPrefix(step, "<details><summary>Report lost</summary>"), "closed, and without a button")
		require.NotContains(t, step, "</details>")
	})
}

func shown(t *testing.T, b *hospital.Browser, path string) string {
	t.Helper()
	page, err := b.Page(t.Context(), path)
	require.NoError(t, err)
	return page
}

func TestMailSites(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	for i := range 25 {
		status, body := p.call("POST", "/mail/sites", map[string]string{"ods": fmt.Sprintf("T%03d", i), "name": "Test"})
		require.Equal(t, 201, status, string(body))
	}
	status, body := p.call("POST", "/mail/sites/t002/accounts", map[string]string{"givenName": "true", "familyName": "Frost", "mobile": "07700 900123"})
	require.Equal(t, 201, status, string(body))
	status, body = p.call("POST", "/mail/sites/t002/shared", nil)
	require.Equal(t, 201, status, string(body))
	require.Len(t, p.state().Mail.Sites, 26, "programs get all of them, and the one of the story")

	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	first := shown(t, h.Browser(), "/mail")
	for _, shown := range []string{"T000", "T019", "true.frost@nhs.net", "care.T002@nhs.net", `href="/mail?after=T019"`} {
		require.Contains(t, first, shown)
	}
	require.NotContains(t, first, "T020")
	last := shown(t, h.Browser(), "/mail?after=T019")
	require.Contains(t, last, "T024")
	require.NotContains(t, last, "T019")
	require.NotContains(t, last, "/mail?after=")
}

func TestPhone(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	caller := h.Browser()
	t.Run("row154", func(t *testing.T) {
		path := "/mail/phone"
		for _, key := range []string{"1", "1"} {
			page := shown(t, caller, path)
			require.Contains(t, page, "<h1>0333 200 1133</h1>")
			require.NotContains(t, page, "Somebody answers")
			_, link, found := strings.Cut(page, `<a class="button" href="`)
			require.True(t, found)
			path, _, _ = strings.Cut(link, `"`)
			require.True(t, strings.HasSuffix(path, key))
		}
		require.Equal(t, "/mail/phone?keys=11", path)
		require.Contains(t, shown(t, caller, path), "Somebody answers")
		for _, elsewhere := range []string{"2", "12", "0", "9"} {
			page := shown(t, caller, "/mail/phone?keys="+elsewhere)
			require.Contains(t, page, "leads nowhere that is published")
			require.NotContains(t, page, "Somebody answers")
		}
	})
}

func TestNotReady(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	status, _ := p.call("GET", "/readyz", nil)
	require.Equal(t, 204, status)
	_, err := e.rooms.Clock.Add(time.Until(e.rooms.CA.Chain()[0].NotAfter) + time.Hour)
	require.NoError(t, err)
	p.refused("not.ready", "GET", "/readyz", nil)
	status, _ = p.call("GET", "/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _ = p.call("GET", "/livez", nil)
	require.Equal(t, 204, status)
}
