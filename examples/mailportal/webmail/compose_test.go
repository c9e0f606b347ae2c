// SPDX-License-Identifier: Apache-2.0

package webmail_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/database"
	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const (
	gp     = "gp@practice.example"
	clerk  = "clerk@leeds.gov.uk"
	health = "Mrs Jones is well."
)

// mailOut is a real mail gateway, which knows the certificate of gp, and the mail
// server behind it.
func mailOut(t *testing.T) (addr string, inbox *mailtest.Inbox) {
	t.Helper()
	inbox, err := mailtest.OpenInbox()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, inbox.Close()) })
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	id, err := ca.Issue(mailtest.Spec{Email: gp})
	require.NoError(t, err)
	encrypter, err := smime.New(smime.Config{Roots: ca.Roots()})
	require.NoError(t, err)
	db, err := database.Open(filepath.Join(t.TempDir(), "gate.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	g, err := gateway.New(gateway.Config{
		NextHop: inbox.Addr(), Encrypter: encrypter, Directory: gateway.Certificates{id.Certificate}, Store: store, Key: bytes.Repeat([]byte{1}, 32),
	})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() { defer close(served); _ = g.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, g.Shutdown(context.Background()))
		<-served
	})
	return l.Addr().String(), inbox
}

// decision is what a program is told of a draft.
type decision struct {
	Verdict    string
	Tagged     bool
	Refusal    *struct{ Rule string }
	Warning    *struct{ Rule string }
	Recipients []struct {
		Address, Verdict string
		Secure           bool
		Why              *struct {
			Rule, Text string
			Next       []string
			Source     struct{ Document string }
		}
	}
}

func (v *visitor) decided(to, subject string) decision {
	v.s.t.Helper()
	var d decision
	v.program(http.MethodPost, "/compose/decision", url.Values{"to": {to}, "subject": {subject}}, &d)
	return d
}

// Each recipient has a verdict with its reason, its rule, its source and what the
// sender can do.
func TestDecision(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha)
	v := s.settled(asha)
	t.Run("row175", func(t *testing.T) {
		d := v.decided(strings.Join([]string{ben, clerk, gp}, ", "), "Discharge")
		require.Equal(t, "pass", d.Verdict)
		require.False(t, d.Tagged)
		require.True(t, d.Recipients[0].Secure)
		require.True(t, d.Recipients[1].Secure)
		last := d.Recipients[2]
		require.False(t, last.Secure)
		require.Equal(t, "mail.secure.tag", last.Why.Rule)
		require.Contains(t, last.Why.Next[0], "[secure]")
		for _, r := range d.Recipients {
			require.NotEmpty(t, r.Why.Source.Document)
		}
	})
	t.Run("row171", func(t *testing.T) {
		d := v.decided(ben+"; "+gp, "[Secure] Discharge")
		require.Equal(t, "encrypt", d.Verdict)
		require.True(t, d.Tagged)
		require.Equal(t, "pass", d.Recipients[0].Verdict)
		require.Equal(t, "encrypt", d.Recipients[1].Verdict)
	})
	for name, c := range map[string]struct{ to, subject, rule string }{
		"an attempt at the tag":  {gp, "(secure) Discharge", "mail.secure.nearmiss"},
		"letters from elsewhere": {gp, "[ѕecure] Discharge", "mail.secure.nearmiss"},
		"nobody":                 {" , ;", "Discharge", "mail.recipient.none"},
		"a line of its own":      {gp, "Discharge\r\nBcc: spy@evil.example", "mail.secure.linebreak"},
		"encoded, and broken":    {gp, "=?utf-9?q?hello?=", "mail.secure.undecodable"},
	} {
		t.Run(name, func(t *testing.T) {
			d := v.decided(c.to, c.subject)
			require.Equal(t, "hold", d.Verdict)
			require.Equal(t, c.rule, d.Refusal.Rule)
		})
	}
	t.Run("an address that is half typed", func(t *testing.T) {
		d := v.decided(ben+", gp@pract", "Discharge")
		require.Equal(t, "hold", d.Verdict)
		require.Equal(t, "mail.recipient.address", d.Recipients[1].Why.Rule)
		require.Equal(t, "pass", d.Recipients[0].Verdict)
	})
	t.Run("a reply that has lost the tag", func(t *testing.T) {
		require.Equal(t, "mail.secure.reply", v.decided(gp, "Re: [...]").Warning.Rule)
	})
	t.Run("more than a server takes at once", func(t *testing.T) {
		v.rule("compose.recipients", v.post("/compose/check", url.Values{"to": {strings.Repeat("a@b.example,", 101)}}))
	})
	t.Run("without the script", func(t *testing.T) {
		got := v.submit("/compose", "/compose/check", url.Values{"from": {asha}, "to": {gp}, "subject": {"(secure) Hello"}, "body": {health}})
		require.Equal(t, http.StatusOK, got.status)
		require.Contains(t, got.body, "The message is held: it goes to nobody.")
		require.Contains(t, got.body, "<code>mail.secure.nearmiss</code>")
		require.Contains(t, got.body, health)
		require.Contains(t, got.body, `value="(secure) Hello"`)
	})
	t.Run("with it, a part of the page, in which nothing typed is markup", func(t *testing.T) {
		got := v.post("/compose/decision", url.Values{"to": {"<img src=x onerror=alert(1)>"}, "subject": {"<script>alert(1)</script>"}})
		require.NotContains(t, got.body, "<img")
		require.NotContains(t, got.body, "<script")
		require.NotContains(t, got.body, "<html")
		require.Contains(t, got.body, "mail.recipient.address")
	})
	t.Run("who is not signed in is told nothing", func(t *testing.T) {
		got := s.visitor().program(http.MethodPost, "/compose/decision", url.Values{"to": {gp}, "subject": {"x"}}, nil)
		require.Equal(t, http.StatusUnauthorized, got.status)
	})
	t.Run("a sender that is none plays no part in the decision", func(t *testing.T) {
		got := v.rule("mail.shared.member", v.post("/compose/check", url.Values{"from": {asha + "\r\nSubject: [secure]\r\nX: y"}, "to": {gp}, "subject": {"hello"}}))
		require.Contains(t, got.body, "The message goes as it is", "as the holder, whose address the page shows now")
	})
	t.Run("what was written when the session ended is not lost", func(t *testing.T) {
		away := s.visitor()
		fields := url.Values{"from": {asha}, "to": {gp}, "subject": {"hello"}, "body": {health}}
		for _, path := range []string{"/compose/check", "/compose/send"} {
			require.Contains(t, away.rule("mail.session", away.post(path, fields)).body, health)
			r := away.request(http.MethodPost, path, fields)
			r.Header.Set("Origin", "https://evil.example")
			require.NotContains(t, away.rule("origin.refused", away.send(r)).body, health, "another site's text is not shown")
		}
	})
	t.Run("without a gateway nothing is sent", func(t *testing.T) {
		require.NotContains(t, v.get("/compose").body, "/compose/send")
		v.rule("compose.gateway.none", v.post("/compose/send", url.Values{"to": {ben}, "subject": {"hello"}}))
	})
}

// What is sent goes through a real gateway, for each recipient as was shown.
func TestSending(t *testing.T) {
	t.Parallel()
	addr, inbox := mailOut(t)
	s := open(t, func(c *webmail.Config) { c.SMTP = addr })
	s.registered(home, asha)
	v := s.settled(asha)
	send := func(change ...string) shown {
		t.Helper()
		f := url.Values{"from": {asha}, "to": {gp + ", " + clerk}, "subject": {"[secure] Discharge"}, "body": {health}}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		require.Contains(t, v.get("/compose").body, `formaction="/compose/send"`)
		return v.post("/compose/send", f)
	}
	arrived := func(n int) (mails []mailtest.Mail) {
		t.Helper()
		require.Eventually(t, func() bool {
			mails = slices.DeleteFunc(inbox.Mails(), func(m mailtest.Mail) bool { return m.From == "" }) // what the gateway itself writes to the sender
			return len(mails) >= n
		}, time.Minute, 5*time.Millisecond)
		return mails
	}

	require.Equal(t, "/compose?told=sent", send().path)
	mails := arrived(2)
	t.Run("threat046", func(t *testing.T) {
		for _, m := range mails {
			require.Equal(t, asha, m.From)
			require.Len(t, m.To, 1)
			require.Equal(t, m.To[0] == clerk, bytes.Contains(m.Data, []byte(health)), "in clear to the secure address alone")
		}
	})
	t.Run("what is held goes nowhere", func(t *testing.T) {
		got := v.rule("mail.secure.nearmiss", send("subject", "(secure) Discharge"))
		require.Contains(t, got.body, health, "and is not lost")
		v.rule("mail.recipient.address", send("to", gp+", clerk@leeds"))
		v.rule("compose.warned", send("subject", "Re: [...]"))
	})
	t.Run("what the gateway refuses is told", func(t *testing.T) {
		got := v.rule("compose.refused", send("to", "nobody@elsewhere.example"))
		require.Contains(t, got.body, "no certificate is known for nobody@elsewhere.example")
		require.Contains(t, got.body, health)
	})
	t.Run("threat017", func(t *testing.T) {
		v.rule("mail.secure.linebreak", send("subject", "Discharge\r\nBcc: spy@evil.example"))
		v.rule("mail.recipient.address", send("to", gp+"\x00"))
		v.rule("mail.recipient.address", send("to", "\"a\r\nRCPT TO:<spy@evil.example>\"@nhs.net"))
		require.Equal(t, "/compose?told=sent", send("to", clerk, "subject", "a dot", "body", "one\r\n.\r\nRCPT TO:<spy@evil.example>\r\n..two"+
			"\n.\nMAIL FROM:<a@evil.example>\r.\rRCPT TO:<b@evil.example>\n.\r\nDATA\r\n.\nthree\r\n.\rfour").path)
		mails := arrived(3)
		require.Equal(t, []string{clerk}, mails[2].To)
		data := string(mails[2].Data)
		require.Contains(t, data, "\r\n.\r\nRCPT TO")
		require.Contains(t, data, "four", "it is one message to its end")
		lines := strings.ReplaceAll(data, "\r\n", "")
		require.NotContains(t, lines, "\r", "no line ends in anything that another server may take for the end of the message")
		require.NotContains(t, lines, "\n")
	})
	require.Equal(t, "/compose?told=sent", send("subject", "Re: [...]", "warned", "yes", "to", gp).path)
	require.Contains(t, string(arrived(4)[3].Data), health)

	t.Run("as the shared mailbox", func(t *testing.T) {
		v.submit("/site", "/site/shared", nil)
		require.Equal(t, "/compose?told=sent", send("from", "care.VLX12@nhs.net", "to", clerk, "subject", "hello").path)
		last := arrived(5)[4]
		require.Equal(t, "care.VLX12@nhs.net", last.From)
		require.Contains(t, string(last.Data), "From: <care.VLX12@nhs.net>")
		require.Equal(t, "/compose?told=sent", send("from", "CARE.vlx12@NHS.NET", "to", clerk, "subject", "hello").path)
		last = arrived(6)[5]
		require.Equal(t, "care.VLX12@nhs.net", last.From, "the mailbox's own address, however it was typed")
		require.Contains(t, string(last.Data), "From: <care.VLX12@nhs.net>")
	})
	require.Len(t, arrived(6), 6)
	require.NotContains(t, s.log.String(), health)

	t.Run("a gateway that is not there", func(t *testing.T) {
		v := s.beside(func(c *webmail.Config) { c.SMTP = "127.0.0.1:1" }).visitor()
		v.signIn(asha, secret)
		got := v.rule("compose.gateway", v.post("/compose/send", url.Values{"to": {clerk}, "subject": {"hello"}, "body": {health}}))
		require.Contains(t, got.body, health)
	})
	t.Run("one that hangs up after the message", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, l.Close()) })
		go hangUp(l)
		v := s.beside(func(c *webmail.Config) { c.SMTP = l.Addr().String() }).visitor()
		v.signIn(asha, secret)
		v.rule("compose.unsure", v.post("/compose/send", url.Values{"to": {clerk}, "subject": {"hello"}, "body": {health}}))
	})
}

// hangUp takes one message and closes the line instead of an answer.
func hangUp(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }() // which is the point
	got := make([]byte, 4096)
	for _, answer := range []string{"220 hello\r\n", "250 hello\r\n", "250 ok\r\n", "250 ok\r\n", "354 go on\r\n"} {
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
		if _, err := conn.Read(got); err != nil {
			return
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for name, c := range map[string]webmail.Config{
		"no address":              {Accounts: s.Accounts},
		"an address with a path":  {Accounts: s.Accounts, Base: "http://127.0.0.1:1/mail"},
		"no accounts":             {Base: "http://127.0.0.1:1"},
		"a gateway in the open":   {Accounts: s.Accounts, Base: "http://127.0.0.1:1", SMTP: "192.0.2.1:25"},
		"a gateway by its name":   {Accounts: s.Accounts, Base: "http://127.0.0.1:1", SMTP: "mail.example:25"},
		"a gateway with no port":  {Accounts: s.Accounts, Base: "http://127.0.0.1:1", SMTP: "127.0.0.1"},
		"an address of one word":  {Accounts: s.Accounts, Base: "here"},
		"an address of no scheme": {Accounts: s.Accounts, Base: "//127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := webmail.New(c)
			require.Error(t, err)
		})
	}
}
