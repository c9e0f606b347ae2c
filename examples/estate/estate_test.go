// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// open starts an estate in dir, at free ports, for the time of a test.
func open(t *testing.T, dir string, log *slog.Logger) *estate {
	t.Helper()
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	e, err := start(t.Context(), config{dir: dir, log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.stop(context.Background())) })
	return e
}

// program is a client that is no browser.
type program struct {
	t    *testing.T
	base string
	http *http.Client
}

func client(t *testing.T, e *estate) program {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return program{t, e.addresses.Web, &http.Client{Jar: jar}}
}

// call sends JSON and returns the status and the body.
func (p program) call(method, path string, in any) (int, []byte) {
	p.t.Helper()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		require.NoError(p.t, err)
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, body)
	require.NoError(p.t, err)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return p.send(r)
}

func (p program) send(r *http.Request) (int, []byte) {
	p.t.Helper()
	resp, err := p.http.Do(r)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.StatusCode, data
}

// refused calls and requires the refusal of a rule.
func (p program) refused(rule, method, path string, in any) {
	p.t.Helper()
	status, body := p.call(method, path, in)
	var no wardkey.Refusal
	require.NoError(p.t, json.Unmarshal(body, &no), "%d %s", status, body)
	require.Equal(p.t, rule, no.Rule)
	require.Equal(p.t, no.Status, status)
	require.NotEmpty(p.t, no.Public)
	require.NotEmpty(p.t, no.Next, "a no says what to do next")
}

type state struct {
	Now   time.Time
	Cards []struct{ Serial, Label, State, DemoPasscode string }
	Mail  struct{ Sites []struct{ ODS string } }
}

func (p program) state() state {
	p.t.Helper()
	var s state
	status, body := p.call("GET", "/api/state", nil)
	require.Equal(p.t, 200, status, string(body))
	require.NoError(p.t, json.Unmarshal(body, &s))
	return s
}

// card is the serial and the passcode of a person's card.
func (s state) card(label string) (serial, passcode string) {
	for _, c := range s.Cards {
		if c.Label == label {
			return c.Serial, c.DemoPasscode
		}
	}
	return "", ""
}

func TestControl(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	nurse, passcode := p.state().card("Amara Bell")
	require.NotEmpty(t, nurse)
	require.NotEmpty(t, passcode)

	t.Run("a card goes into one reader and out again", func(t *testing.T) {
		p := program{t, p.base, p.http}
		status, _ := p.call("POST", "/api/readers/2", map[string]string{"card": nurse})
		require.Equal(t, 204, status)
		p.refused("drawer.elsewhere", "POST", "/api/readers/1", map[string]string{"card": nurse})
		sponsor, _ := p.state().card("Priya Nair")
		p.refused("reader.taken", "POST", "/api/readers/2", map[string]string{"card": sponsor})
		p.refused("drawer.unknown", "POST", "/api/readers/1", map[string]string{"card": "../" + sponsor})
		p.refused("drawer.unknown", "POST", "/api/readers/1", map[string]string{})
		p.refused("reader.unknown", "POST", "/api/readers/4", map[string]string{"card": sponsor})
		status, _ = p.call("DELETE", "/api/readers/2", nil)
		require.Equal(t, 204, status)
		p.refused("reader.empty", "DELETE", "/api/readers/2", nil)
	})
	t.Run("the calendar moves forward only", func(t *testing.T) {
		p := program{t, p.base, p.http}
		before := p.state().Now
		status, body := p.call("POST", "/clock", map[string]string{"add": "24h"})
		require.Equal(t, 200, status, string(body))
		require.WithinDuration(t, before.Add(24*time.Hour), p.state().Now, 10*time.Second)
		p.refused("clock.forward", "POST", "/clock", map[string]string{"add": "-1h"})
		p.refused("clock.forward", "POST", "/clock", map[string]string{"to": "2001-01-01T00:00:00Z"})
		p.refused("clock.far", "POST", "/clock", map[string]string{"add": "2000000h"})
		p.refused("request.invalid", "POST", "/clock", map[string]string{"add": "soon"})
		p.refused("request.invalid", "POST", "/clock", map[string]string{})
		p.refused("request.invalid", "POST", "/clock", map[string]string{"add": "1h", "by": "2h"})
	})
	t.Run("the bootstrap command works once", func(t *testing.T) {
		p := program{t, p.base, p.http}
		status, body := p.call("POST", "/api/cards", nil)
		require.Equal(t, 201, status)
		var blank struct{ Serial string }
		require.NoError(t, json.Unmarshal(body, &blank))
		p.refused("bootstrap.done", "POST", "/api/bootstrap", map[string]string{
			"givenName": "Second", "familyName": "Founder", "organisation": "RWK01", "email": "second@nhs.net", "card": blank.Serial,
		})
	})
	t.Run("nobody signed in is told so", func(t *testing.T) {
		p := program{t, p.base, p.http}
		p.refused("session.none", "GET", "/my/session", nil)
		p.refused("session.none", "POST", "/desk/invitations", map[string]string{"givenName": "A", "familyName": "B", "email": "a.b@nhs.net"})
		p.refused("session.none", "POST", "/desk/acts", map[string]string{"kind": "issue"})
		p.refused("session.none", "POST", "/my/authenticators/mail", map[string]string{})
		p.refused("page.unknown", "GET", "/nowhere", nil)
	})
	t.Run("another site or name gets nothing", func(t *testing.T) {
		p := program{t, p.base, p.http}
		for header, value := range map[string]string{"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"} {
			r, err := http.NewRequest("POST", p.base+"/api/cards", nil)
			require.NoError(t, err)
			r.Header.Set(header, value)
			status, body := p.send(r)
			require.Equal(t, 403, status)
			require.Contains(t, string(body), "origin.refused")
		}
		r, err := http.NewRequest("GET", p.base+"/api/state", nil)
		require.NoError(t, err)
		r.Host = "rebound.test"
		status, body := p.send(r)
		require.Equal(t, 421, status)
		require.NotContains(t, string(body), passcode)
	})
	t.Run("a refusal is a page for a person", func(t *testing.T) {
		p := program{t, p.base, p.http}
		r, err := http.NewRequest("POST", p.base+"/clock", strings.NewReader(url.Values{"add": {"-1h"}}.Encode()))
		require.NoError(t, err)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		status, body := p.send(r)
		require.Equal(t, 409, status)
		for _, part := range []string{"The calendar moves forward only.", "What to do next", "clock.forward", "Who can mend it", "Source", "Not affiliated with or approved by the NHS"} {
			require.Contains(t, string(body), part)
		}
	})
	t.Run("audits verify, and a changed copy is found", func(t *testing.T) {
		p := program{t, p.base, p.http}
		status, body := p.call("GET", "/api/audit", nil)
		require.Equal(t, 200, status, string(body))
		for _, room := range []string{"careid", "pki", "mail"} {
			status, body := p.call("POST", "/api/audit/copy", map[string]any{"room": room, "seq": 2})
			require.Equal(t, 200, status, string(body))
			var found struct {
				Found bool
				Room  string
				Seq   int64
			}
			require.NoError(t, json.Unmarshal(body, &found))
			require.Equal(t, room, found.Room)
			require.EqualValues(t, 2, found.Seq)
		}
		p.refused("audit.row", "POST", "/api/audit/copy", map[string]any{"room": "pki", "seq": 99999})
		p.refused("audit.room", "POST", "/api/audit/copy", map[string]any{"room": "pki_audit; --", "seq": 1})
	})
}

func TestSecondStart(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	dir := t.TempDir()
	var before state
	t.Run("first", func(t *testing.T) {
		e := open(t, dir, nil)
		p := client(t, e)
		status, _ := p.call("POST", "/clock", map[string]string{"add": "2160h"})
		require.Equal(t, 200, status)
		nurse, _ := p.state().card("Amara Bell")
		status, _ = p.call("POST", "/api/readers/3", map[string]string{"card": nurse})
		require.Equal(t, 204, status)
		before = p.state()
	})
	t.Run("second", func(t *testing.T) {
		p := client(t, open(t, dir, nil))
		after := p.state()
		require.Equal(t, before.Cards, after.Cards)
		require.Equal(t, before.Mail, after.Mail)
		require.WithinDuration(t, before.Now, after.Now, time.Minute, "the calendar stays where it was put")
	})
}

func TestFirstStartCutShort(t *testing.T) {
	dir := t.TempDir()
	fresh, err := prepareFolder(dir)
	require.NoError(t, err)
	require.True(t, fresh)
	for _, name := range []string{"estate.db", "demo.json", "letter.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "tray", "cards"), 0o700))

	fresh, err = prepareFolder(dir) // the mark is still there
	require.NoError(t, err)
	require.True(t, fresh)
	require.NoFileExists(t, filepath.Join(dir, "estate.db"))
	require.NoDirExists(t, filepath.Join(dir, "tray"))
	require.FileExists(t, filepath.Join(dir, "letter.txt"), "what is not the estate's stays")

	require.NoError(t, os.Remove(filepath.Join(dir, firstStart)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "estate.db"), []byte("x"), 0o600))
	fresh, err = prepareFolder(dir)
	require.NoError(t, err)
	require.False(t, fresh, "a finished estate is taken up")
	require.FileExists(t, filepath.Join(dir, "estate.db"))
}

func TestCommand(t *testing.T) {
	tell := func(args ...string) (status int, told string) {
		var out, errs bytes.Buffer
		status = run(t.Context(), args, &out, &errs)
		return status, errs.String()
	}
	t.Run("a taken port is one sentence", func(t *testing.T) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		status, told := tell("-dir", t.TempDir(), "-addr", l.Addr().String(), "-agent", "127.0.0.1:0", "-ward", "127.0.0.1:0", "-portal", "127.0.0.1:0", "-mail", "127.0.0.1:0", "-smtp", "127.0.0.1:0")
		require.Equal(t, 1, status)
		require.Contains(t, told, l.Addr().String()+" is taken by another program")
		require.Contains(t, told, "-addr")
		require.Equal(t, 1, strings.Count(told, "\n"))
	})
	t.Run("only this machine is served", func(t *testing.T) {
		for _, address := range []string{"0.0.0.0:8460", ":8460", "192.0.2.1:1", "nonsense"} {
			status, told := tell("-dir", t.TempDir(), "-addr", address, "-agent", "127.0.0.1:0", "-ward", "127.0.0.1:0", "-portal", "127.0.0.1:0", "-mail", "127.0.0.1:0", "-smtp", "127.0.0.1:0")
			require.Equal(t, 1, status)
			require.Contains(t, told, "-addr")
		}
	})
	t.Run("it says where to look, and an interrupt closes it", func(t *testing.T) {
		need.Tool(t, "softhsm")
		need.Tool(t, "cc")
		ctx, interrupt := context.WithCancel(t.Context())
		var out, errs safeBuffer
		status := make(chan int, 1)
		go func() {
			status <- run(ctx, []string{
				"-dir", t.TempDir(), "-addr", "127.0.0.1:0", "-agent", "127.0.0.1:0", "-ward", "127.0.0.1:0", "-portal", "127.0.0.1:0", "-mail", "127.0.0.1:0", "-smtp", "127.0.0.1:0",
			}, &out, &errs)
		}()
		require.Eventually(t, func() bool { return strings.Contains(out.String(), "Stop it with Ctrl-C") }, 30*time.Second, 20*time.Millisecond)
		address := regexp.MustCompile(`Open +(http://\S+)`).FindStringSubmatch(out.String())
		require.Len(t, address, 2)
		resp, err := http.Get(address[1] + "/readyz")
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
		interrupt()
		require.Zero(t, <-status, errs.String())
		require.Contains(t, out.String(), "Closing the estate")
		require.Empty(t, errs.String())
		_, err = http.Get(address[1])
		require.Error(t, err)
	})
	t.Run("what is not understood", func(t *testing.T) {
		status, told := tell("tour")
		require.Equal(t, 2, status)
		require.Contains(t, told, "-help")
	})
	t.Run("a missing SoftHSM is named", func(t *testing.T) {
		t.Setenv("SOFTHSM2_MODULE", filepath.Join(t.TempDir(), "none.so"))
		status, told := tell("-tour")
		require.Equal(t, 1, status)
		require.Contains(t, told, "SoftHSM")
		require.Contains(t, told, "make demo")
		require.NotContains(t, told, "goroutine")
	})
}
