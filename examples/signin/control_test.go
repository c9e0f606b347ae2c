// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

const nurse, doctor = "900000000101", "900000000102"

// test runs a test server for a party.
func test(t *testing.T, p *party, more ...string) provider {
	t.Helper()
	return run(t, append([]string{"-test", "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-clients", p.clients(t)}, more...)...)
}

// claims reads a token without a look at its signature.
func claims(t *testing.T, token any) map[string]any {
	t.Helper()
	parsed, err := jwt.ParseSigned(token.(string), []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	all := map[string]any{}
	require.NoError(t, parsed.UnsafeClaimsWithoutVerification(&all))
	return all
}

// A page in a browser of this machine, or a name whose DNS points here, moves nothing.
func TestControlPortAnswersNoPage(t *testing.T) {
	p := newParty(t)
	s := test(t, p)
	for name, attack := range map[string]func(*http.Request){
		"a page of another site":           func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a page of the provider itself":    func(r *http.Request) { r.Header.Set("Origin", s.issuer) },
		"a page without an origin":         func(r *http.Request) { r.Header.Set("Origin", "null") },
		"a request that a browser marks":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"an address typed into a browser":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		"a name that DNS points here":      func(r *http.Request) { r.Host = "evil.example" },
		"such a name with the right port":  func(r *http.Request) { r.Host = "evil.example:" + s.control[strings.LastIndex(s.control, ":")+1:] },
		"a form, which needs no preflight": func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.control+"/persona", strings.NewReader(`{"sub":"`+nurse+`"}`))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			attack(r)
			got, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, got.Body.Close())
			require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden, http.StatusMisdirectedRequest}, got.StatusCode)
			require.Empty(t, got.Header.Get("Access-Control-Allow-Origin"))
		})
	}
	require.Equal(t, "/login", goes(t, visitor(t), s.asking(p)).Path, "nobody was chosen by any of them")
}

func TestCommandRefuses(t *testing.T) {
	p := newParty(t)
	good := p.clients(t)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"personas without -test":           {[]string{"-clients", good, "-personas", good}, "-test"},
		"a control port without -test":     {[]string{"-clients", good, "-control", "127.0.0.1:0"}, "-test"},
		"a control port for the network":   {[]string{"-test", "-clients", good, "-control", "0.0.0.0:0"}, "loopback"},
		"a control port with a name":       {[]string{"-test", "-clients", good, "-control", "localhost:0"}, "loopback"},
		"a control port for all addresses": {[]string{"-test", "-clients", good, "-control", ":0"}, "loopback"},
		"no clients":                       {[]string{"-test"}, "-clients"},
		"a client without redirect URI":    {[]string{"-test", "-clients", file(t, `[{"client_id":"a","client_secret":"s"}]`)}, "no redirect URI"},
		"a client that asks for more":      {[]string{"-test", "-clients", file(t, `[{"client_id":"a","id_token_encrypted_response_alg":"RSA-OAEP"}]`)}, "id_token_encrypted_response_alg"},
		"an algorithm that nobody has":     {[]string{"-test", "-clients", file(t, `[{"client_id":"a","client_secret":"s","redirect_uris":["https://a.example/"],"id_token_signed_response_alg":"none"}]`)}, `"none"`},
		"a person with another user id":    {[]string{"-test", "-clients", good, "-personas", file(t, `[{"sub":"12345","given_name":"A","family_name":"B"}]`)}, "12 digits"},
		"a file that is not there":         {[]string{"-test", "-clients", "nowhere.json"}, "nowhere.json"},
		"an issuer that is no address":     {[]string{"-test", "-listen", "127.0.0.1:0", "-clients", good, "-issuer", "signin"}, "issuer"},
		"an issuer without TLS":            {[]string{"-test", "-listen", "127.0.0.1:0", "-clients", good, "-issuer", "http://signin.example"}, "https"},
		"a word too many":                  {[]string{"-test", "-clients", good, "now"}, `"now"`},
	} {
		t.Run("threat065/"+name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.NotZero(t, command(context.Background(), c.args, &stdout, &stderr))
			require.Contains(t, stderr.String(), c.says)
			require.NotContains(t, stdout.String(), "ready")
			require.NotContains(t, stderr.String(), secret)
		})
	}
}

// What the port does not understand changes nothing, and says why.
func TestControlPortIsStrict(t *testing.T) {
	s := test(t, newParty(t))
	for _, c := range []struct{ path, body, rule string }{
		{"/clock", `{"add":"-1h"}`, "clock.add"},
		{"/clock", `{"add":"0s"}`, "clock.add"},
		{"/clock", `{"add":"tomorrow"}`, "clock.add"},
		{"/clock", `{"add":8}`, "control.body"},
		{"/clock", `{"add":"8h","to":"2030"}`, "control.body"},
		{"/clock", `{"add":"8h"} {}`, "control.body"},
		{"/clock", `{"add":"` + strings.Repeat("8", 5000) + `"}`, "control.body"},
		{"/clock", `{"add":"999999h"}`, "clock.far"},
		{"/clock", `{"add":"2562047h"}`, "clock.far"},
		{"/persona", `{"sub":"123456789012"}`, "persona.unknown"},
		{"/persona", `{"sub":"` + nurse + `","role":"000000000000"}`, "persona.role"},
		{"/persona", `[]`, "control.body"},
		{"/card", `{"do":"pull"}`, "card.whose"},
		{"/card", `{"do":"burn","sub":"` + nurse + `"}`, "card.do"},
		{"/fault", `{"name":"every-day"}`, "fault.unknown"},
		{"/reset", `{"everything":true}`, "control.body"},
		{"/stop", `{}`, "control.unknown"},
		{"/faults", `{}`, "control.unknown"},
	} {
		require.Equal(t, c.rule, s.says(t, c.path, c.body)["rule"], "%s %.60s", c.path, c.body)
	}
	var audit map[string]json.RawMessage
	s.tells(t, "/audit", &audit)
	require.JSONEq(t, `[]`, string(audit["openid"]))
}

// One whole day: a sign-in without a page, eight hours later, a fault, a pulled card.
func TestDay(t *testing.T) {
	p := newParty(t)
	s := test(t, p)

	require.EqualValues(t, http.StatusOK, s.says(t, "/persona", `{"sub":"`+nurse+`"}`)["status"])
	tokens := s.redeems(t, p, goes(t, visitor(t), s.asking(p)))
	id := claims(t, tokens["id_token"])
	require.Equal(t, nurse, id["sub"])
	require.Equal(t, true, id["wardkey_test"])
	require.Equal(t, "AAL3_ANY", id["acr"])
	require.Equal(t, []any{"N3_SMARTCARD"}, id["amr"])
	status, info := s.info(t, tokens)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, nurse, info["nhsid_useruid"])
	require.Len(t, info["nhsid_nrbac_roles"], 1)
	require.Equal(t, true, info["wardkey_test"])

	require.EqualValues(t, http.StatusOK, s.says(t, "/clock", `{"add":"8h"}`)["status"])
	status, _ = s.info(t, tokens)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Len(t, p.tokens(), 1)
	told := claims(t, p.tokens()[0])
	require.Equal(t, id["sid"], told["sid"])
	require.Equal(t, true, told["wardkey_test"])

	s.says(t, "/persona", `{"sub":"`+doctor+`"}`)
	tokens = s.redeems(t, p, goes(t, visitor(t), s.asking(p)))
	s.says(t, "/card", `{"do":"pull"}`)
	status, _ = s.info(t, tokens)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Len(t, p.tokens(), 2)
	var logouts []map[string]any
	s.tells(t, "/logouts", &logouts)
	require.Len(t, logouts, 2)
	require.Equal(t, "accepted", logouts[1]["result"])
}
