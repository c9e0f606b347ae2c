// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// chromium opens a browser of its own.
func chromium(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(need.Tool(t, "browser")), chromedp.WindowSize(1280, 1500))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// picture keeps what the browser shows where ESTATE_PICTURES names a folder.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("ESTATE_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644))
}

// window waits for the window that the agent's page was opened in.
func window(t *testing.T, ctx context.Context, at string) context.Context {
	t.Helper()
	var tab context.Context
	require.Eventually(t, func() bool {
		targets, err := chromedp.Targets(ctx)
		if err != nil {
			return false
		}
		for _, found := range targets {
			if strings.HasPrefix(found.URL, at) {
				var cancel context.CancelFunc
				tab, cancel = chromedp.NewContext(ctx, chromedp.WithTargetID(found.TargetID))
				t.Cleanup(cancel)
				return true
			}
		}
		return false
	}, 10*time.Second, 50*time.Millisecond, "the agent's window")
	return tab
}

// arrive waits until the browser has gone to a page by itself.
func arrive(t *testing.T, ctx context.Context, path string) {
	t.Helper()
	require.Eventually(t, func() bool {
		at, err := chromedp.Run(ctx, chromedp.Location())
		return err == nil && strings.HasSuffix(at, path)
	}, 15*time.Second, 50*time.Millisecond, "the page %s", path)
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible("footer")))
}

// TestBrowser is a nurse at the desk: the card goes in, signs in at the agent's
// own page, comes out, and the session is over.
func TestBrowser(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	serial, passcode := p.state().card("Amara Bell")
	ctx := chromium(t)

	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		require.NoError(t, chromedp.Do(ctx, steps...))
	}
	text := func(selector string) string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Text(selector))
		require.NoError(t, err)
		return s
	}

	do(chromedp.Navigate(e.addresses.Web), chromedp.WaitVisible("#reader1"))
	require.Contains(t, text(".notice"), "Not affiliated with or approved by the NHS")
	require.Contains(t, text("#people ~ table"), passcode)
	picture(t, ctx, "1-front-page")

	do(chromedp.SetValue("#card1", serial), chromedp.Click(`form[action="/api/readers/1"] button`),
		chromedp.WaitVisible(`a[href="/signin?reader=1"]`))
	require.Contains(t, text(".smartcard"), "Amara Bell")
	picture(t, ctx, "2-card-in-reader")

	do(chromedp.Click(`a[href="/signin?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	picture(t, ctx, "3-sign-in")
	do(chromedp.Click("#go"))
	agent := window(t, ctx, e.addresses.Agent)
	require.NoError(t, chromedp.Do(agent, chromedp.WaitVisible("#passcode")))
	picture(t, agent, "4-agent")
	require.NoError(t, chromedp.Do(agent, chromedp.SendKeys("#passcode", passcode), chromedp.Click(`button[type="submit"]`)))

	arrive(t, ctx, "/my")
	require.Contains(t, text(".who"), "Amara Bell")
	picture(t, ctx, "5-signed-in")

	// The page is left alone; the card is pulled by hand.
	status, _ := p.call("DELETE", "/api/readers/1", nil)
	require.Equal(t, 204, status)
	arrive(t, ctx, "/?told=ended")
	require.Contains(t, text(".told"), "Your session has ended")
	require.Contains(t, text(".who"), "Nobody is signed in")
	picture(t, ctx, "6-card-pulled")

	for path, name := range map[string]string{"/desk": "7-refused", "/mail": "8-mail", "/inbox": "9-inbox", "/audit": "10-audit"} {
		do(chromedp.Navigate(e.addresses.Web+path), chromedp.WaitVisible("h1"))
		picture(t, ctx, name)
	}
}
