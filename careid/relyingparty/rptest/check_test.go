// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

func open(t *testing.T) *rptest.Checker {
	return rptest.New(t, rptest.Config{ClientID: "ward-app", Secret: []byte("a secret of the tests")})
}

// An application that does everything right passes everything, and one on
// coreos/go-oidc does so when its author adds what the library leaves open.
func TestARightApplicationPasses(t *testing.T) {
	checker := open(t)
	app := newApplication(t, checker, "")
	report, err := checker.Play(t.Context(), rptest.Application{Login: app.URL + "/ward", BackChannel: app.URL + "/logout", MinIdentity: 3})
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, report.Print(&text))
	require.True(t, report.Passed(), text.String())
	require.Contains(t, text.String(), " played, 0 wrong, 0 not played\n")
	bad := 0
	for _, r := range report.Results {
		if r.Bad {
			require.NotEmpty(t, r.Clause, r.Name)
			bad++
		}
	}
	require.GreaterOrEqual(t, bad, 14)
}

// Each bad sign-in finds the application that lacks its one check: what nobody
// can fail would show nothing.
func TestEachPlayFindsItsApplication(t *testing.T) {
	checker := open(t)
	for _, name := range rptest.Names() {
		if name == "good" || name == "good-again" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			app := newApplication(t, checker, name)
			report, err := checker.Play(t.Context(), rptest.Application{
				Login: app.URL + "/ward", BackChannel: app.URL + "/logout", MinIdentity: 3, Only: []string{name},
			})
			require.NoError(t, err)
			require.False(t, report.Passed())
			for _, r := range report.Results {
				switch {
				case r.Name == name:
					require.Equal(t, rptest.Wrong, r.Verdict, "%+v", r)
				case name != "logout-good":
					require.Equal(t, rptest.Right, r.Verdict, "%+v", r)
				}
			}
			if name != "logout-good" {
				require.Equal(t, []string{name}, report.Accepted())
			}
		})
	}
}

// A check that would prove nothing is no report but an error.
func TestWhatCanNotBeChecked(t *testing.T) {
	checker := open(t)
	everybody := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Welcome") }))
	t.Cleanup(everybody.Close)
	asking := func(change func(url.Values)) string {
		q := url.Values{"response_type": {"code"}, "client_id": {"ward-app"}, "redirect_uri": {"https://ward.example/callback"}, "scope": {"openid"}}
		change(q)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, checker.Issuer()+"/authorize?"+q.Encode(), http.StatusFound)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for want, app := range map[string]rptest.Application{
		"BackChannel is missing":             {Login: everybody.URL},
		"that is not signed in":              {Login: everybody.URL, NoBackChannel: true},
		"is the application configured":      {Login: everybody.URL, Expect: "Amina", NoBackChannel: true},
		"connection refused":                 {Login: "http://127.0.0.1:1/", NoBackChannel: true},
		"gives code alone":                   {Login: asking(func(q url.Values) { q.Set("response_type", "code id_token") }), NoBackChannel: true},
		"client_id is \"other\"":             {Login: asking(func(q url.Values) { q.Set("client_id", "other") }), NoBackChannel: true},
		"is no absolute URL":                 {Login: asking(func(q url.Values) { q.Set("redirect_uri", "/callback") }), NoBackChannel: true},
		"has no openid":                      {Login: asking(func(q url.Values) { q.Set("scope", "profile") }), NoBackChannel: true},
		"code_challenge_method is \"plain\"": {Login: asking(func(q url.Values) { q.Set("code_challenge", "x"); q.Set("code_challenge_method", "plain") }), NoBackChannel: true},
	} {
		report, err := checker.Play(t.Context(), app)
		require.ErrorContains(t, err, want)
		require.False(t, report.Passed())
	}
	for _, c := range []rptest.Config{{}, {ClientID: "a", Secret: []byte("b"), JWKS: "c"}, {ClientID: "a", Issuer: "care"}, {ClientID: "a", Listen: "nowhere"}} {
		_, err := rptest.Open(c)
		require.Error(t, err)
	}
}
