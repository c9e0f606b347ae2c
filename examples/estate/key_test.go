// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// TestKeyByHand is a nurse who signs in with her card and registers a security key;
// with the key alone she signs in through the provider to the clinical portal. What
// ends her session, in another tab, has the portal's page go and say so.
func TestKeyByHand(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	serial, passcode := p.state().card("Amara Bell")
	h := hand{t, browser.New(t), e}

	h.insert("1", serial)
	h.do(chromedp.Click(`a[href="/signin?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	h.atAgent("60-card", map[string]string{"passcode": passcode})
	arrive(t, h.ctx, "/my")
	alonetest.Person{T: t, Tab: h.ctx}.NewKey()
	t.Run("row110", func(t *testing.T) {
		h := hand{t, h.ctx, e}
		h.open(e.addresses.Web + "/my/authenticators")
		h.do(chromedp.WaitEnabled("#newkey button"), chromedp.SendKeys("#kn", "red key"), chromedp.Click("#newkey button"))
		arrive(t, h.ctx, "/my/authenticators?told=key")
		h.shows("red key")
		h.looked("61-registered")
	})
	h.press(`form[action="/signout"] button`)
	arrive(t, h.ctx, "/signed-out")
	status, _ := p.call("DELETE", "/api/readers/1", nil)
	require.Equal(t, 204, status)

	h.entersByKey()
	h.looked("62-portal")

	other := hand{t, tab(t, h.ctx), e}
	t.Run("a sign-out at the identity service ends it within five seconds", func(t *testing.T) {
		h, other := hand{t, h.ctx, e}, hand{t, other.ctx, e}
		other.open(e.addresses.Web + "/my")
		require.Contains(t, other.text(".who"), "Amara Bell")
		other.press(`form[action="/signout"] button`)
		h.signedOut(time.Now())
		h.looked("63-signed-out")
		h.open(e.addresses.Portal + "/portal")
		h.shows("Sign in to Clinical portal") // and nobody is let in again without the key
	})
	t.Run("so does the removal of the key", func(t *testing.T) {
		h, other := hand{t, h.ctx, e}, hand{t, other.ctx, e}
		h.entersByKey()
		other.open(e.addresses.Web + "/my/authenticators")
		other.press(`details:has(form[action$="/remove"]) summary`)
		other.press(`form[action$="/remove"] button`)
		h.signedOut(time.Now())
	})
}

// entersByKey goes from the clinical portal's front page, at a workstation without a
// card, to the portal.
func (h hand) entersByKey() {
	h.t.Helper()
	h.open(h.e.addresses.Portal)
	h.declares(careid.Windows11, "no")
	h.press("#button")
	h.shows("Sign in to Clinical portal")
	h.do(chromedp.WaitVisible("#key"), chromedp.WaitEnabled("#key"), chromedp.Click("#key"), chromedp.WaitVisible("#role1"))
	h.press("#role1")
	h.press(`form[action="/login/role"] button`)
	arrive(h.t, h.ctx, "/portal")
	h.shows("Good day, Amara")
	h.shows("at level 3")
}

// signedOut waits until the portal's page has gone by itself, within five seconds of
// what ended the session.
func (h hand) signedOut(from time.Time) {
	h.t.Helper()
	arrive(h.t, h.ctx, "/signed-out")
	took := time.Since(from)
	h.t.Logf("signed out after %v", took)
	require.LessOrEqual(h.t, took, 5*time.Second)
}

// The pages are at a name, which browsers find at both addresses of this machine: an
// estate that can't have both does not start, and whoever types the number is led to
// the name.
func TestPagesAtTheName(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	port, named := strings.CutPrefix(e.addresses.Web, "http://localhost:")
	require.True(t, named, e.addresses.Web)
	t.Run("threat060", func(t *testing.T) {
		_, err := net.Listen("tcp", "[::1]:"+port) // on a machine without IPv6 nobody can
		require.Error(t, err)
		free, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			return // a machine without IPv6, where localhost is at one address
		}
		defer free.Close()
		_, taken, err := net.SplitHostPort(free.Addr().String())
		require.NoError(t, err)
		_, err = start(t.Context(), config{dir: t.TempDir(), web: "127.0.0.1:" + taken})
		require.ErrorContains(t, err, "[::1]:"+taken+" is taken by another program")
	})
	t.Run("the number leads to the name", func(t *testing.T) {
		got, err := http.Get("http://127.0.0.1:" + port + "/signin")
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.Equal(t, e.addresses.Web+"/signin", got.Request.URL.String())
	})
	t.Run("the applications are at another host", func(t *testing.T) {
		for _, address := range []string{e.addresses.Portal, e.addresses.MailPortal} {
			require.True(t, strings.HasPrefix(address, "http://127.0.0.1:"), address)
		}
	})
}
