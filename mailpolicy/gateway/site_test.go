// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const (
	gp     = "gp@practice.example"
	dean   = "dean@school.example"
	secret = "Mrs Jones is well."
)

var spoolKey = bytes.Repeat([]byte{0x17}, 32)

// relay is a gateway between a client and an inbox.
type relay struct {
	t       *testing.T
	inbox   *mailtest.Inbox
	ca      *mailtest.CA
	store   gateway.Store
	log     *lockedLog
	addr    string
	config  gateway.Config
	gateway *gateway.Gateway
	end     func() // closes the gateway

	mu     sync.Mutex
	later  time.Duration // the wall clock is ahead of the machine's
	days   time.Duration // and so is the calendar
	events []gateway.Event
}

func startRelay(t *testing.T, change func(*gateway.Config)) *relay {
	t.Helper()
	r := &relay{t: t, log: &lockedLog{}}
	var err error
	r.inbox, err = mailtest.OpenInbox()
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.inbox.Close() })
	r.ca, err = mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	e, err := smime.New(smime.Config{Roots: r.ca.Roots()})
	require.NoError(t, err)
	r.store = openStore(t, r.now, r.wall)
	r.config = gateway.Config{
		NextHop: r.inbox.Addr(), Encrypter: e, Directory: gateway.Certificates{}, Hostname: "gate.example",
		Store: r.store, Key: spoolKey, Now: r.now, Observe: r.observe, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(&r.config)
	}
	r.serve()
	return r
}

func openStore(t *testing.T, now, wall func() time.Time) *sqlstore.Store {
	t.Helper()
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "gate.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Now: now, Wall: wall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// lockedLog is written while it is read.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve runs a gateway, again where one ran before.
func (r *relay) serve() {
	r.t.Helper()
	var err error
	r.gateway, err = gateway.New(r.config)
	require.NoError(r.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	done := make(chan error, 1)
	go func() { done <- r.gateway.Serve(l) }()
	r.end = sync.OnceFunc(func() {
		require.NoError(r.t, r.gateway.Close())
		require.NoError(r.t, <-done)
	})
	r.t.Cleanup(r.end)
	r.addr = l.Addr().String()
}

func (r *relay) wall() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.later)
}

func (r *relay) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.days)
}

// turn moves the calendar on.
func (r *relay) turn(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.days += d
}

// wait moves the wall clock on.
func (r *relay) wait(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.later += d
}

func (r *relay) observe(_ context.Context, e gateway.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// count is how many recipients an event was told of.
func (r *relay) count(name gateway.EventName) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Name == name {
			n += max(e.Recipients, 1)
		}
	}
	return n
}

// await waits until an event was told of so many recipients.
func (r *relay) await(name gateway.EventName, n int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.count(name) >= n }, 30*time.Second, 5*time.Millisecond, "%s", name)
	require.Equal(r.t, n, r.count(name))
}

// mails is what arrived when nothing waits any more, in the order of addresses
// among those that came since before.
func (r *relay) mails(before ...mailtest.Mail) []mailtest.Mail {
	r.t.Helper()
	require.Eventually(r.t, r.empty, 2*time.Minute, 5*time.Millisecond)
	got := r.inbox.Mails()[len(before):]
	slices.SortFunc(got, func(a, b mailtest.Mail) int { return strings.Compare(a.To[0], b.To[0]) })
	return got
}

func (r *relay) empty() (is bool) {
	require.NoError(r.t, r.store.Read(context.Background(), func(ctx context.Context, tx gateway.StoreTx) (err error) {
		is, err = tx.Empty(ctx)
		return err
	}))
	return is
}

func (r *relay) issue(s mailtest.Spec) mailtest.Identity {
	r.t.Helper()
	id, err := r.ca.Issue(s)
	require.NoError(r.t, err)
	return id
}

// talk is an SMTP client that sends exactly what it is told.
type talk struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, addr string) *talk {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &talk{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.reply()
	c.cmd("EHLO desk.example")
	return c
}

func (c *talk) cmd(line string) string {
	c.t.Helper()
	_, err := io.WriteString(c.conn, line+"\r\n")
	require.NoError(c.t, err)
	return c.reply()
}

func (c *talk) reply() string {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		require.NoError(c.t, err)
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimSpace(line)
		}
	}
}

// send plays one message and returns the last reply.
func (r *relay) send(from string, to []string, message string) string {
	r.t.Helper()
	c := dial(r.t, r.addr)
	if reply := c.cmd("MAIL FROM:<" + from + ">"); !strings.HasPrefix(reply, "250") {
		return reply
	}
	for _, a := range to {
		require.Regexp(r.t, "^250", c.cmd("RCPT TO:<"+a+">"))
	}
	require.Regexp(r.t, "^354", c.cmd("DATA"))
	_, err := io.WriteString(c.conn, message+".\r\n")
	require.NoError(r.t, err)
	return c.reply()
}

func mailTo(subject string, to ...string) string {
	return "From: Home <home@nhs.net>\r\nTo: " + strings.Join(to, ", ") + "\r\nBcc: hidden@x.example\r\nSubject: " + subject +
		"\r\nMessage-ID: <1@nhs.net>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n\r\n" + secret + "\r\n..dot\r\n"
}

func openssl(t *testing.T, message []byte, id mailtest.Identity) (string, error) {
	t.Helper()
	tool := need.Tool(t, "openssl")
	dir := t.TempDir()
	cert, key, err := id.PEM()
	require.NoError(t, err)
	for name, data := range map[string][]byte{"cert.pem": cert, "key.pem": key, "in": message} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	cmd := exec.Command(tool, "cms", "-decrypt", "-in", "in", "-recip", "cert.pem", "-inkey", "key.pem", "-binary")
	cmd.Dir = dir
	out, err := cmd.Output()
	return string(out), err
}
