// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"io"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

const (
	gp     = "gp@practice.example"
	secret = "Mrs Jones is well."
)

// site is a folder with what the program needs, and a mail server behind it.
type site struct {
	t     *testing.T
	dir   string
	inbox *mailtest.Inbox
	ca    *mailtest.CA
	gp    mailtest.Identity
	exe   string
	db    string
}

func openSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	var err error
	s.inbox, err = mailtest.OpenInbox()
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.inbox.Close() })
	s.ca, err = mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	s.gp, err = s.ca.Issue(mailtest.Spec{Email: gp})
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(s.path("certs"), 0o700))
	s.trust("gp.pem", s.gp)
	var roots bytes.Buffer
	require.NoError(t, pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: s.ca.Certificate.Raw}))
	s.write("roots.pem", roots.Bytes())
	s.exe, s.db = s.path("mailgate"), s.path("gate.db")
	out, err := exec.Command("go", "build", "-o", s.exe, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name string, data []byte) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.path(name), data, 0o600))
}

func (s *site) trust(name string, id mailtest.Identity) {
	s.t.Helper()
	cert, _, err := id.PEM()
	require.NoError(s.t, err)
	s.write(filepath.Join("certs", name), cert)
}

// gate is a running mailgate.
type gate struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	stderr bytes.Buffer
}

// start runs the program and waits for the line ready.
func (s *site) start(upstream string, env ...string) *gate {
	s.t.Helper()
	g := &gate{t: s.t}
	g.cmd = exec.Command(s.exe, "-listen", "127.0.0.1:0", "-upstream", upstream, "-certs", s.path("certs"), "-roots", s.path("roots.pem"), "-db", s.db)
	g.cmd.Env = append(os.Environ(), env...)
	g.cmd.Stderr = &g.stderr
	out, err := g.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, g.cmd.Start())
	s.t.Cleanup(func() {
		if g.cmd.ProcessState == nil {
			_ = g.cmd.Process.Kill()
			_ = g.cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = g.cmd.Wait() // and then stderr is whole
		require.NoError(s.t, err, g.stderr.String())
	}
	word, addr, _ := strings.Cut(strings.TrimSpace(line), " ")
	require.Equal(s.t, "ready", word)
	g.addr = addr
	return g
}

func (g *gate) stop() {
	g.t.Helper()
	require.NoError(g.t, g.cmd.Process.Signal(syscall.SIGTERM))
	err := g.cmd.Wait()
	require.NoError(g.t, err, g.stderr.String())
}

func (g *gate) send(subject string, to ...string) error {
	message := "From: Home <home@nhs.net>\r\nTo: " + strings.Join(to, ", ") + "\r\nMessage-ID: <1@nhs.net>\r\nSubject: " + subject + "\r\n\r\n" + secret + "\r\n"
	return smtp.SendMail(g.addr, nil, "home@nhs.net", to, []byte(message))
}

func (s *site) mails(n int) []mailtest.Mail {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.inbox.Mails()) >= n }, time.Minute, 10*time.Millisecond)
	got := s.inbox.Mails()
	slices.SortFunc(got, func(a, b mailtest.Mail) int { return strings.Compare(a.To[0], b.To[0]) })
	return got
}

func (s *site) openssl(message []byte, id mailtest.Identity) string {
	s.t.Helper()
	cert, key, err := id.PEM()
	require.NoError(s.t, err)
	s.write("cert.pem", cert)
	s.write("key.pem", key)
	s.write("in", message)
	cmd := exec.Command(need.Tool(s.t, "openssl"), "cms", "-decrypt", "-in", "in", "-recip", "cert.pem", "-inkey", "key.pem", "-binary")
	cmd.Dir = s.dir
	out, err := cmd.Output()
	require.NoError(s.t, err)
	return string(out)
}

// The built program between a mail program and a mail server.
func TestMailgate(t *testing.T) {
	need.Tool(t, "openssl")
	s := openSite(t)
	g := s.start(s.inbox.Addr())
	require.NoError(t, g.send("[secure] Discharge", gp, "a@nhs.net"))
	got := s.mails(2)
	require.Equal(t, []string{"a@nhs.net"}, got[0].To)
	require.Contains(t, string(got[0].Data), secret)
	require.Equal(t, []string{gp}, got[1].To)
	require.NotContains(t, string(got[1].Data), secret)
	require.NotContains(t, string(got[1].Data), "Discharge")
	opened := s.openssl(got[1].Data, s.gp)
	require.Contains(t, opened, secret)
	require.Contains(t, opened, "Subject: [secure] Discharge\r\n")

	// Held: the reply says why, and nothing goes out.
	require.ErrorContains(t, g.send("(secure) x", gp), "mail.secure.nearmiss")
	require.ErrorContains(t, g.send("[secure] x", "new@practice.example"), "mail.recipient.nocert")
	// A certificate that comes is used at once; what can't be read stops all.
	id, err := s.ca.Issue(mailtest.Spec{Email: "new@practice.example"})
	require.NoError(t, err)
	s.trust("new.pem", id)
	require.NoError(t, g.send("[secure] x", "new@practice.example"))
	s.mails(3)
	s.write("certs/odd.pem", []byte("no certificate"))
	require.ErrorContains(t, g.send("[secure] x", gp), "mail.directory")
	g.stop()
	require.Len(t, s.inbox.Mails(), 3)

	info, err := os.Stat(s.path("gate.db.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NotContains(t, g.stderr.String(), "@", "the log names nobody")
}

// It stops while the server behind it says nothing, keeps the mail sealed, and
// the next start delivers it.
func TestKeeps(t *testing.T) {
	s := openSite(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	g := s.start(silent.Addr().String())
	require.NoError(t, g.send("x", "a@nhs.net"))
	conn, err := silent.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	g.stop()
	for _, file := range []string{"gate.db", "gate.db-wal"} {
		data, err := os.ReadFile(s.path(file))
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		require.NotContains(t, string(data), secret)
		require.NotContains(t, string(data), "nhs.net")
	}

	other := exec.Command(s.exe, "-listen", "127.0.0.1:0", "-upstream", s.inbox.Addr(), "-certs", s.path("certs"), "-roots", s.path("roots.pem"), "-db", s.path("gate.db"))
	other.Env = append(os.Environ(), keyVariable+"="+strings.Repeat("42", 32))
	out, err := other.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "another key")

	s.start(s.inbox.Addr()).delivers(s)
}

// It stops in the middle of a message, which nobody gets: the system before still
// has it.
func TestStopsInTheMiddle(t *testing.T) {
	s := openSite(t)
	g := s.start(s.inbox.Addr())
	c, err := smtp.Dial(g.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Mail("home@nhs.net"))
	require.NoError(t, c.Rcpt("a@nhs.net"))
	w, err := c.Data()
	require.NoError(t, err)
	_, err = io.WriteString(w, "Subject: x\r\n\r\n"+strings.Repeat(secret+"\r\n", 100_000))
	require.NoError(t, err)
	g.stop()
	require.Error(t, w.Close(), "no 250")
	next := s.start(s.inbox.Addr())
	require.NoError(t, next.send("y", "a@nhs.net"))
	require.Contains(t, string(s.mails(1)[0].Data), "Subject: y\r\n")
	next.stop()
	require.Len(t, s.inbox.Mails(), 1)
}

func (g *gate) delivers(s *site) {
	g.t.Helper()
	require.Contains(g.t, string(s.mails(1)[0].Data), "Message-ID: <1@nhs.net>")
	g.stop()
}

func TestCommand(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"nothing":     {nil, 2, "are needed"},
		"unknown":     {[]string{"-x"}, 2, "-x"},
		"more":        {[]string{"-upstream", "a", "b"}, 2, `"b"`},
		"a password":  {[]string{"-upstream", "127.0.0.1:1", "-certs", ".", "-roots", "x", "-db", "postgres://u:271828@h/d"}, 1, "PGPASSWORD"},
		"no roots":    {[]string{"-upstream", "127.0.0.1:1", "-certs", ".", "-roots", "missing", "-db", filepath.Join(t.TempDir(), "a.db")}, 1, "-roots"},
		"not a root":  {[]string{"-upstream", "127.0.0.1:1", "-certs", ".", "-roots", "main.go", "-db", filepath.Join(t.TempDir(), "a.db")}, 1, "no certificate"},
		"help":        {[]string{"-help"}, 0, "-upstream"},
		"no database": {[]string{"-upstream", "127.0.0.1:1", "-certs", ".", "-roots", "x", "-db", "/nowhere/a.db"}, 1, "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_CONFIG_HOME", t.TempDir())
			var stderr bytes.Buffer
			require.Equal(t, c.status, command(t.Context(), c.args, io.Discard, &stderr))
			require.Contains(t, stderr.String(), c.says)
			require.NotContains(t, stderr.String(), "271828")
		})
	}
}

// A certificate that was taken away or replaced is gone at once, also where the
// folder has links, and what is cut off is no certificate.
func TestFolder(t *testing.T) {
	s := openSite(t)
	f := &folder{path: s.path("certs")}
	known := func() int {
		t.Helper()
		certs, err := f.read()
		require.NoError(t, err)
		return len(certs)
	}
	require.Equal(t, 1, known())
	whole, _, err := s.gp.PEM()
	require.NoError(t, err)
	s.write("one.pem", whole)
	require.NoError(t, os.Symlink(s.path("one.pem"), s.path("certs/link.pem")))
	require.Equal(t, 2, known())
	s.write("one.pem", append(whole, whole...))
	require.Equal(t, 3, known())
	s.write("one.pem", append(whole, whole[:len(whole)-40]...))
	_, err = f.read()
	require.ErrorContains(t, err, "cut off")
	require.NoError(t, os.Remove(s.path("certs/link.pem")))
	require.NoError(t, os.Remove(s.path("certs/gp.pem")))
	require.Zero(t, known())
}

func TestKey(t *testing.T) {
	db := filepath.Join(t.TempDir(), "gate.db")
	key, err := spoolKey(db)
	require.NoError(t, err)
	require.Len(t, key, 32)
	again, err := spoolKey(db)
	require.NoError(t, err)
	require.Equal(t, key, again)
	require.NoError(t, os.WriteFile(db, nil, 0o600))
	require.NoError(t, os.Rename(db+".key", db+".away"))
	_, err = spoolKey(db)
	require.ErrorContains(t, err, "has no key", "a new one would hide that the old one is lost")
	require.NoError(t, os.WriteFile(db+".key", []byte("42"), 0o600))
	_, err = spoolKey(db)
	require.ErrorContains(t, err, "no key")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	key, err = spoolKey("postgres://h/d")
	require.NoError(t, err)
	again, err = spoolKey("postgresql://h/other")
	require.NoError(t, err)
	require.Equal(t, key, again)
	t.Setenv(keyVariable, strings.Repeat("42", 32))
	key, err = spoolKey("postgres://h/d")
	require.NoError(t, err)
	require.Equal(t, byte(0x42), key[0])
	for name, want := range map[string]string{"sqlite:///a/b.db": "/a/b.db", "file:b.db": "b.db", "b.db": "b.db", "sqlite:b.db": "b.db"} {
		require.Equal(t, want, fileOf(name))
	}
}

// On a server the built program does the same.
func TestPostgres(t *testing.T) {
	db := postgrestest.Open(t)
	var socket string
	require.NoError(t, db.QueryRow("SHOW unix_socket_directories").Scan(&socket))
	s := openSite(t)
	s.db = "postgres:///postgres?host=" + socket + "&user=wardkey&sslmode=disable"
	g := s.start(s.inbox.Addr(), "XDG_CONFIG_HOME="+t.TempDir())
	require.NoError(t, g.send("[secure] x", gp))
	require.NotContains(t, string(s.mails(1)[0].Data), secret)
	g.stop()
}
