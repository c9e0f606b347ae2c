// SPDX-License-Identifier: Apache-2.0

package alonetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// Person is somebody at a browser on a workstation.
type Person struct {
	T   *testing.T
	Tab context.Context
	At  *Workstation
}

// NewPerson opens the browser.
func NewPerson(t *testing.T, w *Workstation) Person {
	t.Helper()
	return Person{t, browser.New(t), w}
}

// On is the person in another test.
func (p Person) On(t *testing.T) Person { return Person{t, p.Tab, p.At} }

// Do fails the test where a step fails, or waits in vain.
func (p Person) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.T.Helper()
	if err := p.try(patience, steps...); err != nil {
		p.T.Fatalf("%v; %s says:\n%s", err, p.Eval("location.href"), p.Eval("document.body.innerText"))
	}
}

func (p Person) try(within time.Duration, steps ...chromedp.Action[chromedp.Void]) error {
	ctx, done := context.WithTimeout(p.Tab, within)
	defer done()
	return chromedp.Do(ctx, steps...)
}

// until waits, on a busy machine too.
func (p Person) until(what string, holds func() bool) {
	p.T.Helper()
	late, done := context.WithTimeout(p.Tab, patience)
	defer done()
	for !holds() {
		if late.Err() != nil {
			p.T.Fatalf("waited in vain for %s; %s says:\n%s", what, p.Eval("location.href"), p.Eval("document.body.innerText"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Open goes to a page, again where a navigation that was still under way aborts it.
func (p Person) Open(address string) {
	p.T.Helper()
	p.until(address, func() bool { return chromedp.Do(p.Tab, chromedp.Navigate(address)) == nil })
}

// Press clicks, again where the page has just become another one.
func (p Person) Press(selectors ...string) {
	p.T.Helper()
	for _, s := range selectors {
		p.until(s, func() bool {
			return p.try(5*time.Second, chromedp.WaitVisible(s), chromedp.WaitEnabled(s), chromedp.Click(s)) == nil
		})
	}
}

// Type fills in fields, pairs of an id and what is typed.
func (p Person) Type(pairs ...string) {
	p.T.Helper()
	for i := 0; i < len(pairs); i += 2 {
		p.Do(chromedp.WaitVisible("#"+pairs[i]), chromedp.SendKeys("#"+pairs[i], pairs[i+1]))
	}
}

// Shows waits until the page says something, over any navigation.
func (p Person) Shows(words string) {
	p.T.Helper()
	p.until(words, func() bool { return strings.Contains(p.Eval("document.body.innerText"), words) })
}

// Eval is what a script says of the page, "" where there is none just now.
func (p Person) Eval(script string) string {
	text, err := chromedp.Run(p.Tab, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		return ""
	}
	return text
}

// Arrive waits until the browser has gone by itself to an address that ends so.
func (p Person) Arrive(path string) {
	p.T.Helper()
	p.until("the page "+path, func() bool { return strings.HasSuffix(p.Eval("location.href"), path) })
	p.Do(chromedp.WaitVisible("footer"))
}

// Reach waits until the browser has gone by itself to an address that begins so,
// and returns the whole of it.
func (p Person) Reach(address string) string {
	p.T.Helper()
	p.until("the page "+address, func() bool { return strings.HasPrefix(p.Eval("location.href"), address) })
	return p.Eval("location.href")
}

// AtAgent begins a task with the card in the first reader and fills in the form of
// the card service's window.
func (p Person) AtAgent(pairs ...string) {
	p.T.Helper()
	p.AtReader("1", pairs...)
}

// AtReader is AtAgent with another reader, counted from 1.
func (p Person) AtReader(reader string, pairs ...string) {
	p.T.Helper()
	window := p.Window(reader)
	window.Type(pairs...)
	window.Send()
}

// Send sends the form of the card service's window.
func (p Person) Send() {
	p.T.Helper()
	p.Do(chromedp.Click(`button[type="submit"]`))
}

// Window begins a task with the card in a reader and finds the window of the card
// service.
func (p Person) Window(reader string) Person {
	p.T.Helper()
	return Person{p.T, browser.Window(p.T, p.Tab, p.At.URL, func() {
		p.Do(chromedp.WaitVisible("#r"+reader), chromedp.Click("#r"+reader), chromedp.Click("#go"))
	}), p.At}
}

// Accessible asks axe-core about the page.
func (p Person) Accessible(name string) {
	p.T.Helper()
	p.T.Run("accessible: "+name, func(t *testing.T) { browser.Accessible(t, p.Tab) })
}

// Picture keeps what the browser shows where ESTATE_PICTURES names a folder.
func (p Person) Picture(name string) {
	p.T.Helper()
	folder := os.Getenv("ESTATE_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(p.Tab, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644)
	}
	if err != nil {
		p.T.Fatal(err)
	}
}
