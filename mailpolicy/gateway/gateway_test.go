// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

func TestRows(t *testing.T) {
	r := startRelay(t, nil)
	t.Run("row170", func(t *testing.T) {
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("[secure] x", "a@nhs.net")))
		got := r.mails()
		require.Len(t, got, 1)
		require.Contains(t, string(got[0].Data), "Subject: [secure] x\r\n")
		require.True(t, strings.HasSuffix(string(got[0].Data), "\r\n\r\n"+secret+"\r\n.dot\r\n"), "as it is")
		require.Regexp(t, `^Received: from desk.example \(127.0.0.1\)\r\n by gate.example \(wardkey\) with ESMTP;`, string(got[0].Data))
		require.NotContains(t, string(got[0].Data), "hidden")
	})
	t.Run("row172", func(t *testing.T) {
		reply := r.send("home@nhs.net", []string{gp}, mailTo("(secure) x", gp))
		require.Regexp(t, `^550 5.7.1 The message was not sent: its subject has something like \[secure\], but the brackets around the word are not \[ and \]\. Write \[secure\] in square brackets.*\(mail.secure.nearmiss\)$`, reply)
		require.Len(t, r.mails(), 1, "nothing new")
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{gp}, mailTo("secure x", gp)))
		require.Len(t, r.mails(), 2)
	})
	require.NotContains(t, r.log.String(), "@", "the log names rules and numbers only")
	require.Contains(t, r.log.String(), "rule=mail.secure.nearmiss")
}

func TestRow175(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	g, d, blind := r.issue(mailtest.Spec{Email: gp, RSABits: 2048}), r.issue(mailtest.Spec{Email: dean}), r.issue(mailtest.Spec{Email: "blind@x.example"})
	certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp, NotAfter: time.Now().Add(-time.Hour)}).Certificate, g.Certificate, d.Certificate, blind.Certificate}
	message := mailTo("[secure] x", "a@nhs.net", "GP <"+gp+">", dean)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net", gp, dean, "blind@x.example", gp}, message))
	got := r.mails()
	require.Len(t, got, 3)
	t.Run("row175", func(t *testing.T) {
		require.Equal(t, []string{"a@nhs.net"}, got[0].To)
		require.Contains(t, string(got[0].Data), secret)
		require.Equal(t, []string{"blind@x.example"}, got[1].To)
		require.Equal(t, []string{gp, dean}, got[2].To)
		for _, m := range got[1:] {
			require.NotContains(t, string(m.Data), secret)
			require.Contains(t, string(m.Data), "\r\nSubject: [secure] [...]\r\n")
			require.Contains(t, string(m.Data), "\r\nMessage-ID: <1@nhs.net>\r\n")
		}
		for _, id := range []mailtest.Identity{g, d} {
			clear, err := openssl(t, got[2].Data, id)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(clear, "\r\n\r\n"+secret+"\r\n.dot\r\n"))
			require.Contains(t, clear, "\r\nSubject: [secure] x\r\n")
		}
	})
	t.Run("threat047", func(t *testing.T) {
		_, err := openssl(t, got[2].Data, blind)
		require.Error(t, err, "the open copy is not for the hidden one")
		_, err = openssl(t, got[1].Data, g)
		require.Error(t, err)
		clear, err := openssl(t, got[1].Data, blind)
		require.NoError(t, err)
		for _, m := range []string{string(got[0].Data), string(got[1].Data), clear} {
			header, _, _ := strings.Cut(m, "\r\n\r\n")
			require.NotRegexp(t, "(?i)bcc", header) // three letters that base64 has by chance
			require.NotContains(t, m, "hidden@x.example")
			require.NotContains(t, m, "blind@x.example")
		}
	})
}

func TestThreat046(t *testing.T) {
	t.Run("threat046", func(t *testing.T) {
		var certs gateway.Certificates
		r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
		good := r.issue(mailtest.Spec{Email: gp})
		expired := r.issue(mailtest.Spec{Email: "old@x.example", NotAfter: time.Now().Add(-time.Hour)})
		certs = gateway.Certificates{good.Certificate, expired.Certificate}
		for to, want := range map[string]string{
			"none@x.example": `^550 5.7.1 .*no certificate is known for none@x.example.*mail.recipient.nocert`,
			"old@x.example":  `^550 5.7.1 .*certificate of old@x.example can't be used, because it has expired.*mail.recipient.cert`,
			"a@nhs.net.":     `^550 5.1.3 .*mail.recipient.address`,
		} {
			require.Regexp(t, want, r.send("home@nhs.net", []string{"a@nhs.net", gp, to}, mailTo("[secure] x", gp)))
		}
		require.Regexp(t, `Nor can it be encrypted for two@x.example, three@x.example`,
			r.send("home@nhs.net", []string{"one@x.example", "two@x.example", "three@x.example"}, mailTo("[secure] x", gp)))
		require.Empty(t, r.mails(), "all or nothing")
	})
}

type brokenDirectory struct{}

func (brokenDirectory) Certificates(context.Context, string) ([]*x509.Certificate, error) {
	return nil, errors.New("ldap down")
}

func TestThreat045(t *testing.T) {
	t.Run("threat045", func(t *testing.T) {
		r := startRelay(t, func(c *gateway.Config) { c.Directory = brokenDirectory{} })
		for _, subject := range []string{"[secure] x", "[ѕecure] x", "(secure)", "[secure", "[encrypt] x", "=?x?Q?y?=", "x\r\nSubject: [secure]", "x\r\n \r\n [secure]"} {
			reply := r.send("home@nhs.net", []string{gp}, mailTo(subject, gp))
			require.Regexp(t, "^(451|550)", reply, subject)
			require.NotContains(t, reply, "ldap")
		}
		require.Regexp(t, "^451 .*mail.directory", r.send("home@nhs.net", []string{gp}, mailTo("[secure] x", gp)))
		require.Empty(t, r.mails())
	})
}

// Nothing that breaks off, is too large or has a bare CR or LF reaches anyone,
// in clear or not, and no second message is smuggled in.
func TestContentThatBreaks(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate}
	to := []string{"a@nhs.net", gp}
	for name, body := range map[string]string{
		"bare LF dot": "x\n.\nMAIL FROM:<evil@x>\r\n", "bare LF dot CRLF": "x\n.\r\nMAIL FROM:<evil@x>\r\n", "bare CR dot": "x\r.\rMAIL FROM:<evil@x>\r\n",
		"CRLF dot LF": "x\r\n.\nMAIL FROM:<evil@x>\r\n", "bare LF": "x\ny\r\n", "bare CR": "x\ry\r\n", "CR late": strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1024*2) + "\ry\r\n",
	} {
		require.Regexp(t, "^550 .*mail.secure.linebreak", r.send("home@nhs.net", to, mailTo("[secure] x", gp)+body), name)
	}
	require.Regexp(t, "^550 .*mail.form", r.send("home@nhs.net", to, "Subject: x\r\n"))
	require.Regexp(t, "^550 .*mail.form", r.send("home@nhs.net", to, mailTo("[secure] x", gp)+strings.Repeat("x", 3000)+"\r\n"))
	require.Regexp(t, "^550 .*mail.form", r.send("home@nhs.net", to, strings.Repeat("X-A: b\r\n", 40_000)+"\r\n"))
	// The connection breaks in the middle.
	c := dial(t, r.addr)
	c.cmd("MAIL FROM:<home@nhs.net>")
	c.cmd("RCPT TO:<" + gp + ">")
	c.cmd("RCPT TO:<a@nhs.net>")
	c.cmd("DATA")
	_, err := io.WriteString(c.conn, mailTo("[secure] x", gp)+strings.Repeat("more\r\n", 100_000))
	require.NoError(t, err)
	require.NoError(t, c.conn.Close())
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, r.mails())
	// The same connection goes on after a refusal.
	c = dial(t, r.addr)
	for range 2 {
		c.cmd("MAIL FROM:<home@nhs.net>")
		c.cmd("RCPT TO:<a@nhs.net>")
		c.cmd("DATA")
		_, err = io.WriteString(c.conn, mailTo("(secure)", gp)+".\r\n")
		require.NoError(t, err)
		require.Regexp(t, "^550", c.reply())
	}
}

func TestSize(t *testing.T) {
	const limit = 2 << 20
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory, c.MaxMessageBytes = &certs, limit })
	certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate}
	require.Regexp(t, "^55", dial(t, r.addr).cmd(fmt.Sprintf("MAIL FROM:<home@nhs.net> SIZE=%d", limit+2)))
	send := func(size int) string {
		head := "Subject: [secure] x\r\n\r\n"
		line := strings.Repeat("x", 998) + "\r\n"
		left := size - len(head)
		body := strings.Repeat(line, left/len(line)-1)
		left -= len(body)
		body += strings.Repeat("x", left/2-2) + "\r\n" + strings.Repeat("x", left-left/2-2) + "\r\n"
		require.Len(t, head+body, size)
		return r.send("home@nhs.net", []string{gp}, head+body)
	}
	require.Regexp(t, "^552 .*2 MB.*mail.size", send(limit+1))
	require.Empty(t, r.mails())
	require.Regexp(t, "^250", send(limit), "the last byte still counts")
	require.Len(t, r.mails(), 1)
	// Without a limit of its own it has the policy's.
	c := dial(t, startRelay(t, nil).addr)
	require.Regexp(t, "^250", c.cmd("MAIL FROM:<home@nhs.net> SIZE=36700160"))
	c.cmd("RSET")
	require.Regexp(t, "^55", c.cmd("MAIL FROM:<home@nhs.net> SIZE=36700162"))
}

type gate map[string]error

func (g gate) CanSend(_ context.Context, address string) error { return g[address] }

func TestSenders(t *testing.T) {
	no := mailpolicy.Rules().Refuse("mail.aup.pending", "steps", "a new password")
	r := startRelay(t, func(c *gateway.Config) {
		c.Senders = gate{"new@nhs.net": no, "": no, "broken@nhs.net": errors.New("database gone")}
	})
	require.Regexp(t, `^550 5.7.1 .*a new password.*mail.aup.pending`, r.send("new@nhs.net", nil, ""))
	require.Regexp(t, "^550", r.send("", nil, ""))
	require.Regexp(t, "^451", r.send("broken@nhs.net", nil, ""))
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
}

func TestOneThatGoesRound(t *testing.T) {
	r := startRelay(t, nil)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	again := strings.TrimSuffix(string(r.mails()[0].Data), ".dot\r\n")
	require.Regexp(t, "^554 5.4.6", r.send("home@nhs.net", []string{"a@nhs.net"}, again))
}

func TestNewRefuses(t *testing.T) {
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	e, err := smime.New(smime.Config{Roots: ca.Roots()})
	require.NoError(t, err)
	good := gateway.Config{NextHop: "127.0.0.1:25", Encrypter: e, Directory: gateway.Certificates{}, Store: openStore(t, nil, nil), Key: spoolKey}
	_, err = gateway.New(good)
	require.NoError(t, err)
	for i, spoil := range []func(*gateway.Config){
		func(c *gateway.Config) { c.NextHop = "" }, func(c *gateway.Config) { c.NextHop = "mx.example" }, func(c *gateway.Config) { c.NextHop = "mx.example:25" },
		func(c *gateway.Config) { c.MaxSpoolBytes = 69 << 20 },
		func(c *gateway.Config) { c.Store = nil }, func(c *gateway.Config) { c.Key = spoolKey[1:] }, func(c *gateway.Config) { c.Encrypter = nil }, func(c *gateway.Config) { c.Directory = nil }, func(c *gateway.Config) { c.Profile = "lax" },
		func(c *gateway.Config) { c.Hostname = "a b" }, func(c *gateway.Config) { c.PickupURL = "http://mail.example/pickup" },
		func(c *gateway.Config) { c.PickupURL = "https://mail.example/?x=y" },
		func(c *gateway.Config) { c.PickupURL = "https://mail.example/{link}" }, func(c *gateway.Config) { c.PickupURL = "https://mail.example/a/../b" }, func(c *gateway.Config) { c.Now = func() time.Time { return time.Unix(0, 0) } },
	} {
		c := good
		spoil(&c)
		_, err := gateway.New(c)
		require.Error(t, err, i)
	}
}
