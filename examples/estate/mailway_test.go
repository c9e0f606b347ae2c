// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// TestMailAccountSignsIn registers the nurse's mail account and an app with a card,
// and signs in without it.
func TestMailAccountSignsIn(t *testing.T) {
	const address, password = "amara.bell@nhs.net", "seven-herons-at-dusk"
	e := open(t, t.TempDir(), nil)
	ctx := t.Context()
	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	serial, passcode := client(t, e).state().card("Amara Bell")

	activation := strings.Split(strings.TrimSpace(hand{t, nil, e}.newest("+447700900104", 0)), "\n")
	err = h.Browser().OwnMail(ctx, address, activation[len(activation)-1])
	require.Equal(t, "mail.password.wrong", wardkey.RuleOf(err), "it is for the mail portal")
	account, err := e.rooms.Mail.Account(ctx, address)
	require.NoError(t, err)
	require.Equal(t, mailpolicy.Applied, account.State, "and was not spent")
	activated(t, e)
	t.Run("one browser has one mail session", func(t *testing.T) {
		at, err := url.Parse(e.addresses.Web)
		require.NoError(t, err)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		var tokens []string
		for range 2 {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String()+"/mail/signin", strings.NewReader(`{"address":"`+address+`","password":"`+password+`"}`))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			got, err := (&http.Client{Jar: jar}).Do(r)
			require.NoError(t, err)
			require.NoError(t, got.Body.Close())
			require.Less(t, got.StatusCode, 300)
			require.Len(t, jar.Cookies(at), 1)
			tokens = append(tokens, jar.Cookies(at)[0].Value)
		}
		_, err = e.rooms.Mail.Session(ctx, tokens[0])
		require.Equal(t, "mail.session", wardkey.RuleOf(err))
		_, err = e.rooms.Mail.Session(ctx, tokens[1])
		require.NoError(t, err)
	})

	require.NoError(t, h.Insert(ctx, 3, serial))
	nurse := h.Browser()
	session, err := nurse.SignIn(ctx, 3, passcode)
	require.NoError(t, err)
	ways := func() *hospital.Page {
		page, err := nurse.Open(ctx, e.addresses.Web+"/my/authenticators")
		require.NoError(t, err)
		return page
	}
	done := func(page *hospital.Page, err error) *hospital.Page {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, page.Status, page.Says())
		return page
	}
	page := done(ways().Send(ctx, "/my/authenticators", map[string]string{"name": "phone"}))
	key := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindSubmatch(page.Raw)
	require.Len(t, key, 2)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(string(key[1]), " ", ""))
	require.NoError(t, err)
	code := func() string { return careid.TOTP(secret, e.rooms.Clock.Now()) }
	done(page.Send(ctx, "/confirm", map[string]string{"code": code()}))
	require.NoError(t, nurse.OwnMail(ctx, address, password))
	done(ways().Send(ctx, "/my/authenticators/mail", map[string]string{"password": password}))

	_, err = h.Advance(ctx, time.Minute) // a code is good once
	require.NoError(t, err)
	fields := url.Values{"address": {address}, "password": {password}, "code": {code()}, "purpose": {string(careid.SignIn)}}
	without := h.Browser()
	require.NoError(t, without.PostForm(ctx, "/signin/app", fields))
	in, err := without.Session(ctx)
	require.NoError(t, err)
	require.Equal(t, session.UserID, in.UserID)
	require.ElementsMatch(t, []string{"NHSMAIL", "TOTP"}, in.AMR)

	fields.Set("code", code())
	require.Error(t, h.Browser().PostForm(ctx, "/signin/app", fields), "not twice")
	fields.Set("password", "eight-herons-at-dusk")
	require.Equal(t, "mail.password.wrong", wardkey.RuleOf(h.Browser().PostForm(ctx, "/signin/app", fields)))

	t.Run("threat001", func(t *testing.T) { // guesses from one place count together, at whichever form and of whomever
		guess := func(i int) error {
			return h.Browser().OwnMail(ctx, fmt.Sprintf("nobody.%d@nhs.net", i), "Summer-2026-by-the-sea")
		}
		const more = 100 // than the burst, and than what comes back meanwhile
		i := 0
		for ; i < more && wardkey.RuleOf(err) != "rate.refused"; i++ {
			err = guess(i)
		}
		require.Less(t, i, more)
		require.Equal(t, "rate.refused", wardkey.RuleOf(h.Browser().PostForm(ctx, "/signin/app", fields)))
	})
}
