// SPDX-License-Identifier: Apache-2.0

package portal_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

const patience = time.Minute

// person is somebody at a browser.
type person struct {
	t   *testing.T
	ctx context.Context
	h   *hospital
}

func (p person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, steps...))
}

// open goes to a page, again where a navigation that was still under way aborts it.
func (p person) open(address string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return chromedp.Do(p.ctx, chromedp.Navigate(address)) == nil }, patience, 50*time.Millisecond, address)
}

// press clicks, again where the page has just become another one.
func (p person) press(selectors ...string) {
	p.t.Helper()
	for _, s := range selectors {
		require.Eventually(p.t, func() bool { return chromedp.Do(p.ctx, chromedp.WaitVisible(s), chromedp.Click(s)) == nil }, patience, 50*time.Millisecond, s)
	}
}

func (p person) eval(script string) string {
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		return ""
	}
	return text
}

// arrive waits until the browser has gone to a page by itself.
func (p person) arrive(prefix string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.HasPrefix(p.eval("location.href"), prefix) }, patience, 20*time.Millisecond, "the page %s", prefix)
	p.do(chromedp.WaitVisible("footer"))
}

// shows waits until the page says something, over any navigation.
func (p person) shows(words string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.eval("document.body.innerText"), words) }, patience, 50*time.Millisecond, "the page says %q", words)
}

// begin chooses the first reader on a page that hands a ticket to the card service,
// and finds the window that opens.
func (p person) begin() person {
	p.t.Helper()
	return person{p.t, browser.Window(p.t, p.ctx, p.h.station.URL, func() { p.press("#r1", "#go") }), p.h}
}

// fills in forms of the card service's window, each of them pairs of a field and what is typed.
func (p person) fills(forms ...[]string) {
	p.t.Helper()
	for i, pairs := range forms {
		for j := 0; j < len(pairs); j += 2 {
			p.do(chromedp.WaitVisible("#" + pairs[j]))
			if pairs[j+1] == "" {
				p.press("#" + pairs[j])
			} else {
				p.do(chromedp.SendKeys("#"+pairs[j], pairs[j+1]))
			}
		}
		if i == len(forms)-1 {
			p.picture("agent-" + pairs[0])
		}
		p.press(`button[type="submit"]`)
	}
}

// looked keeps a picture of the page where PORTAL_PICTURES names a folder, and asks axe-core about it.
func (p person) looked(name string) {
	p.t.Helper()
	p.picture(name)
	p.t.Run("accessible: "+name, func(t *testing.T) { browser.Accessible(t, p.ctx) })
}

func (p person) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("PORTAL_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	require.NoError(p.t, err)
	require.NoError(p.t, os.MkdirAll(folder, 0o755))
	require.NoError(p.t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644))
}

// declare says what the workstation is, on the portal's front page.
func (p person) declare(system string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.eval("location.search"), "card=yes") }, patience, 20*time.Millisecond, "the card service tells of the card")
	require.Eventually(p.t, func() bool {
		return chromedp.Do(p.ctx, chromedp.WaitVisible("#system"), chromedp.SetValue("#system", system), chromedp.SetValue("#browser", careid.Chrome),
			chromedp.SetValue("#network", careid.NetworkHSCN), chromedp.Click("#workstation button")) == nil
	}, patience, 50*time.Millisecond)
	p.do(chromedp.WaitVisible("#button"))
	p.shows("Nothing about it keeps a card from working.")
}

func newPerson(t *testing.T, h *hospital) person {
	t.Helper()
	return person{t, browser.New(t), h}
}

func needs(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"softhsm", "cc", "browser"} {
		need.Tool(t, tool)
	}
}

// TestJourney is a nurse's day: the card goes in, the passcode is typed at the card
// service's own page, a role is chosen, the portal opens; the card comes out, and
// the page says by itself that the session is over.
func TestJourney(t *testing.T) {
	needs(t)
	h := openHospital(t)
	h.holds(t, h.Nurse, "Ward nurse", "Night sister")
	p := newPerson(t, h)

	p.open(h.portal.URL)
	t.Run("the button is not there, and says why when asked", func(t *testing.T) {
		p := person{t, p.ctx, h}
		p.arrive(h.portal.URL + "/?")               // it has asked the card service
		p.shows("is not shown on this workstation") // a virtual card's machine is no Windows, as its card service tells
		p.press("#why summary")
		p.shows("Use a computer with Windows 7, 8.1, 10 or 11, or an iPad with Safari.")
		require.Equal(t, careid.Linux, p.eval(`document.getElementById("system").value`))
		require.Equal(t, "yes", p.eval(`document.getElementById("credentialManagement").value`))
		require.Equal(t, "no", p.eval(`document.getElementById("card").value`))
		p.looked("1-no-button")
	})
	require.NoError(t, h.tray.Insert(0, h.Nurse.Card.Serial))
	p.declare(careid.Windows11)
	p.press("#why summary", "#checkup summary")
	p.looked("2-button")

	p.press("#button")
	p.arrive(h.site.URL + "/login?")
	p.begin().fills([]string{"passcode", careidtest.Passcode})
	p.press("#role1")
	p.picture("3-role")
	p.press(`form[action="/login/role"] button`)
	p.arrive(h.portal.URL + "/portal")
	p.shows("Good day, Asha")
	chosen := p.eval(`[...document.querySelectorAll("dd")].map((d) => d.textContent).find((text) => text.includes(" at RBA"))`)
	require.Regexp(t, `^(Ward nurse|Night sister) at RBA$`, chosen)
	p.looked("4-portal")

	t.Run("threat058", func(t *testing.T) { // a stranger's logout token signs nobody out
		p := person{t, p.ctx, h}
		part := base64.RawURLEncoding.EncodeToString
		forged := part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(`{"sub":"`+h.Nurse.Profile.ID+`"}`)) + "." + part([]byte("signed"))
		for _, token := range []string{forged, "forged", ""} {
			got, err := http.PostForm(h.portal.URL+"/auth/backchannel-logout", url.Values{"logout_token": {token}})
			require.NoError(t, err)
			require.NoError(t, got.Body.Close())
			require.Equal(t, http.StatusBadRequest, got.StatusCode)
		}
		require.Equal(t, h.portal.URL+"/portal", p.eval("location.href"))
	})
	t.Run("row046", func(t *testing.T) {
		p := person{t, p.ctx, h}
		require.NoError(t, h.tray.Remove(0))
		pulled := time.Now()
		p.arrive(h.portal.URL + "/signed-out")
		took := time.Since(pulled)
		t.Logf("signed out %v after the card was pulled", took)
		require.LessOrEqual(t, took, 5*time.Second)
		p.looked("5-signed-out")
		require.NoError(t, h.tray.Insert(0, h.Nurse.Card.Serial))
		p.open(h.portal.URL + "/portal")
		p.arrive(h.site.URL + "/login?") // putting the card back revives nothing
	})
}

// TestLocked is somebody whose card is locked: the portal says so, the unlock page
// opens the card with a code, and then it signs in.
func TestLocked(t *testing.T) {
	needs(t)
	locked := careidtest.Locked()
	locked.Position = "Ward nurse"
	h := openHospital(t, locked)
	nadia := h.People[0]
	require.NoError(t, h.tray.Insert(0, nadia.Card.Serial))
	p := newPerson(t, h)

	p.open(h.portal.URL)
	p.declare(careid.Windows10)
	p.shows("Your smartcard is locked.")
	p.looked("6-locked")
	p.press(`.wardkey-unlock a`)
	p.arrive(h.site.URL + "/unlock")
	agent := p.begin()
	agent.fills([]string{"email", ""})
	var code string
	require.Eventually(t, func() bool {
		m, err := h.Inbox.Last(t.Context(), h.Service, nadia.Profile.Email)
		code = m.Code()
		return err == nil && code != ""
	}, patience, 50*time.Millisecond, "the code")
	agent.fills([]string{"code", code, "newPasscode", "48151623", "newPasscode2", "48151623"})
	p.arrive(h.site.URL + "/?told=unlocked")

	p.open(h.portal.URL)
	p.declare(careid.Windows10)
	require.NotContains(t, p.eval("document.body.innerText"), "is locked")
	p.press("#button")
	p.arrive(h.site.URL + "/login?")
	p.begin().fills([]string{"passcode", "48151623"})
	p.arrive(h.portal.URL + "/portal")
	p.shows("Good day, Nadia")
}
