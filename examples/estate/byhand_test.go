// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/estate/internal/inbox"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// newest waits for a message that came after count others and returns its body.
func (h hand) newest(to string, count int) string {
	h.t.Helper()
	var body string
	require.Eventually(h.t, func() bool {
		all := h.e.rooms.Inbox.Messages(to)
		if len(all) > count {
			body = all[len(all)-1].Body
		}
		return body != ""
	}, time.Minute, 50*time.Millisecond, "a message to %s", to)
	return body
}

// TestHolderByHand locks a card, unlocks it with a code, moves the calendar to
// the last ninety days, is told so at the sign-in, and renews.
func TestHolderByHand(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	h := hand{t, browser.New(t), e}
	serial, passcode := client(t, e).state().card("Amara Bell")
	const fresh, inbox = "53589793", "amara.bell@nhs.net"

	h.insert("1", serial)
	h.do(chromedp.Click(`a[href="/signin?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	agent := hand{t, h.begins(e.addresses.Agent), e}
	for i, told := range []string{"not the passcode", "One try is left", ""} {
		agent.do(chromedp.WaitVisible("#passcode"), chromedp.SendKeys("#passcode", "000000"))
		if i == 2 {
			picture(t, agent.ctx, "20-last-try")
		}
		agent.do(chromedp.Click(`button[type="submit"]`))
		if told != "" {
			agent.shows(told)
		}
	}
	h.shows("card.locked")
	picture(t, h.ctx, "21-locked")

	h.open(e.addresses.Web)
	h.do(chromedp.WaitVisible(".state.locked"), chromedp.Click(`a[href="/unlock?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	before := len(e.rooms.Inbox.Messages(inbox))
	agent.ctx = h.begins(e.addresses.Agent)
	agent.do(chromedp.WaitVisible("#email"), chromedp.Click("#email"), chromedp.Click(`button[type="submit"]`), chromedp.WaitVisible("#code"))
	code := regexp.MustCompile(`\b[0-9]{8}\b`).FindString(h.newest(inbox, before))
	agent.do(chromedp.SendKeys("#code", code), chromedp.SendKeys("#newPasscode", fresh), chromedp.SendKeys("#newPasscode2", fresh))
	picture(t, agent.ctx, "22-unlock")
	agent.do(chromedp.Click(`button[type="submit"]`))
	arrive(t, h.ctx, "/?told=unlocked")

	h.do(chromedp.Click(`input[name="to"] + button`))
	require.Eventually(t, func() bool { return e.rooms.Clock.Ahead() > 0 }, time.Minute, 50*time.Millisecond, "the calendar moves")
	h.do(chromedp.WaitReady(`input[name="add"], select[name="add"]`))
	_, err := e.rooms.Clock.Add(time.Hour) // the cards were made some seconds apart, and the button goes to the first one's window
	require.NoError(t, err)
	h.open(e.addresses.Web)
	h.do(chromedp.Click(`a[href="/signin?reader=1"]`), chromedp.WaitVisible("#r1:checked"))
	require.NotEqual(t, passcode, fresh)
	h.atAgent("23-new-passcode", map[string]string{"passcode": fresh})
	arrive(t, h.ctx, "/my")
	h.shows("Your certificates end in")
	picture(t, h.ctx, "24-alert")

	h.do(chromedp.Click(`.told form[action="/my/acts"] button`), chromedp.WaitVisible("#r1:checked"))
	h.atAgent("25-renew", map[string]string{"passcode": fresh})
	arrive(t, h.ctx, "/my?told=renewed")
	require.NotContains(t, h.text("main"), "Your certificates end in")
	picture(t, h.ctx, "26-renewed")
}

// TestMailByHand activates a mail account and sends a [secure] message, which
// its outside recipient opens with openssl as the page says.
func TestMailByHand(t *testing.T) {
	need.Tool(t, "browser")
	openssl := need.Tool(t, "openssl")
	e := open(t, t.TempDir(), nil)
	h := hand{t, browser.New(t), e}
	const address, password, secret = "amara.bell@nhs.net", "seven-herons-at-dusk", "The potassium is 3.1."
	lines := strings.Split(strings.TrimSpace(h.newest("+447700900104", 0)), "\n")

	h.open(e.addresses.Web + "/mail")
	t.Run("row147", func(t *testing.T) {
		h := hand{t, h.ctx, e}
		h.do(chromedp.Click("main summary"), chromedp.WaitVisible("details[open] .steps"))
		require.Equal(t, []string{
			"Go to the mail portal: it stands in the place of https://portal.nhs.net.", "Select “Log in”.", "Enter your new address.", "Enter the password from the text to your mobile: see the inbox.",
		}, strings.Split(h.text("details[open] .steps"), "\n"), "the portal, the login, the address, the texted password")
		h.press(`a[href="` + e.addresses.MailPortal + `/signin"]`)
		h.do(chromedp.WaitVisible("#address"), chromedp.SendKeys("#address", address), chromedp.SendKeys("#password", lines[len(lines)-1]),
			chromedp.Click(`form[action="/signin"] button`), chromedp.WaitVisible("#new"))
	})
	h.looked("30-first-sign-in")
	h.open(e.addresses.MailPortal + "/compose")
	h.shows("mail.aup.pending")

	h.open(e.addresses.MailPortal + "/first")
	h.do(chromedp.WaitVisible("#new"), chromedp.SendKeys("#new", password), chromedp.Click(`form[action="/first/password"] button`),
		chromedp.WaitNotPresent("#new"), chromedp.WaitVisible("#q1"))
	for field, value := range map[string]string{
		"q1": "First ward?", "a1": "Lister", "q2": "First bicycle?", "a2": "turquoise", "q3": "First street?", "a3": "Mill Lane",
	} {
		h.do(chromedp.SendKeys("#"+field, value))
	}
	h.do(chromedp.Click(`form[action="/first/questions"] button`), chromedp.WaitNotPresent("#q1"))
	h.press(`form[action="/first/policy"] button`)
	arrive(t, h.ctx, "/account?told=ready")
	h.open(e.addresses.MailPortal + "/compose")
	h.do(chromedp.WaitVisible("#to"), chromedp.SendKeys("#to", rooms.OutsideAddress), chromedp.SendKeys("#subject", "(secure) results"))
	h.shows("mail.secure.nearmiss")
	h.looked("31-held-as-typed")
	_, err := chromedp.Run(h.ctx, chromedp.Evaluate[bool](`document.getElementById("subject").select() === undefined`))
	require.NoError(t, err)
	h.do(chromedp.SendKeys("#subject", "[secure] results"), chromedp.SendKeys("#body", secret))
	h.shows("is encrypted")
	h.looked("32-encrypted-as-typed")
	h.press(`button[formaction="/compose/send"]`)
	arrive(t, h.ctx, "/compose?told=sent")

	var all []inbox.Message
	require.Eventually(t, func() bool {
		all = e.rooms.Inbox.Messages(rooms.OutsideAddress)
		return len(all) == 1
	}, time.Minute, 50*time.Millisecond, "the message outside")
	require.NotContains(t, string(all[0].Raw), secret)
	h.open(e.addresses.Web + "/inbox")
	h.do(chromedp.Click(`tbody a`), chromedp.WaitVisible("pre.raw"))
	command := strings.Fields(h.text(".told pre.raw"))
	picture(t, h.ctx, "33-encrypted")
	require.Equal(t, "openssl", command[0])
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, command[4]), all[0].Raw, 0o600))
	run := exec.Command(openssl, command[1:]...)
	run.Dir = folder
	opened, err := run.CombinedOutput()
	require.NoError(t, err, string(opened))
	require.Contains(t, string(opened), secret)
}
