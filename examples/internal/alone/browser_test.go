// SPDX-License-Identifier: Apache-2.0

package alone_test

import (
	"context"
	"encoding/base32"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// workstation is a tray of virtual cards with an agent at an address of its own.
type workstation struct {
	tray    *cardtest.Tray
	address string
	mu      sync.Mutex
	handler http.Handler
}

// newWorkstation listens; serve begins when the program's address is known.
func newWorkstation(t *testing.T) *workstation {
	t.Helper()
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	w := &workstation{tray: cardtest.New(t, cardtest.Config{Readers: 2}), address: "http://" + l.Addr().String()}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		h := w.handler
		w.mu.Unlock()
		h.ServeHTTP(rw, r)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return w
}

func (w *workstation) serve(t *testing.T, site string) {
	t.Helper()
	module, err := card.Open(card.Config{Module: w.tray.Module(), Poll: 100 * time.Millisecond})
	require.NoError(t, err)
	a, err := agent.New(agent.Config{Module: module, Servers: []string{site}, Origins: []string{site}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		require.NoError(t, module.Close())
	})
	w.mu.Lock()
	w.handler = a.Handler()
	w.mu.Unlock()
}

// person is somebody at a browser.
type person struct {
	t   *testing.T
	ctx context.Context
	at  *workstation
}

func newPerson(t *testing.T, w *workstation) person {
	t.Helper()
	return person{t, browser.New(t), w}
}

func (p person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, steps...))
}

// open goes to a page, again where a navigation that was still under way aborts it.
func (p person) open(address string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return chromedp.Do(p.ctx, chromedp.Navigate(address)) == nil }, time.Minute, 50*time.Millisecond, address)
}

// shows waits until the page says something, over any navigation.
func (p person) shows(words string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.eval("document.body.innerText"), words) }, time.Minute, 50*time.Millisecond, "the page says %q", words)
}

func (p person) eval(script string) string {
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		return ""
	}
	return text
}

// arrive waits until the browser has gone to a page by itself.
func (p person) arrive(path string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.HasSuffix(p.eval("location.href"), path) }, time.Minute, 50*time.Millisecond, path)
	p.do(chromedp.WaitVisible("footer"))
}

// atAgent begins a task with the card in the first reader and fills in the form of
// the agent's window.
func (p person) atAgent(pairs ...string) {
	p.t.Helper()
	agent := p.window()
	for i := 0; i < len(pairs); i += 2 {
		agent.do(chromedp.WaitVisible("#"+pairs[i]), chromedp.SendKeys("#"+pairs[i], pairs[i+1]))
	}
	agent.send()
}

// send sends the form of the agent's window.
func (p person) send() {
	p.t.Helper()
	p.do(chromedp.Click(`button[type="submit"]`))
}

// window begins a task with the card in the first reader and finds the agent's
// window.
func (p person) window() person {
	p.t.Helper()
	p.do(chromedp.WaitVisible("#r1"), chromedp.Click("#r1"), chromedp.Click("#go"))
	var tab context.Context
	require.Eventually(p.t, func() bool {
		targets, err := chromedp.Targets(p.ctx)
		for _, found := range targets {
			if err == nil && strings.HasPrefix(found.URL, p.at.address) {
				var cancel context.CancelFunc
				tab, cancel = chromedp.NewContext(p.ctx, chromedp.WithTargetID(found.TargetID))
				p.t.Cleanup(cancel)
				return true
			}
		}
		return false
	}, time.Minute, 50*time.Millisecond, "the agent's window")
	return person{p.t, tab, p.at}
}

// accessible asks axe-core about the page, where it is installed.
func (p person) accessible(name string) {
	p.t.Helper()
	p.t.Run("accessible: "+name, func(t *testing.T) { browser.Accessible(t, p.ctx) })
}

// picture keeps what the browser shows where ESTATE_PICTURES names a folder.
func (p person) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("ESTATE_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	require.NoError(p.t, err)
	require.NoError(p.t, os.MkdirAll(folder, 0o755))
	require.NoError(p.t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644))
}

// TestByHand is a hospital's first day, in a browser: the first RA manager makes
// themselves a card, signs in, mends a form that was refused, registers an
// authenticator app, is asked for the card again after the page was left, locks the
// card and opens it at the kiosk.
func TestByHand(t *testing.T) {
	need.Tool(t, "browser")
	w := newWorkstation(t)
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
	serial, err := w.tray.Blank()
	require.NoError(t, err)
	require.NoError(t, w.tray.Insert(0, serial))
	made := program()
	made.Now = now
	r := alonetest.Start(t, made, "-dir", t.TempDir(), "-agent", w.address, "-idle", "15m")
	w.serve(t, r.URL)
	p := newPerson(t, w)
	const passcode = "271828"

	p.open(r.First)
	p.do(chromedp.WaitVisible("#given"), chromedp.SendKeys("#given", "Margaret"), chromedp.SendKeys("#family", "Okafor"),
		chromedp.SendKeys("#organisation", "RWK01"), chromedp.SendKeys("#email", "margaret.okafor@nhs.net"))
	require.Eventually(t, func() bool { return p.eval(`document.getElementById("blank").value`) == serial }, time.Minute, 50*time.Millisecond, "the agent tells the blank card")
	p.picture("40-first")
	p.accessible("first")
	p.do(chromedp.Click("main form button"))
	p.atAgent("newPasscode", passcode, "newPasscode2", passcode)
	p.arrive("/?told=issued")
	p.picture("41-front")

	p.open(r.URL + "/signin")
	p.do(chromedp.WaitVisible("#r1"))
	p.picture("42-sign-in")
	p.atAgent("passcode", passcode)
	p.arrive("/my")
	p.shows("Margaret Okafor")

	t.Run("a refused form comes back with its words and the focus on why", func(t *testing.T) {
		p := person{t, p.ctx, w}
		p.open(r.URL + "/desk")
		p.do(chromedp.WaitVisible("#given"), chromedp.SendKeys("#given", "Noah"), chromedp.SendKeys("#family", "Frost"),
			chromedp.SendKeys("#email", "noah@elsewhere.test"), chromedp.Click(`form[action="/desk/invitations"] button`), chromedp.WaitVisible("#refused"))
		require.Equal(t, "noah@elsewhere.test", p.eval(`document.getElementById("email").value`))
		require.Equal(t, "refused", p.eval(`document.activeElement.id`))
		p.picture("43-refused")
		p.accessible("refused")
		p.do(chromedp.SetValue("#email", "noah.frost@nhs.net"), chromedp.Click(`form[action="/desk/invitations"] button`))
		p.arrive("/desk?told=invited")
	})
	t.Run("an app is registered, and its code taken", func(t *testing.T) {
		p := person{t, p.ctx, w}
		p.open(r.URL + "/my/authenticators")
		p.do(chromedp.WaitVisible("#name"), chromedp.SendKeys("#name", "my phone"), chromedp.Click(`form[action="/my/authenticators"] button`), chromedp.WaitVisible("svg.qr"))
		p.picture("44-authenticator")
		p.accessible("an app to scan")
		key := regexp.MustCompile(`key into it: ([A-Z2-7 ]+)`).FindStringSubmatch(p.eval("document.body.innerText"))
		require.Len(t, key, 2)
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(strings.TrimSpace(key[1]), " ", ""))
		require.NoError(t, err)
		p.do(chromedp.SendKeys("#code", careid.TOTP(secret, now())), chromedp.Click(`form[action$="/confirm"] button`))
		p.arrive("?told=registered")
		p.shows("Remove my phone")
	})
	t.Run("after a while the card is shown again, and what was asked for is done", func(t *testing.T) {
		p := person{t, p.ctx, w}
		p.open(r.URL + "/my")
		p.do(chromedp.WaitVisible("#mobile"), chromedp.SetValue("#mobile", "07700 900456"))
		move(12 * time.Minute) // longer than a proof is fresh, and not so long as to lock
		p.do(chromedp.Click(`form[action="/my/contacts"] button`))
		p.shows("Show your card again")
		p.picture("45-step-up")
		p.accessible("step-up")
		p.atAgent("passcode", passcode)
		p.arrive("/my?told=done")
		require.Equal(t, "+447700900456", p.eval(`document.getElementById("mobile").value`))
	})
	t.Run("a page that was left goes on where it was", func(t *testing.T) {
		p := person{t, p.ctx, w}
		move(16 * time.Minute)
		p.open(r.URL + "/desk/positions")
		p.shows("your session is locked")
		p.atAgent("passcode", passcode)
		p.arrive("/desk/positions")
		p.shows("Positions at RWK01")
	})
	t.Run("a position is made, and changed", func(t *testing.T) {
		p := person{t, p.ctx, w}
		p.do(chromedp.SendKeys("#wname", "Lister ward"), chromedp.Click(`form[action="/desk/workgroups"] button`))
		p.arrive("?told=done")
		p.do(chromedp.SendKeys("#pname", "Ward nurse"), chromedp.SendKeys("#prole", "S8000:G8000:R8001 Nurse Access Role"),
			chromedp.SendKeys("#pacts", "B0278 Perform Prescription Preparation"), chromedp.Click(`fieldset input`), chromedp.Click(`form[action="/desk/positions"] button`))
		p.shows("Perform Prescription Preparation")
		p.do(chromedp.Click(`a[href^="/desk/positions/"]`))
		p.shows("Change Ward nurse")
		p.picture("46-position")
		p.accessible("a position")
	})
	t.Run("pages fit a phone", func(t *testing.T) {
		p := person{t, p.ctx, w}
		p.do(chromedp.EmulateViewport(400, 900))
		for _, path := range []string{"/", "/desk", "/desk/positions", "/desk/losses", "/desk/moves", "/desk/audit", "/my", "/my/authenticators", "/my/events", "/my/switch-off", "/unlock", "/unlock/help", "/messages"} {
			p.open(r.URL + path)
			p.do(chromedp.WaitVisible("h1"))
			p.picture("5-narrow" + strings.ReplaceAll(path, "/", "-"))
			require.Equal(t, "true", p.eval(`String(document.documentElement.scrollWidth <= innerWidth)`), "%s is wider than its window", path)
		}
		p.do(chromedp.EmulateViewport(1280, 1000))
		for _, path := range []string{"/", "/desk", "/desk/positions", "/desk/losses", "/desk/moves", "/desk/audit", "/my", "/my/authenticators", "/my/events", "/my/switch-off", "/unlock", "/unlock/help", "/messages"} {
			p.open(r.URL + path)
			p.do(chromedp.WaitVisible("h1"))
			p.picture("6-wide" + strings.ReplaceAll(path, "/", "-"))
			p.accessible(path)
		}
	})
	t.Run("a locked card is opened at the kiosk by a code", func(t *testing.T) {
		p := person{t, p.ctx, w}
		p.do(chromedp.Click(`form[action="/signout"] button`))
		p.arrive("/signed-out")
		p.open(r.URL + "/signin")
		agent := p.window()
		for _, told := range []string{"not the passcode", "One try is left", ""} {
			agent.do(chromedp.WaitVisible("#passcode"), chromedp.SendKeys("#passcode", "000000"))
			agent.send()
			if told != "" {
				agent.shows(told)
			}
		}
		p.shows("card.locked")
		p.open(r.URL + "/unlock")
		agent = p.window()
		agent.do(chromedp.WaitVisible("#email"), chromedp.Click("#email"))
		agent.send()
		agent.do(chromedp.WaitVisible("#code"))
		_, messages := call(t, "GET", r.URL+"/messages", "")
		code := regexp.MustCompile(`\b[0-9]{8}\b`).FindString(messages)
		agent.do(chromedp.SendKeys("#code", code), chromedp.SendKeys("#newPasscode", "53589793"), chromedp.SendKeys("#newPasscode2", "53589793"))
		agent.send()
		p.arrive("/?told=unlocked")
		p.open(r.URL + "/signin")
		p.atAgent("passcode", "53589793")
		p.arrive("/my")
	})
}
