// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

const keptSecret = "The sodium is 128."

// keeps has the estate's gateway take a [secure] message to somebody without a
// certificate, and returns the link that they get, below the estate's address.
func keeps(t *testing.T, e *estate, to string) (path string) {
	t.Helper()
	const from = "amara.bell@nhs.net"
	before := len(e.rooms.Inbox.Messages(to))
	h := hand{t, nil, e}
	message := "From: " + from + "\r\nTo: " + to + "\r\nSubject: [secure] results\r\nMessage-ID: <1@nhs.net>\r\n\r\n" + keptSecret + "\r\n"
	require.NoError(t, smtp.SendMail(e.addresses.SMTP, nil, from, []string{to}, []byte(message)))
	_, link, found := strings.Cut(h.newest(to, before), e.addresses.Web)
	require.True(t, found)
	path, _, _ = strings.Cut(link, "\n")
	require.True(t, strings.HasPrefix(path, rooms.PickupPath+"/"), path)
	return strings.TrimSpace(path)
}

// activated makes the seeded mail account one that can send.
func activated(t *testing.T, e *estate) {
	t.Helper()
	const address = "amara.bell@nhs.net"
	h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
	require.NoError(t, err)
	text := strings.Split(strings.TrimSpace(hand{t, nil, e}.newest("+447700900104", 0)), "\n")
	b := h.Browser()
	_, err = b.MailSignIn(t.Context(), address, text[len(text)-1])
	require.NoError(t, err)
	require.NoError(t, b.ChangeMailPassword(t.Context(), "seven-herons-at-dusk"))
	require.NoError(t, b.SetQuestions(t.Context(), []hospital.Answer{{Question: "First ward?", Answer: "Lister"}, {Question: "First bicycle?", Answer: "turquoise"}, {Question: "First street?", Answer: "Mill Lane"}}))
	require.NoError(t, b.AcceptPolicy(t.Context()))
}

// TestPickupIsKept stops the estate between the message and its recipient, and
// lets the calendar pass another one by.
func TestPickupIsKept(t *testing.T) {
	const novak, ito = "dr.novak@surgery.example", "dr.ito@surgery.example"
	dir := t.TempDir()
	var kept, late string
	t.Run("taken", func(t *testing.T) {
		e := open(t, dir, nil)
		activated(t, e)
		kept, late = keeps(t, e, novak), keeps(t, e, ito)
	})
	t.Run("and picked up after a restart", func(t *testing.T) {
		e := open(t, dir, nil)
		h, err := hospital.New(hospital.Config{Web: e.addresses.Web})
		require.NoError(t, err)
		page, err := h.Browser().Open(t.Context(), e.addresses.Web+kept)
		require.NoError(t, err)
		require.NotContains(t, page.Says(), keptSecret)
		mailbox, err := h.Mailbox(t.Context(), novak)
		require.NoError(t, err)
		page, err = page.Send(t.Context(), "/passcode", nil)
		require.NoError(t, err)
		mail, err := mailbox.Next(t.Context(), nil)
		require.NoError(t, err)
		passcode, err := mail.Code()
		require.NoError(t, err)
		page, err = page.Send(t.Context(), "/open", map[string]string{"passcode": passcode})
		require.NoError(t, err)
		require.Contains(t, page.Says(), keptSecret)

		before := len(e.rooms.Inbox.Messages("amara.bell@nhs.net"))
		_, err = h.Advance(t.Context(), 15*24*time.Hour)
		require.NoError(t, err)
		for _, path := range []string{kept, late} {
			page, err = h.Browser().Open(t.Context(), e.addresses.Web+path)
			require.NoError(t, err)
			require.Equal(t, http.StatusNotFound, page.Status, page.Says())
		}
		report := hand{t, nil, e}.newest("amara.bell@nhs.net", before)
		require.Contains(t, report, ito, "the sender is told who has not read it")
		require.NotContains(t, report, novak)
	})
}

// TestPickupLinkIsNotLogged sends to the page what the other pages would refuse,
// and write the path of into the log.
func TestPickupLinkIsNotLogged(t *testing.T) {
	var log safeBuffer
	e := open(t, t.TempDir(), slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	activated(t, e)
	path := keeps(t, e, "dr.novak@surgery.example")
	p := client(t, e)
	for name, change := range map[string]func(*http.Request){
		"another site":       func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another origin":     func(r *http.Request) { r.Header.Set("Origin", "http://evil.test") },
		"another name":       func(r *http.Request) { r.Host = "rebound.test" },
		"no such page":       func(r *http.Request) { r.URL.Path += "/more/of/it" },
		"no such method":     func(r *http.Request) { r.Method = http.MethodDelete },
		"a damaged passcode": func(r *http.Request) { r.URL.Path += "/open" },
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.addresses.Web+path, strings.NewReader("passcode=%zz"))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(r)
		status, _ := p.send(r)
		require.GreaterOrEqual(t, status, 400, name)
	}
	require.NotContains(t, log.String(), strings.TrimPrefix(path, rooms.PickupPath+"/"))
}

// TestPickupByHand is somebody outside at a browser, from the notice to the
// message, without a script.
func TestPickupByHand(t *testing.T) {
	need.Tool(t, "browser")
	const to = "dr.novak@surgery.example"
	e := open(t, t.TempDir(), nil)
	activated(t, e)
	keeps(t, e, to)
	h := hand{t, browser.New(t), e}
	h.open(e.addresses.Web + "/inbox")
	h.press("tbody a")
	h.press(".letter a")
	h.shows("A message for you")
	h.looked("50-notice")
	h.press(`form[action$="/passcode"] button`)
	h.do(chromedp.WaitVisible("#passcode"))
	h.looked("51-passcode")
	h.do(chromedp.SendKeys("#passcode", "00000000"), chromedp.Click(`form[action$="/open"] button`))
	h.shows("try 4 more times")
	h.looked("52-wrong")
	require.Eventually(t, func() bool { return len(e.rooms.Inbox.Messages(to)) == 2 }, time.Minute, 50*time.Millisecond)
	mail := hospital.Message{Body: h.newest(to, 1)}
	passcode, err := mail.Code()
	require.NoError(t, err)
	h.do(chromedp.SendKeys("#passcode", passcode), chromedp.Click(`form[action$="/open"] button`))
	h.shows(keptSecret)
	h.looked("53-message")
}

// TestAuthorizationRefused is an application's request that nobody can answer to
// it: a person sees a page, a program a line.
func TestAuthorizationRefused(t *testing.T) {
	need.Tool(t, "browser")
	e := open(t, t.TempDir(), nil)
	status, body := client(t, e).call("GET", "/openid/authorize?client_id=nobody", nil)
	require.Equal(t, 400, status)
	require.True(t, strings.HasPrefix(string(body), "invalid_"), string(body))
	h := hand{t, browser.New(t), e}
	h.open(e.addresses.Web + "/openid/authorize?client_id=%3Cb%3Enobody")
	h.shows("The application that sent you here asked in a way that can't be answered.")
	h.shows("authorize.refused")
	require.NotContains(t, h.text("main"), "internal")
	h.looked("54-authorize")
}
