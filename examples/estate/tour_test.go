// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/estate/tour"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// TestTour plays the tour against a fresh estate with everything logged, and
// looks afterwards for each secret that it used where none may be.
func TestTour(t *testing.T) {
	need.Tool(t, "openssl")
	var log, out safeBuffer
	wire := recordErrors(t)
	dir := t.TempDir()
	e := open(t, dir, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	passed, failed, err := tour.Run(t.Context(), tour.Addresses{Web: e.addresses.Web}, &out)
	require.NoError(t, err)
	require.Zero(t, failed, out.String())
	require.Equal(t, 20, passed, out.String())
	require.Contains(t, out.String(), "tour: 20 passed, 0 failed")

	t.Run("threat043", func(t *testing.T) {
		secrets := secretsUsed(t, e, dir)
		require.Greater(t, len(secrets), 40)
		places := map[string][]byte{"the log": log.Bytes(), overHTTP: wire.Bytes(), "the tour's own lines": out.Bytes()}
		require.NotEmpty(t, places["the log"])
		require.NotEmpty(t, places[overHTTP])
		for name, value := range databaseValues(t, filepath.Join(dir, "estate.db")) {
			places[name] = value
		}
		for name, content := range databaseFiles(t, dir) {
			places[name] = content
		}
		for name, arguments := range processArguments(t) {
			places[name] = arguments
		}
		for _, s := range secrets {
			for name, text := range places {
				if s.ownPage && name == overHTTP {
					continue
				}
				if form := s.in(text); form != "" {
					t.Errorf("%s stands in %s (%s)", s.what, name, form)
				}
			}
		}
	})
	t.Run("the search finds what it looks for", func(t *testing.T) {
		s := secret{what: "a code", text: []byte("12345678")}
		for _, text := range []string{
			`{"code":"12345678"}`, "MTIzNDU2Nzg=", base64.StdEncoding.EncodeToString([]byte("the code is 12345678")),
			"3132333435363738", "1\x002\x003\x004\x005\x006\x007\x008\x00", "%31%32%33%34%35%36%37%38", "12345678",
		} {
			require.NotEmpty(t, s.in([]byte(text)), text)
		}
		require.Empty(t, s.in([]byte("user 9912345678")), "a longer number is another number")
	})
}

// overHTTP is the place of all refusals that went over HTTP.
const overHTTP = "an error over HTTP"

// secret is something that a person typed, received, or a server derived.
type secret struct {
	what    string
	text    []byte
	ownPage bool // it is in the address of a page, which whoever is refused there has already
}

// in looks for a secret in its usual disguises and names the one that was
// found. Plain text counts only by itself: six digits inside a longer number
// are chance, not a leak.
func (s secret) in(text []byte) string {
	if plain(text, s.text) {
		return "plain"
	}
	wide := make([]byte, 0, 2*len(s.text))
	percent := ""
	for _, c := range s.text {
		wide = append(wide, c, 0)
		percent += fmt.Sprintf("%%%02x", c)
	}
	lower := bytes.ToLower(text)
	switch {
	case bytes.Contains(text, wide):
		return "UTF-16"
	case bytes.Contains(lower, []byte(hex.EncodeToString(s.text))):
		return "hexadecimal"
	case bytes.Contains(lower, []byte(percent)):
		return "percent-encoded"
	}
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Base64 of a longer text shows the secret in one of three ways; what
		// mixes with the neighbours is cut off.
		for shift := range 3 {
			padded := alphabet.EncodeToString(append(make([]byte, shift), s.text...))
			from := (shift*8 + 5) / 6
			to := (shift + len(s.text)) * 8 / 6
			if bytes.Contains(text, []byte(padded[from:to])) {
				return "base64"
			}
		}
	}
	return ""
}

func plain(text, word []byte) bool {
	for from := 0; ; {
		i := bytes.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		before, after := byte(' '), byte(' ')
		if i > 0 {
			before = text[i-1]
		}
		if end := i + len(word); end < len(text) {
			after = text[end]
		}
		if !alphanumeric(before) && !alphanumeric(after) {
			return true
		}
		from = i + 1
	}
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// secretsUsed are the passcodes and passwords typed, every code and activation
// password that was sent, the security officer PINs of every card, and what the
// estate keeps in its own secret files.
func secretsUsed(t *testing.T, e *estate, dir string) []secret {
	t.Helper()
	var all []secret
	for _, typed := range tour.Typed() {
		all = append(all, secret{what: "a typed passcode or password, or what a secret message says", text: []byte(typed)})
	}
	for _, c := range client(t, e).state().Cards {
		if c.DemoPasscode != "" {
			all = append(all, secret{what: "the passcode of " + c.Label, text: []byte(c.DemoPasscode)})
		}
	}
	codes, links := regexp.MustCompile(`\b[0-9]{8}\b`), regexp.MustCompile(rooms.PickupPath+`/([\w-]{64})`)
	var sent, brought int
	for _, m := range e.rooms.Inbox.Messages("") {
		for _, code := range codes.FindAllString(m.Body, -1) {
			all = append(all, secret{what: "an unlock code, or the passcode of a message", text: []byte(code)})
			sent++
		}
		if link := links.FindStringSubmatch(m.Body); link != nil {
			raw, err := base64.RawURLEncoding.DecodeString(link[1])
			require.NoError(t, err)
			all = append(all, secret{what: "the key in a link", text: raw[len(raw)-32:], ownPage: true})
			brought++
		}
		if m.Channel == "text" && strings.Contains(m.Body, "activate") {
			lines := strings.Split(strings.TrimSpace(m.Body), "\n")
			all = append(all, secret{what: "an activation password", text: []byte(lines[len(lines)-1])})
			sent++
		}
	}
	require.Greater(t, sent, 10, "the tour has codes and activation passwords sent")
	require.Positive(t, brought, "the tour has a message picked up")
	return append(all, secretsKept(t, e, dir)...)
}

// secretsKept are those in the estate's files, and what is derived of them.
func secretsKept(t *testing.T, e *estate, dir string) []secret {
	t.Helper()
	var all []secret
	kept := map[string][]byte{}
	for _, name := range []string{"card-master", "authenticators", "mail-spool", "mail-desk"} {
		text, err := os.ReadFile(filepath.Join(dir, "secrets", name))
		require.NoError(t, err)
		kept[name], err = hex.DecodeString(string(text))
		require.NoError(t, err)
		all = append(all, secret{what: "the key " + name, text: kept[name]})
	}
	master, err := careid.NewSoftwareMaster(kept["card-master"])
	require.NoError(t, err)
	cards, err := e.rooms.Desk.Cards()
	require.NoError(t, err)
	for _, c := range cards {
		for generation := range int64(8) {
			pin, err := master.SOPIN(t.Context(), c.Serial, generation)
			require.NoError(t, err)
			all = append(all, secret{what: fmt.Sprintf("SO PIN %d of card %s", generation, c.Serial), text: pin})
		}
	}
	for _, client := range e.rooms.Clients {
		all = append(all, secret{what: "the secret of the client " + client.ID, text: client.Secret})
	}
	key, err := os.ReadFile(filepath.Join(dir, "secrets", "provider.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(key)
	require.NotNil(t, block)
	signer, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	all = append(all, secret{what: "the provider's key", text: signer.(*rsa.PrivateKey).D.Bytes()})
	for _, name := range []string{"token.pin", "token.so-pin", "root.passphrase"} {
		text, err := os.ReadFile(filepath.Join(dir, "ca", name))
		require.NoError(t, err)
		all = append(all, secret{what: name, text: text})
	}
	return all
}

// databaseFiles are the database as it is on disk, with what was deleted from it
// and not yet written over.
func databaseFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "estate.db*"))
	require.NoError(t, err)
	found := map[string][]byte{}
	for _, file := range files {
		found[filepath.Base(file)], err = os.ReadFile(file)
		require.NoError(t, err)
	}
	require.Contains(t, found, "estate.db")
	return found
}

// databaseValues are all values of all tables, audits among them.
func databaseValues(t *testing.T, file string) map[string][]byte {
	t.Helper()
	db, err := sqlkit.OpenSQLite(file)
	require.NoError(t, err)
	defer db.Close()
	var tables []string
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table'")
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.Contains(t, tables, "careid_audit")
	values := map[string][]byte{}
	for _, table := range tables {
		values["table "+table] = tableValues(t, db, table)
	}
	return values
}

func tableValues(t *testing.T, db *sql.DB, table string) []byte {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var all bytes.Buffer
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		require.NoError(t, rows.Scan(into...))
		for _, value := range row {
			if raw, ok := value.([]byte); ok {
				all.Write(raw)
			} else {
				fmt.Fprint(&all, value)
			}
			all.WriteByte('\n')
		}
	}
	require.NoError(t, rows.Err())
	return all.Bytes()
}

// processArguments are the command lines and environments of the processes
// that this test can see.
func processArguments(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, name := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile("/proc/self/" + name); err == nil {
			found["/proc/self/"+name] = text
		}
	}
	return found
}

// recordErrors keeps the body of every refusal that goes over HTTP while a test
// runs, to whomever: the tour, the agents, the pages.
func recordErrors(t *testing.T) *safeBuffer {
	t.Helper()
	kept := new(safeBuffer)
	before := http.DefaultTransport
	http.DefaultTransport = recorder{before, kept}
	t.Cleanup(func() { http.DefaultTransport = before })
	return kept
}

type recorder struct {
	next http.RoundTripper
	kept *safeBuffer
}

func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err != nil || response.StatusCode < http.StatusBadRequest {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // read to its end
	response.Body = io.NopCloser(bytes.NewReader(body))
	_, _ = fmt.Fprintf(r.kept, "%s\n%v\n%s\n", request.URL, response.Header, body)
	return response, err
}

// safeBuffer takes writes from many goroutines.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.text.Bytes())
}

func (b *safeBuffer) String() string { return string(b.Bytes()) }

// TestTourCommand is what `estate -tour` prints, how it exits, and that it
// leaves nothing.
func TestTourCommand(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	need.Tool(t, "openssl")
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out, errs bytes.Buffer
	require.Zero(t, run(context.Background(), []string{"-tour"}, &out, &errs), out.String()+errs.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 21)
	for i, line := range lines[:20] {
		require.True(t, strings.HasPrefix(line, fmt.Sprintf("ok %d: ", i+1)), line)
	}
	require.Equal(t, "tour: 20 passed, 0 failed", lines[20])
	require.Empty(t, errs.String())
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}
