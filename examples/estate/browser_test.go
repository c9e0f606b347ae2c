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

	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

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

// arrive waits until the browser has gone to a page by itself.
func arrive(t *testing.T, ctx context.Context, path string) {
	t.Helper()
	require.Eventually(t, func() bool {
		at, err := chromedp.Run(ctx, chromedp.Location())
		return err == nil && strings.HasSuffix(at, path)
	}, time.Minute, 50*time.Millisecond, "the page %s", path)
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible("footer")))
}

// hand is a person at a browser.
type hand struct {
	t   *testing.T
	ctx context.Context
	e   *estate
}

func (h hand) do(steps ...chromedp.Action[chromedp.Void]) {
	h.t.Helper()
	require.NoError(h.t, chromedp.Do(h.ctx, steps...))
}

// open goes to a page, again where a navigation that was still under way, of a
// form just sent, aborts it.
func (h hand) open(url string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		return chromedp.Do(h.ctx, chromedp.Navigate(url)) == nil
	}, time.Minute, 50*time.Millisecond, "the page %s", url)
}

func (h hand) text(selector string) string {
	h.t.Helper()
	s, err := chromedp.Run(h.ctx, chromedp.Text(selector))
	require.NoError(h.t, err)
	return s
}

// shows waits until the page says something, over any navigation.
func (h hand) shows(words string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		text, err := chromedp.Run(h.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		return err == nil && strings.Contains(text, words)
	}, time.Minute, 50*time.Millisecond, "the page says %q", words)
}

// insert puts a card into a reader on the front page.
func (h hand) insert(reader, serial string) {
	h.t.Helper()
	h.open(h.e.addresses.Web)
	h.do(chromedp.SetValue("#card"+reader, serial),
		chromedp.Click(`form[action="/api/readers/`+reader+`"] button`), chromedp.WaitVisible(`form[action="/api/readers/`+reader+`/out"]`))
}

// begins presses the button that opens an agent's window, once the page's scripts
// have run: before that it would send the form.
func (h hand) begins(agent string) context.Context {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		ready, err := chromedp.Run(h.ctx, chromedp.Evaluate[bool](`document.readyState === "complete"`))
		return err == nil && ready
	}, time.Minute, 50*time.Millisecond, "the page's scripts")
	return browser.Window(h.t, h.ctx, agent, func() { h.do(chromedp.Click("#go")) })
}

// atAgent fills in the form that the agent's window shows.
func (h hand) atAgent(name string, fields map[string]string) {
	h.t.Helper()
	agent := h.begins(h.e.addresses.Agent)
	for id, value := range fields {
		require.NoError(h.t, chromedp.Do(agent, chromedp.WaitVisible("#"+id), chromedp.SendKeys("#"+id, value)))
	}
	picture(h.t, agent, name)
	require.NoError(h.t, chromedp.Do(agent, chromedp.Click(`button[type="submit"]`)))
}

// TestDeskByHand is the RA manager at work: signs in, finds the nurse, issues
// her another card in place of the one she has, and reports that lost.
func TestDeskByHand(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	h := hand{t, browser.New(t), e}
	manager, passcode := p.state().card("Margaret Okafor")
	old, _ := p.state().card("Amara Bell")

	h.insert("1", manager)
	h.do(chromedp.Click(`a[href="/signin?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	h.atAgent("11-manager", map[string]string{"passcode": passcode})
	arrive(t, h.ctx, "/my")

	h.open(e.addresses.Web)
	h.do(chromedp.Click(`form[action="/api/cards"] button`))
	var blank string
	require.Eventually(t, func() bool {
		for _, c := range p.state().Cards {
			if c.State == "blank" {
				blank = c.Serial
			}
		}
		return blank != ""
	}, time.Minute, 50*time.Millisecond, "a blank card")
	h.insert("2", blank)

	h.open(e.addresses.Web + "/desk")
	h.do(chromedp.WaitVisible("#people"))
	require.Contains(t, h.text(".lead"), "RA manager at RWK01")
	picture(t, h.ctx, "12-desk")
	h.do(chromedp.Click(chromedp.Search(`//a[text()="Amara Bell"]`)), chromedp.WaitVisible("#issue"))
	picture(t, h.ctx, "13-person")
	t.Run("accessible: a person at the desk", func(t *testing.T) { browser.Accessible(t, h.ctx) })
	nurse := strings.TrimPrefix(location(t, h.ctx), e.addresses.Web)

	h.do(chromedp.SendKeys("#attested", "passport 925665416"), chromedp.SetValue("#replaces", old),
		chromedp.Click(`form[action="/desk/acts"] button:not(.quiet)`), chromedp.WaitVisible("#r2:checked"))
	picture(t, h.ctx, "14-issue")
	h.atAgent("15-new-card", map[string]string{"newPasscode": "48151623", "newPasscode2": "48151623"})
	arrive(t, h.ctx, nurse+"?told=done")
	require.Contains(t, h.text("main"), blank)
	require.Contains(t, h.text("main"), "replaced")
	picture(t, h.ctx, "16-issued")

	// The holder has forgotten the passcode: the manager opens the work, the holder alone types.
	h.do(chromedp.Click(chromedp.Search(`//summary[text()="Unlock with the holder"]`)), chromedp.WaitVisible("#u"+blank),
		chromedp.SendKeys("#u"+blank, "passport 925665416"), chromedp.Click(`details[open] form[action="/desk/acts"] button`), chromedp.WaitVisible("#r2:checked"))
	h.atAgent("16-unlock-at-desk", map[string]string{"newPasscode": "23421516", "newPasscode2": "23421516"})
	arrive(t, h.ctx, nurse+"?told=done")

	confirm := `form[action="/desk/cards/` + blank + `/lost"] button`
	h.do(chromedp.Click(chromedp.Search(`//summary[text()="Report lost"]`)),
		chromedp.WaitVisible(`details[open] `+confirm), chromedp.Click(confirm), chromedp.WaitVisible(".state.lost"))

	h.open(e.addresses.Web + "/desk")
	h.do(chromedp.SendKeys("#given", "Noah"), chromedp.SendKeys("#family", "Frost"),
		chromedp.SendKeys("#email", "noah.frost@nhs.net"), chromedp.Click(`button[formaction="/desk/profiles"]`), chromedp.WaitVisible(".refusal"))
	require.Contains(t, h.text(".refusal"), "profile.apply")
	picture(t, h.ctx, "17-refusal")
}

func location(t *testing.T, ctx context.Context) string {
	t.Helper()
	at, err := chromedp.Run(ctx, chromedp.Location())
	require.NoError(t, err)
	return at
}

// TestBrowser is a nurse at the desk: the card goes in, signs in at the agent's
// own page, comes out, and the session is over.
func TestBrowser(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	serial, passcode := p.state().card("Amara Bell")
	ctx := browser.New(t)

	h := hand{t, ctx, e}

	h.open(e.addresses.Web)
	h.do(chromedp.WaitVisible("#reader1"))
	t.Run("row031", func(t *testing.T) {
		require.Contains(t, h.text(".notice"), "for professionals")
		require.Contains(t, h.text(".notice"), "Not affiliated with or approved by the NHS")
	})
	require.Contains(t, h.text("#people ~ table"), passcode)
	picture(t, ctx, "1-front-page")

	h.insert("1", serial)
	require.Contains(t, h.text(".smartcard"), "Amara Bell")
	picture(t, ctx, "2-card-in-reader")

	h.do(chromedp.Click(`a[href="/signin?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	picture(t, ctx, "3-sign-in")
	h.atAgent("4-agent", map[string]string{"passcode": passcode})
	arrive(t, ctx, "/my")
	require.Contains(t, h.text(".who"), "Amara Bell")
	picture(t, ctx, "5-signed-in")

	// The page is left alone; the card is pulled by hand.
	status, _ := p.call("DELETE", "/api/readers/1", nil)
	require.Equal(t, 204, status)
	arrive(t, ctx, "/?told=ended")
	require.Contains(t, h.text(".told"), "Your session has ended")
	require.Contains(t, h.text(".who"), "Nobody is signed in")
	picture(t, ctx, "6-card-pulled")

	for path, name := range map[string]string{
		"/": "6-front", "/desk": "7-refused", "/mail": "8-mail", "/inbox": "9-inbox", "/audit": "10-audit", "/mail/phone": "18-phone", "/signin": "19-signin", "/links": "20-links",
	} {
		h.open(e.addresses.Web + path)
		h.do(chromedp.WaitVisible("h1"))
		picture(t, ctx, name)
		t.Run("accessible: "+path, func(t *testing.T) { browser.Accessible(t, ctx) })
	}
}
