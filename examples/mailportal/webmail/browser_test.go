// SPDX-License-Identifier: Apache-2.0

package webmail_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// hand is somebody at a real browser.
type hand struct {
	t   *testing.T
	tab context.Context
	at  string
}

func (h hand) do(steps ...chromedp.Action[chromedp.Void]) {
	h.t.Helper()
	require.NoError(h.t, chromedp.Do(h.tab, steps...))
}

func (h hand) open(path string) {
	h.t.Helper()
	h.do(chromedp.Navigate(h.at+path), chromedp.WaitVisible("footer"))
}

// types replaces what a field holds, key by key.
func (h hand) types(field, text string) {
	h.t.Helper()
	h.do(chromedp.WaitVisible(field), chromedp.Evaluate[chromedp.Void](`document.querySelector("`+field+`").value = ""; undefined`), chromedp.SendKeys(field, text))
}

// press sends a form and waits for what comes of it.
func (h hand) press(button, then string) {
	h.t.Helper()
	h.do(chromedp.Click(button), chromedp.WaitVisible(then))
}

// reads waits until a part of the page says something.
func (h hand) reads(part, says string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		is, err := chromedp.Run(h.tab, chromedp.Evaluate[bool](`(document.querySelector("`+part+`")?.textContent ?? "").includes("`+says+`")`))
		return err == nil && is
	}, time.Minute, 20*time.Millisecond, "%s: %s", part, says)
}

// look asks axe-core about the page, and keeps a picture where one is wanted.
func (h hand) look(name string) {
	h.t.Helper()
	if folder := os.Getenv("PORTAL_PICTURES"); folder != "" {
		png, err := chromedp.Run(h.tab, chromedp.FullScreenshot(100))
		require.NoError(h.t, err)
		require.NoError(h.t, os.WriteFile(filepath.Join(folder, "mail-"+name+".png"), png, 0o600))
	}
	h.t.Run("accessible: "+name, func(t *testing.T) { browser.Accessible(t, h.tab) })
}

// TestInChromium is a care home's first day at a real browser: registered, applied,
// signed in, and a message written with the decision beside it.
func TestInChromium(t *testing.T) {
	t.Parallel()
	tab := browser.New(t)
	addr, _ := mailOut(t)
	s := open(t, func(c *webmail.Config) { c.SMTP = addr })
	h := hand{t, tab, s.url}

	h.open("/")
	h.look("front")
	h.open("/register")
	h.look("register")
	for field, text := range map[string]string{"#applicant": "Mo Reed", "#name": "Mill House", "#ods": "no", "#location": "1-123", "#postcode": "LS1 4AP", "#manager": "CON1-9", "#email": "manager@home.example", "#landline": "0113 496 0000"} {
		h.types(field, text)
	}
	h.press(`form[action="/register"][method="post"] button`, "#refused")
	h.look("register-refused")
	h.types("#ods", home)
	h.press(`form[action="/register"][method="post"] button`, "#purpose")
	for field, text := range map[string]string{"#applicant": "Mo Reed", "#name": "Asha Patel", "#address": asha, "#mobile": "070 0000 0000", "#purpose": "care"} {
		h.types(field, text)
	}
	h.press(`form[action="/apply"] button`, "#refused")
	h.look("apply-refused")
	h.types("#mobile", mobile)
	h.press(`form[action="/apply"] button`, `.told[role="status"]`)
	h.look("apply")

	password := s.texted("to activate "+asha, 0)
	h.open("/phone")
	h.look("phone")
	h.open("/signin")
	h.look("signin")
	h.types("#address", asha)
	h.types("#password", "not the password")
	h.press(`form[action="/signin"] button`, "#refused")
	h.look("signin-refused")
	h.types("#password", password)
	h.press(`form[action="/signin"] button`, "#s1")
	h.look("first")
	h.press(`form[action="/first/policy"] button`, `.told[role="status"]`)
	for i, q := range questions {
		h.types("#q"+string(rune('1'+i)), q)
		h.types("#a"+string(rune('1'+i)), answers()[i])
	}
	h.types("#a3", "x")
	h.press(`form[action="/first/questions"] button`, "#refused")
	h.look("first-refused")
	for i := range questions {
		h.types("#a"+string(rune('1'+i)), answers()[i])
	}
	h.press(`form[action="/first/questions"] button`, `.told[role="status"]`)
	h.types("#new", secret)
	h.press(`form[action="/first/password"] button`, "#mobile")
	h.look("account")
	h.press(`form[action="/account/mobile/delete"] button`, "#refused")
	h.look("account-warned")
	h.open("/site")
	h.look("site-none")
	h.press(`form[action="/site/shared"] button`, "#box")
	h.look("site")
	h.types("#user", "nobody@nhs.net")
	h.press(`form[action="/site/members"] button`, "#refused")
	h.look("site-refused")
	t.Run("compose", func(t *testing.T) { hand{t, tab, s.url}.compose() })
	for _, path := range []string{"/help", "/help?ticket=&called=", "/desk", "/desk?address=" + asha, "/nothing", "/register?postcode=AB1+2CD"} {
		h.open(path)
		h.look(url.PathEscape(path))
	}
	h.open("/desk?site=" + home)
	h.types("#more", "1")
	h.do(chromedp.SetValue("#of", "shared"))
	h.types("#reason", "asked on 3 November")
	h.press(`form[action="/desk/grant"] button`, `.told[role="status"]`)
	h.look("desk-site")
	h.open("/site")
	h.press(`form[action="/site/shared"] button`, "#box1")
	h.look("site-two")
	h.press(`nav a[href="/desk"]`, "#glass")
	h.press(`form[action="/desk/owner"] button`, "#refused")
	h.look("desk-refused")
	t.Run("recovery", func(t *testing.T) { hand{t, tab, s.url}.recovers(s) })
}

// compose writes a message, and reads what would become of it while it is written.
func (h hand) compose() {
	h.t.Helper()
	h.open("/compose")
	h.look("compose-empty")
	h.types("#to", ben)
	h.types("#subject", "Discharge")
	h.reads("#verdict", "every address is secure by itself")
	h.types("#to", ben+", "+gp)
	h.reads("#verdict", "also to addresses that do not count as secure")
	h.reads("#decision", "To have it encrypted, write [secure] into the subject.")
	h.look("compose-clear")
	h.types("#subject", "(secure) Discharge")
	h.reads("#verdict", "The message is held")
	h.reads("#decision", "mail.secure.nearmiss")
	h.look("compose-held")
	h.types("#subject", "[secure] Discharge")
	h.reads("#verdict", "is encrypted")
	h.reads("#decision", gp+" is encrypted")
	h.reads("#decision", "Frequently Asked Questions for care providers")
	h.look("compose-encrypted")

	// The text stays in the browser until the message is sent.
	h.do(chromedp.Evaluate[chromedp.Void](`window.asked = []; const ask = window.fetch; window.fetch = (to, what) => { asked.push(String(what.body)); return ask(to, what); }; undefined`))
	h.types("#body", health)
	h.types("#subject", "[secure] Discharge home")
	h.do(chromedp.Poll[chromedp.Void](`asked.some((body) => body.includes("home"))`))
	told, err := chromedp.Run(h.tab, chromedp.Evaluate[string](`asked.join(" ")`))
	require.NoError(h.t, err)
	require.NotContains(h.t, told, "Jones")
	h.types("#to", gp+", nobody@elsewhere.example")
	h.press(`button[formaction="/compose/send"]`, "#refused")
	h.look("compose-refused")
	h.types("#to", gp)
	h.press(`button[formaction="/compose/send"]`, `.told[role="status"]`)
	h.reads("main", "The message is with the mail gateway")

	// A refusal of the whole is no broken line.
	h.do(chromedp.Evaluate[chromedp.Void](`const to = document.getElementById("to"); to.value = "a@nhs.net,".repeat(101); to.dispatchEvent(new Event("input", { bubbles: true })); undefined`))
	h.reads("#verdict", "Press Check to see why")

	// Without an answer no decision stands there, least of all an older one.
	h.types("#to", ben)
	h.reads("#verdict", "every address is secure by itself")
	h.do(chromedp.Evaluate[chromedp.Void](`window.fetch = () => Promise.reject(new Error("gone")); undefined`))
	h.types("#to", gp)
	h.reads("#verdict", "be asked now")
	h.do(chromedp.Poll[chromedp.Void](`document.getElementById("decision").childElementCount === 0`))
}

// recovers opens the account after others have locked it.
func (h hand) recovers(s *town) {
	h.t.Helper()
	s.locked(asha)
	h.open("/")
	h.press(`form[action="/signout"] button`, `form[action="/signin"]`)
	h.types("#address", asha)
	h.types("#password", secret)
	h.press(`form[action="/signin"] button`, "#locked")
	h.look("locked")
	h.press(`form[action="/recover"] button`, "#digits")
	h.look("answers")
	h.types("#a0", "wrong")
	h.types("#a1", "wrong")
	h.types("#digits", "0123")
	h.press(`form[action="/recover/answers"] button`, "#refused")
	h.look("answers-refused")
	for _, field := range []string{"0", "1"} {
		question, err := chromedp.Run(h.tab, chromedp.Evaluate[string](`document.querySelector('label[for="a`+field+`"]').textContent`))
		require.NoError(h.t, err)
		h.types("#a"+field, asked(">" + question + "</label>")[0])
	}
	h.types("#digits", "0123")
	h.press(`form[action="/recover/answers"] button`, "#ucode")
	h.look("code")
	h.types("#ucode", "00000000")
	h.press(`form[action="/recover/finish"] button`, "#refused")
	h.look("code-refused")
	h.types("#ucode", s.texted("one-time code to open "+asha, 0))
	h.press(`form[action="/recover/finish"] button`, "#password")
	h.reads("main", "The account is open again")
	h.open("/recover")
	h.look("recover")
}
