// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	virtual "github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/internal/browser"
)

const pageHTML = `<!doctype html><html lang=en><title>Authenticators</title><main><h1>Authenticators</h1>
<button id=register>Register</button> <button id=signin>Sign in</button> <button id=stepup>Show again</button>
<button id=list>List</button> <button id=rename>Rename</button> <button id=remove>Remove</button> <p id=told role=status></p></main>
<script type=module src=/page.js></script></html>`

const pageJS = `import { register, signIn, stepUp, list, rename, remove } from "/webauthn/v1/webauthn.js";
const told = document.getElementById("told");
const does = {
  register: () => register({ kind: "security-key", name: "Red key" }),
  signin: signIn, stepup: stepUp, list,
  rename: async () => { await rename((await list())[0].id, "Blue key"); return (await list())[0].name; },
  remove: async () => remove((await list())[0].id),
};
for (const [id, act] of Object.entries(does)) {
  document.getElementById(id).onclick = async () => {
    told.textContent = "";
    try { told.textContent = "done " + JSON.stringify(await act()); }
    catch (no) { told.textContent = [no.rule, no.title, ...no.next].join(" | "); }
  };
}`

// live is a server on localhost and a browser with an authenticator of its own.
type live struct {
	*careidtest.Hospital
	t      *testing.T
	tab    context.Context
	device virtual.AuthenticatorID
	origin string
	config webauthn.Config
	keys   atomic.Pointer[webauthn.Handler]
	cards  *cardhttp.Handler
}

func newLive(t *testing.T, transport virtual.AuthenticatorTransport) *live {
	t.Helper()
	l := &live{t: t, tab: browser.New(t), Hospital: careidtest.New(t, careidtest.Config{})}
	server := httptest.NewServer(http.HandlerFunc(l.serve))
	t.Cleanup(server.Close)
	l.origin = onLocalhost(server)
	var err error
	l.cards, err = cardhttp.New(cardhttp.Config{Service: l.Service, Server: l.origin})
	require.NoError(t, err)
	l.config = webauthn.Config{Service: l.Service, Sessions: l.cards, RPID: "localhost", Origins: []string{l.origin}, Now: l.Clock.Now, Wall: l.Wall.Now}

	_, err = chromedp.Call(l.tab, virtual.Enable, virtual.EnableParams{})
	require.NoError(t, err)
	added, err := chromedp.Call(l.tab, virtual.AddVirtualAuthenticator, virtual.AddVirtualAuthenticatorParams{Options: &virtual.VirtualAuthenticatorOptions{
		Protocol: virtual.AuthenticatorProtocolCtap2, Ctap2version: virtual.Ctap2versionCtap21, Transport: transport,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	require.NoError(t, err)
	l.device = added.AuthenticatorID
	return l
}

func onLocalhost(s *httptest.Server) string {
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'self'")
	switch {
	case strings.HasPrefix(r.URL.Path, webauthn.Path):
		l.keys.Load().ServeHTTP(w, r)
	case r.URL.Path == "/page.js":
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, pageJS)
	case r.URL.Path == "/card": // as after a sign-in by card
		in, err := l.SignIn(r.Context(), l.Nurse.Card)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.SetCookie(w, l.cards.SessionCookie(in.Token))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case r.URL.Path == "/who":
		l.cards.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := cardhttp.SessionOf(r)
			_, _ = fmt.Fprintf(w, "%s by %s %s", s.Name, s.AMR, s.ACR)
		})).ServeHTTP(w, r)
	case r.URL.Path == "/out":
		gone := l.cards.SessionCookie("")
		gone.MaxAge = -1
		http.SetCookie(w, gone)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, pageHTML)
	}
}

// approve serves with these roots for the browser's model.
func (l *live) approve(kind careid.AuthenticatorKind, root *x509.Certificate) {
	l.t.Helper()
	l.config.Models = []webauthn.Model{{
		AAGUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}, Name: "Chromium's own", Kind: kind,
		Roots: []*x509.Certificate{root}, Source: wardkey.Source{Document: "Chromium, virtual authenticators"},
	}}
	keys, err := webauthn.New(l.config)
	require.NoError(l.t, err)
	l.keys.Store(keys)
}

func (l *live) open(path string) {
	l.t.Helper()
	require.NoError(l.t, chromedp.Do(l.tab, chromedp.Navigate(l.origin+path), chromedp.WaitReady("#told")))
}

// click presses a button and returns what the page says then.
func (l *live) click(button string) string {
	l.t.Helper()
	require.NoError(l.t, chromedp.Do(l.tab, chromedp.Click("#"+button)))
	var told string
	require.Eventually(l.t, func() bool {
		var err error
		told, err = chromedp.Run(l.tab, chromedp.Text("#told"))
		return err == nil && told != ""
	}, time.Minute, 20*time.Millisecond, button)
	return told
}

func (l *live) evaluate(script string) string {
	l.t.Helper()
	got, err := chromedp.Run(l.tab, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	require.NoError(l.t, err)
	return got
}

// root is a certificate that vouches for the key by which Chromium's virtual
// authenticators attest. That key is the same in each, and its certificate signs
// itself without being an authority's.
func (l *live) root() *x509.Certificate {
	l.t.Helper()
	l.open("/")
	object := l.evaluate(`navigator.credentials.create({ publicKey: {
		rp: { id: "localhost", name: "x" }, user: { id: new Uint8Array(16), name: "x", displayName: "x" }, challenge: new Uint8Array(32),
		pubKeyCredParams: [{ type: "public-key", alg: -7 }], attestation: "direct" } })
		.then((made) => Array.from(new Uint8Array(made.response.attestationObject), (b) => b.toString(16).padStart(2, "0")).join(""))`)
	var raw []byte
	_, err := fmt.Sscanf(object, "%x", &raw)
	require.NoError(l.t, err)
	var read struct {
		Statement struct {
			X5C [][]byte `cbor:"x5c"`
		} `cbor:"attStmt"`
	}
	require.NoError(l.t, webauthncbor.Unmarshal(raw, &read))
	batch, err := x509.ParseCertificate(read.Statement.X5C[0])
	require.NoError(l.t, err)
	key, authority := selfSigned("unused")
	authority.Subject, authority.RawSubject = batch.Subject, batch.RawSubject
	authority.DNSNames = []string{"not the batch's certificate"} // which crypto/x509 would take it for, by name and key
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, batch.PublicKey, key)
	require.NoError(l.t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(l.t, err)
	return root
}

// A key in Chromium: registered from a session by card, then signed in with, by the
// module alone, over HTTP and a strict content policy.
func TestInABrowser(t *testing.T) {
	l := newLive(t, virtual.AuthenticatorTransportUsb)
	_, stranger := selfSigned("another maker")
	l.approve(careid.KindSecurityKey, stranger)
	root := l.root()
	t.Run("without a sign-in", func(t *testing.T) {
		require.Contains(t, l.click("register"), "session.none | ")
	})
	t.Run("of a maker that nobody approved", func(t *testing.T) {
		l.open("/card")
		require.Equal(t, "webauthn.attestation | The authenticator did not prove which model it is. | Try again and allow the site to see the make and model when the browser asks. | If it stays, use an authenticator of an approved model.", l.click("register"))
		of, err := l.Service.CredentialsOf(t.Context(), l.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Empty(t, of)
	})
	l.approve(careid.KindSecurityKey, root)
	_, err := chromedp.Call(l.tab, virtual.ClearCredentials, virtual.ClearCredentialsParams{AuthenticatorID: l.device})
	require.NoError(t, err)
	t.Run("row110", func(t *testing.T) {
		require.Contains(t, l.click("register"), `"kind":"security-key","name":"Red key","model":"Chromium's own","state":"active","aal":3,"alone":true`)
		require.Contains(t, l.click("register"), "webauthn.registered | ", "the browser excludes what is there")
	})
	t.Run("signed in", func(t *testing.T) {
		l.open("/out")
		require.Contains(t, l.click("list"), "session.none | ")
		require.Equal(t, `done {"until":"2026-01-05T17:00:00Z","alerts":[]}`, l.click("signin"))
		require.Equal(t, "Asha Patel by [FIDO2] AAL3_ANY", l.evaluate(`fetch("/who").then((r) => r.text())`))
		require.Contains(t, l.click("list"), `"lastUsed":"2026-01-05T09:00:00Z"`)
	})
	t.Run("show again", func(t *testing.T) {
		l.Clock.Add(time.Hour)
		require.Contains(t, l.click("register"), "session.stale | ")
		require.Equal(t, `done {"until":"2026-01-05T17:00:00Z","alerts":[]}`, l.click("stepup"))
		require.Contains(t, l.click("register"), "webauthn.registered | ", "fresh again")
	})
	t.Run("renamed", func(t *testing.T) { require.Equal(t, `done "Blue key"`, l.click("rename")) })
	t.Run("threat037", func(t *testing.T) { l.relay() })
	t.Run("the user is not verified", func(t *testing.T) {
		l.verified(false)
		defer l.verified(true)
		require.Contains(t, l.click("signin"), "webauthn.cancelled | ")
	})
	t.Run("row113", func(t *testing.T) { // the key with all that is in it, copied before its last use
		require.Contains(t, l.click("signin"), "done ")
		l.copied()
		require.Contains(t, l.click("signin"), "authenticator.copied | ")
	})
	t.Run("removed", func(t *testing.T) {
		require.Equal(t, "done null", l.click("remove"))
		require.Contains(t, l.click("signin"), "webauthn.none | ", "the authenticator has it still")
	})
}

func (l *live) verified(yes bool) {
	l.t.Helper()
	_, err := chromedp.Call(l.tab, virtual.SetUserVerified, virtual.SetUserVerifiedParams{AuthenticatorID: l.device, IsUserVerified: yes})
	require.NoError(l.t, err)
}

// copied puts a copy of the credential into the place of the key, with the counter
// as it was one use ago.
func (l *live) copied() {
	l.t.Helper()
	held, err := chromedp.Call(l.tab, virtual.GetCredentials, virtual.GetCredentialsParams{AuthenticatorID: l.device})
	require.NoError(l.t, err)
	require.Len(l.t, held.Credentials, 1)
	was := held.Credentials[0]
	_, err = chromedp.Call(l.tab, virtual.ClearCredentials, virtual.ClearCredentialsParams{AuthenticatorID: l.device})
	require.NoError(l.t, err)
	// The library's own parameters have a member that this authenticator does not take.
	add := cdp.Command[map[string]any, cdp.Empty]{Method: virtual.CommandAddCredential}
	_, err = chromedp.Call(l.tab, add, map[string]any{"authenticatorId": l.device, "credential": map[string]any{
		"credentialId": was.CredentialID, "isResidentCredential": true, "rpId": was.RpID, "privateKey": was.PrivateKey,
		"userHandle": was.UserHandle, "signCount": was.SignCount - 1,
	}})
	require.NoError(l.t, err)
}

// relay has a page of another origin, on the same host and so of the same relying
// party id to the browser, use the key for a challenge that its people got from us.
func (l *live) relay() {
	l.t.Helper()
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>Win a prize</title><p id=told>.</p>")
	}))
	defer evil.Close()
	post := func(path, body string, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest(http.MethodPost, l.origin+webauthn.Path+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		l.keys.Load().ServeHTTP(w, r)
		return w.Result()
	}
	options := post("signin/options", `{}`, nil)
	var o struct{ PublicKey struct{ Challenge string } }
	require.NoError(l.t, json.NewDecoder(options.Body).Decode(&o))

	require.NoError(l.t, chromedp.Do(l.tab, chromedp.Navigate(onLocalhost(evil)), chromedp.WaitReady("#told")))
	credential := l.evaluate(fmt.Sprintf(`navigator.credentials.get({ publicKey: { rpId: "localhost", userVerification: "required",
		challenge: Uint8Array.from(atob(%q.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)) } })
		.then((got) => JSON.stringify(got.toJSON()))`, o.PublicKey.Challenge))
	no, err := wardkey.ParseRefusal(post("signin", `{"credential":`+credential+`}`, options.Cookies()))
	require.NoError(l.t, err)
	require.Equal(l.t, "webauthn.origin", no.Rule)
	l.open("/")
}

// The computer's own authenticator, approved as Windows Hello.
func TestPlatformInABrowser(t *testing.T) {
	l := newLive(t, virtual.AuthenticatorTransportInternal)
	_, stranger := selfSigned("another maker")
	l.approve(careid.KindWindowsHello, stranger)
	l.approve(careid.KindWindowsHello, l.root())
	l.open("/card")
	t.Run("row112", func(t *testing.T) {
		require.Equal(t, "windows-hello", l.evaluate(fmt.Sprintf(
			`import("/webauthn/v1/webauthn.js").then((m) => m.register({ kind: %q })).then((a) => a.kind, (no) => no.rule)`, careid.KindWindowsHello)))
		l.open("/out")
		require.Contains(t, l.click("signin"), "done ")
		require.Equal(t, "Asha Patel by [FIDO2] AAL3_ANY", l.evaluate(`fetch("/who").then((r) => r.text())`))
	})
}
