// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// chunk sends a message in one chunk.
func (r *relay) chunk(message string) string {
	r.t.Helper()
	c := dial(r.t, r.addr)
	c.cmd("MAIL FROM:<home@nhs.net>")
	c.cmd("RCPT TO:<a@nhs.net>")
	_, err := io.WriteString(c.conn, fmt.Sprintf("BDAT %d LAST\r\n%s", len(message), message))
	require.NoError(r.t, err)
	return c.reply()
}

// A chunk is content whatever is in it: the end of a message there is no end, for
// the next server neither, and it has the bounds of any content.
func TestChunks(t *testing.T) {
	r := startRelay(t, nil)
	inner := "x\r\n.\r\nMAIL FROM:<boss@nhs.net>\r\nRCPT TO:<a@nhs.net>\r\nDATA\r\nSubject: forged\r\n\r\nhello\r\n.\r\n"
	require.Regexp(t, "^250", r.chunk(mailTo("x", "a@nhs.net")+inner))
	got := r.mails()
	require.Len(t, got, 1)
	require.True(t, strings.HasSuffix(string(got[0].Data), inner))
	for name, body := range map[string]string{"bare LF dot": "x\n.\n", "bare CR": "x\r.\r", "CR at the end": "x\r", "LF late": strings.Repeat("x\r\n", 50_000) + "\n"} {
		require.Regexp(t, "^550 .*mail.secure.linebreak", r.chunk(mailTo("x", "a@nhs.net")+body), name)
	}
	begin := mailTo("x", "a@nhs.net") + strings.Repeat("x\r\n", 3000) // more than is read with the command
	require.Regexp(t, "^550 .*mail.form", r.chunk(begin+strings.Repeat("x", 1999)+"\r\n"))
	require.Regexp(t, "^550 .*mail.form", r.chunk(begin+strings.Repeat("x", 1_000_000)+"\r\n"))
	require.Len(t, r.mails(), 1)
	require.Regexp(t, "^250", r.chunk(begin+strings.Repeat("x", 1998)+"\r\n"))
	require.Len(t, r.mails(), 2)
}

// A dot and a CR alone at the beginning of a line is no end of a message, and
// nothing that the next server could take for one. A CR before the line of the
// last dot hides it: the sender waits in vain, and nothing is taken.
func TestDotAndCR(t *testing.T) {
	for name, body := range map[string]string{
		"dot CR": "x\r\n.\rMAIL FROM:<boss@nhs.net>\r\n", "dot CR CRLF": "x\r\n.\r\r\n.\r\nMAIL FROM:<boss@nhs.net>\r\nRCPT TO:<a@nhs.net>\r\nDATA\r\nSubject: forged\r\n\r\nhello\r\n",
		"dot CR CR": "x\r\n.\r\r.\r\r\nQUIT\r\n", "dot CR dot": "x\r\n.\r.\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var smuggled atomic.Int32
			h := newHop(t, func(line string) string { // which is not content
				if strings.Contains(line, "boss") {
					smuggled.Add(1)
				}
				return "250 ok"
			})
			r := startRelay(t, func(c *gateway.Config) { c.NextHop = h.addr })
			require.Regexp(t, "^(250 2.0.0 OK: queued|550 .*linebreak)", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")+body))
			r.mails()
			require.Zero(t, smuggled.Load())
		})
	}
	t.Run("CR CRLF", func(t *testing.T) {
		r := startRelay(t, func(c *gateway.Config) { c.Timeout = time.Second })
		c := dial(t, r.addr)
		c.cmd("MAIL FROM:<home@nhs.net>")
		c.cmd("RCPT TO:<a@nhs.net>")
		c.cmd("DATA")
		_, err := io.WriteString(c.conn, mailTo("x", "a@nhs.net")+"x\r\r\n.\r\nMAIL FROM:<boss@nhs.net>\r\nRCPT TO:<a@nhs.net>\r\nDATA\r\nSubject: forged\r\n\r\nhello\r\n")
		require.NoError(t, err)
		_, _ = io.ReadAll(c.r)
		require.Empty(t, r.mails())
	})
}

// What is said before TLS counts for nothing after it.
func TestCommandsBeforeTLS(t *testing.T) {
	cert, roots := serverCert(t)
	r := startRelay(t, func(c *gateway.Config) { c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}} })
	c := dial(t, r.addr)
	c.cmd("MAIL FROM:<before@nhs.net>")
	require.Regexp(t, "^220", c.cmd("STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@nhs.net>\r\nRCPT TO:<a@nhs.net>"))
	secured := tls.Client(c.conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	require.NoError(t, secured.Handshake())
	c.conn, c.r = secured, bufio.NewReader(secured)
	require.Regexp(t, "^502", c.cmd("RCPT TO:<a@nhs.net>"))
	require.Regexp(t, "^502", c.cmd("MAIL FROM:<home@nhs.net>"), "nobody has said who they are")
	require.Regexp(t, "^250", c.cmd("EHLO desk.example"))
	require.Regexp(t, "^502", c.cmd("RCPT TO:<a@nhs.net>"))
}

// What a next server, or somebody before it, says before TLS is no answer after it.
func TestAnswersBeforeTLS(t *testing.T) {
	cert, roots := serverCert(t)
	h := &hop{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for _, say := range []string{"220 hop\r\n", "250-hop\r\n250-8BITMIME\r\n250 STARTTLS\r\n", "220 go\r\n250-hop\r\n250 8BITMIME\r\n250 ok\r\n550 5.1.1 nobody here\r\n"} {
				_, _ = io.WriteString(conn, say)
				if !strings.HasPrefix(say, "220 go") {
					_, _ = in.ReadString('\n')
				}
			}
			secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			h.converse(secured, func(string) string { return "250 ok" })
			_ = secured.Close()
		}
	}()
	r := startRelay(t, func(c *gateway.Config) { c.NextHop, c.NextHopTLS = l.Addr().String(), &tls.Config{RootCAs: roots} })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDelivered, 1)
	require.Zero(t, r.count(gateway.EventBounced))
	require.Equal(t, 1, h.saw("EHLO"), "asked anew")
	require.Zero(t, h.saw("MAIL FROM:<home@nhs.net> "), "what was said before is forgotten")
}

// sink is a mail server that forgets what it gets.
type sink struct{ mails, bytes atomic.Int64 }

type sinkSession struct{ *sink }

func (sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (sinkSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (sinkSession) Reset()                               {}
func (sinkSession) Logout() error                        { return nil }

func (s sinkSession) Data(r io.Reader) error {
	n, err := io.Copy(io.Discard, r)
	if err == nil {
		s.bytes.Add(n)
		s.mails.Add(1)
	}
	return err
}

// A next server that falls silent, or hangs up, at any command costs a try and no
// mail; at the last, when it has the mail, not even that.
func TestSilentHop(t *testing.T) {
	for _, way := range []string{"", "hang up"} {
		for _, verb := range []string{"EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"} {
			if way+verb == "DATA" {
				continue // newHop always answers it
			}
			t.Run(verb+" "+way, func(t *testing.T) {
				var asked atomic.Int32
				h := newHop(t, func(line string) string {
					if strings.HasPrefix(line, verb) && (len(verb) > 1 || line == ".") && asked.Add(1) == 1 {
						return way
					}
					return "250 ok"
				})
				r := startRelay(t, func(c *gateway.Config) { c.NextHop, c.Timeout = h.addr, time.Second })
				require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
				if verb != "QUIT" {
					r.await(gateway.EventDeferred, 1)
					r.wait(time.Minute)
				}
				r.await(gateway.EventDelivered, 1)
				require.Zero(t, r.count(gateway.EventBounced))
				require.True(t, r.empty())
			})
		}
	}
	t.Run("greeting", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by itself, and says nothing
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		r := startRelay(t, func(c *gateway.Config) {
			c.NextHop, c.NextHopTLS, c.Timeout = l.Addr().String(), &tls.Config{}, time.Second
		})
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
		r.await(gateway.EventDeferred, 1)
	})
}

// An answer that belongs nowhere is no delivery and no end.
func TestAnswersThatAreNone(t *testing.T) {
	for _, say := range []string{"354 go on", "220 hello", "200 fine", "334 VXNlcm5hbWU6", "not a number"} {
		t.Run(say, func(t *testing.T) {
			h := newHop(t, func(line string) string {
				if strings.HasPrefix(line, "RCPT") {
					return say
				}
				return "250 ok"
			})
			r := startRelay(t, func(c *gateway.Config) { c.NextHop = h.addr })
			require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
			r.await(gateway.EventDeferred, 1)
			r.wait(5 * time.Hour)
			r.await(gateway.EventDelayed, 1)
			require.Zero(t, r.count(gateway.EventDelivered))
			require.Zero(t, r.count(gateway.EventBounced))
		})
	}
}

// What the gateway does not offer is refused, and nothing but ASCII names anyone.
func TestWhatIsNotOffered(t *testing.T) {
	r := startRelay(t, nil)
	c := dial(t, r.addr)
	for _, line := range []string{
		"MAIL FROM:<home@nhs.net> SMTPUTF8", "MAIL FROM:<home@nhs.net> BODY=BINARYMIME", "MAIL FROM:<home@nhs.net> RET=FULL", "MAIL FROM:<h\xc3\xb6me@nhs.net>",
		"MAIL FROM:<home@nhs.net\x00>", "MAIL FROM:<home@[127.0.0.1]>", "MAIL FROM:<a@b@nhs.net>",
	} {
		require.Regexp(t, "^5", c.cmd(line), line)
		c.cmd("RSET")
	}
	require.Regexp(t, "^250", c.cmd("MAIL FROM:<home@nhs.net> BODY=8BITMIME"))
	require.Regexp(t, "^504", c.cmd("RCPT TO:<a@nhs.net> NOTIFY=NEVER"))
	for _, to := range []string{"\xc3\xa4@nhs.net", "a@nhs.n\xc3\xa9t", "a@\xef\xbd\x8ehs.net"} {
		require.Regexp(t, "^5", r.send("home@nhs.net", []string{to}, mailTo("x", "a@nhs.net")), to)
	}
	require.Empty(t, r.mails())
}

// The largest message that the policy allows passes, encrypted and in clear, in
// a fraction of its length of memory; a byte more is too much.
func TestLargest(t *testing.T) {
	t.Run("threat050", func(t *testing.T) {
		sink := &sink{}
		server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return sinkSession{sink}, nil }))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { _ = server.Close() })
		var certs gateway.Certificates
		r := startRelay(t, func(c *gateway.Config) { c.NextHop, c.Directory = l.Addr().String(), &certs })
		certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate}
		const limit = 35 << 20
		base, peak, stop := heap(), uint64(0), make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
					peak = max(peak, heap())
				}
			}
		}()
		require.Regexp(t, "^552 .*35 MB.*mail.size", r.sendLong(limit+1))
		require.Regexp(t, "^250", r.sendLong(limit))
		require.Eventually(t, func() bool { return sink.mails.Load() == 2 }, 2*time.Minute, 10*time.Millisecond)
		close(stop)
		<-watched
		require.Greater(t, sink.bytes.Load(), int64(2*limit))
		t.Logf("%d MB of memory", (peak-min(peak, base))>>20)
		require.Less(t, peak, base+limit)
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sendLong sends a message of so many bytes, without having them in memory.
func (r *relay) sendLong(size int) string {
	c := dial(r.t, r.addr)
	c.cmd("MAIL FROM:<home@nhs.net>")
	c.cmd("RCPT TO:<a@nhs.net>")
	c.cmd("RCPT TO:<" + gp + ">")
	c.cmd("DATA")
	head, line := "Subject: [secure] x\r\n\r\n", strings.Repeat("x", 998)+"\r\n"
	w := bufio.NewWriter(c.conn)
	_, _ = w.WriteString(head)
	left := size - len(head)
	for ; left >= 2*len(line); left -= len(line) {
		_, _ = w.WriteString(line)
	}
	_, _ = w.WriteString(line[:500] + "\r\n" + strings.Repeat("x", left-504) + "\r\n.\r\n")
	require.NoError(r.t, w.Flush())
	return c.reply()
}

// No page takes its addresses from what a request says about itself.
func TestHostOfAnother(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(mailTo("[secure] x", aunt))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, way := range []string{"GET ", "HEAD ", "POST /passcode", "POST /open", "GET /message", "GET //message"} {
		method, path, _ := strings.Cut(way, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, link+path, nil)
		require.NoError(t, err)
		request.Host = "evil.example"
		for _, name := range []string{"X-Forwarded-Host", "X-Host", "Forwarded", "X-Forwarded-Proto", "X-Original-URL"} {
			request.Header.Set(name, "host=evil.example")
		}
		answer, err := client.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.NotContains(t, string(body), "evil", way)
		require.NotContains(t, fmt.Sprint(answer.Header), "evil", way)
	}
	notice := r.arrived(2) // the one POST has asked for a passcode
	require.NotContains(t, string(notice.Data), "evil")
}
