// SPDX-License-Identifier: Apache-2.0

package alone_test

import (
	"encoding/base32"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// TestByHand is a hospital's first day, in a browser: the first RA manager makes
// themselves a card, signs in, mends a form that was refused, registers an
// authenticator app, is asked for the card again after the page was left, locks the
// card and opens it at the kiosk.
func TestByHand(t *testing.T) {
	need.Tool(t, "browser")
	w := alonetest.NewWorkstation(t)
	var ahead time.Duration // of the hospital's calendar
	var mu sync.Mutex
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	move := func(by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ahead += by
	}
	serial, err := w.Tray.Blank()
	require.NoError(t, err)
	require.NoError(t, w.Tray.Insert(0, serial))
	made := alonetest.Everything()
	made.Now = now
	r := alonetest.Start(t, made, "-dir", t.TempDir(), "-agent", w.URL, "-idle", "15m")
	w.Serve(t, r.URL)
	p := alonetest.NewPerson(t, w)
	const passcode = "271828"

	p.Open(r.First)
	p.Do(chromedp.WaitVisible("#given"), chromedp.SendKeys("#given", "Margaret"), chromedp.SendKeys("#family", "Okafor"),
		chromedp.SendKeys("#organisation", "RWK01"), chromedp.SendKeys("#email", "margaret.okafor@nhs.net"))
	require.Eventually(t, func() bool { return p.Eval(`document.getElementById("blank").value`) == serial }, time.Minute, 50*time.Millisecond, "the agent tells the blank card")
	p.Picture("40-first")
	p.Accessible("first")
	p.Do(chromedp.Click("main form button"))
	p.AtAgent("newPasscode", passcode, "newPasscode2", passcode)
	p.Arrive("/?told=issued")
	p.Picture("41-front")

	p.Open(r.URL + "/signin")
	p.Do(chromedp.WaitVisible("#r1"))
	p.Picture("42-sign-in")
	p.AtAgent("passcode", passcode)
	p.Arrive("/my")
	p.Shows("Margaret Okafor")

	t.Run("a refused form comes back with its words and the focus on why", func(t *testing.T) {
		p := p.On(t)
		p.Open(r.URL + "/desk")
		p.Do(chromedp.WaitVisible("#given"), chromedp.SendKeys("#given", "Noah"), chromedp.SendKeys("#family", "Frost"),
			chromedp.SendKeys("#email", "noah@elsewhere.test"), chromedp.Click(`form[action="/desk/invitations"] button`), chromedp.WaitVisible("#refused"))
		require.Equal(t, "noah@elsewhere.test", p.Eval(`document.getElementById("email").value`))
		require.Equal(t, "refused", p.Eval(`document.activeElement.id`))
		p.Picture("43-refused")
		p.Accessible("refused")
		p.Do(chromedp.SetValue("#email", "noah.frost@nhs.net"), chromedp.Click(`form[action="/desk/invitations"] button`))
		p.Arrive("/desk?told=invited")
	})
	t.Run("an app is registered, and its code taken", func(t *testing.T) {
		p := p.On(t)
		p.Open(r.URL + "/my/authenticators")
		p.Do(chromedp.WaitVisible("#name"), chromedp.SendKeys("#name", "my phone"), chromedp.Click(`form[action="/my/authenticators"] button`), chromedp.WaitVisible("svg.qr"))
		p.Picture("44-authenticator")
		p.Accessible("an app to scan")
		key := regexp.MustCompile(`key into it: ([A-Z2-7 ]+)`).FindStringSubmatch(p.Eval("document.body.innerText"))
		require.Len(t, key, 2)
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(strings.TrimSpace(key[1]), " ", ""))
		require.NoError(t, err)
		p.Do(chromedp.SendKeys("#code", careid.TOTP(secret, now())), chromedp.Click(`form[action$="/confirm"] button`))
		p.Arrive("?told=registered")
		p.Shows("Remove my phone")
	})
	t.Run("after a while the card is shown again, and what was asked for is done", func(t *testing.T) {
		p := p.On(t)
		p.Open(r.URL + "/my")
		p.Do(chromedp.WaitVisible("#mobile"), chromedp.SetValue("#mobile", "07700 900456"))
		move(12 * time.Minute) // longer than a proof is fresh, and not so long as to lock
		p.Do(chromedp.Click(`form[action="/my/contacts"] button`))
		p.Shows("Show your card again")
		p.Picture("45-step-up")
		p.Accessible("step-up")
		p.AtAgent("passcode", passcode)
		p.Arrive("/my?told=done")
		require.Equal(t, "+447700900456", p.Eval(`document.getElementById("mobile").value`))
	})
	t.Run("a page that was left goes on where it was", func(t *testing.T) {
		p := p.On(t)
		move(16 * time.Minute)
		p.Open(r.URL + "/desk/positions")
		p.Shows("your session is locked")
		p.AtAgent("passcode", passcode)
		p.Arrive("/desk/positions")
		p.Shows("Positions at RWK01")
	})
	t.Run("a position is made, and changed", func(t *testing.T) {
		p := p.On(t)
		p.Do(chromedp.SendKeys("#wname", "Lister ward"), chromedp.Click(`form[action="/desk/workgroups"] button`))
		p.Arrive("?told=done")
		p.Do(chromedp.SendKeys("#pname", "Ward nurse"), chromedp.SendKeys("#prole", "S8000:G8000:R8001 Nurse Access Role"),
			chromedp.SendKeys("#pacts", "B0278 Perform Prescription Preparation"), chromedp.Click(`fieldset input`), chromedp.Click(`form[action="/desk/positions"] button`))
		p.Shows("Perform Prescription Preparation")
		p.Do(chromedp.Click(`a[href^="/desk/positions/"]`))
		p.Shows("Change Ward nurse")
		p.Picture("46-position")
		p.Accessible("a position")
	})
	t.Run("every page fits a phone, and everybody", func(t *testing.T) { fits(p.On(t), r.URL) })
	t.Run("a locked card is opened at the kiosk by a code", func(t *testing.T) {
		p := p.On(t)
		p.Open(r.URL + "/my")
		p.Do(chromedp.Click(`form[action="/signout"] button`))
		p.Arrive("/signed-out")
		p.Open(r.URL + "/signin")
		agent := p.Window("1")
		for _, told := range []string{"not the passcode", "One try is left", ""} {
			agent.Do(chromedp.WaitVisible("#passcode"), chromedp.SendKeys("#passcode", "000000"))
			agent.Send()
			if told != "" {
				agent.Shows(told)
			}
		}
		p.Shows("card.locked")
		p.Open(r.URL + "/unlock")
		agent = p.Window("1")
		agent.Do(chromedp.WaitVisible("#email"), chromedp.Click("#email"))
		agent.Send()
		agent.Do(chromedp.WaitVisible("#code"))
		_, messages := call(t, "GET", r.URL+"/messages", "")
		code := regexp.MustCompile(`\b[0-9]{8}\b`).FindString(messages)
		agent.Do(chromedp.SendKeys("#code", code), chromedp.SendKeys("#newPasscode", "53589793"), chromedp.SendKeys("#newPasscode2", "53589793"))
		agent.Send()
		p.Arrive("/?told=unlocked")
		p.Open(r.URL + "/signin")
		p.AtAgent("passcode", "53589793")
		p.Arrive("/my")
	})
}
