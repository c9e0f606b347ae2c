// SPDX-License-Identifier: Apache-2.0

package webmail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/database"
	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// The people of the stories, at two care homes.
const (
	home, other = "VLX12", "VLX34"
	asha        = "asha.patel@nhs.net"
	ben         = "ben.okoro@nhs.net"
	cara        = "cara.lunt@nhs.net" // of the other home
	mobile      = "07700 900123"
	secret      = "wet-otter-lamp-9"
	newSecret   = "dry-heron-door-4"
)

var questions = []string{"First pet?", "First school?", "First street?"}

func answers() []string { return []string{"rex the dog", "hill top", "mill lane"} }

// town is a portal over HTTP with all that stands behind it.
type town struct {
	*mailpolicy.Accounts
	t     *testing.T
	url   string
	phone *webmail.Phone
	log   *lines

	mu  sync.Mutex
	now time.Time
}

// open serves the portal for the time of the test.
func open(t *testing.T, change func(*webmail.Config)) *town {
	t.Helper()
	s := &town{t: t, phone: &webmail.Phone{}, log: &lines{}, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	db, err := database.Open(filepath.Join(t.TempDir(), "mail.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Now: s.clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s.Accounts, err = mailpolicy.NewAccounts(mailpolicy.AccountsConfig{
		Store: store, Sender: s.phone, Key: bytes.Repeat([]byte{7}, 32), Now: s.clock, Log: s.logger(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })

	s.serve(change)
	return s
}

// beside is another portal before the same accounts.
func (s *town) beside(change func(*webmail.Config)) *town {
	s.t.Helper()
	other := &town{Accounts: s.Accounts, t: s.t, phone: s.phone, log: s.log, now: s.clock()}
	other.serve(change)
	return other
}

// serve shows the portal at an address of its own.
func (s *town) serve(change func(*webmail.Config)) {
	s.t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	s.t.Cleanup(server.Close)
	s.url = server.URL
	c := webmail.Config{
		Base: s.url, Accounts: s.Accounts, Phone: s.phone, Now: s.clock, Log: s.logger(),
		Desk: mailpolicy.Actor{ID: "desk", Role: mailpolicy.AdministrationService},
	}
	if change != nil {
		change(&c)
	}
	p, err := webmail.New(c)
	require.NoError(s.t, err)
	handler = p.Handler()
}

func (s *town) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (s *town) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// later moves the calendar.
func (s *town) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// visitor is somebody's browser.
type visitor struct {
	s    *town
	http *http.Client
}

func (s *town) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &visitor{s, &http.Client{Jar: jar}}
}

// shown is what a browser has in the end.
type shown struct {
	status int
	path   string // with its query
	body   string
	header http.Header
}

func (v *visitor) get(path string) shown {
	v.s.t.Helper()
	return v.send(v.request(http.MethodGet, path, nil))
}

// submit sends a form that the page has for an address. Each field must be one of
// the page's.
func (v *visitor) submit(page, action string, fields url.Values) shown {
	v.s.t.Helper()
	body := v.get(page).body
	require.Contains(v.s.t, body, `action="`+action+`"`)
	for name := range fields {
		require.Contains(v.s.t, body, `name="`+name+`"`)
	}
	return v.post(action, fields)
}

// post sends a form as a page of the portal does.
func (v *visitor) post(action string, fields url.Values) shown {
	v.s.t.Helper()
	r := v.request(http.MethodPost, action, fields)
	r.Header.Set("Origin", v.s.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.send(r)
}

func (v *visitor) request(method, path string, fields url.Values) *http.Request {
	v.s.t.Helper()
	r, err := http.NewRequestWithContext(v.s.t.Context(), method, v.s.url+path, strings.NewReader(fields.Encode()))
	require.NoError(v.s.t, err)
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (v *visitor) send(r *http.Request) shown {
	v.s.t.Helper()
	got, err := v.http.Do(r)
	require.NoError(v.s.t, err)
	defer func() { _ = got.Body.Close() }() // read to its end below
	body, err := io.ReadAll(got.Body)
	require.NoError(v.s.t, err)
	return shown{got.StatusCode, got.Request.URL.RequestURI(), string(body), got.Header}
}

// cookies are what the browser would send to a path.
func (v *visitor) cookies(path string) map[string]string {
	at, err := url.Parse(v.s.url + path)
	require.NoError(v.s.t, err)
	all := map[string]string{}
	for _, c := range v.http.Jar.Cookies(at) {
		all[c.Name] = c.Value
	}
	return all
}

// plant puts a session into a browser.
func (v *visitor) plant(token string) {
	at, err := url.Parse(v.s.url)
	require.NoError(v.s.t, err)
	v.http.Jar.SetCookies(at, []*http.Cookie{{Name: "mailportal-session", Value: token, Path: "/"}})
}

func (v *visitor) token() string { return v.cookies("/")["mailportal-session"] }

// rule requires that a page tells a refusal above everything else.
func (v *visitor) rule(id string, got shown) shown {
	v.s.t.Helper()
	_, above, _ := strings.Cut(got.body, `id="refused"`)
	above, _, _ = strings.Cut(above, "<h1")
	require.Contains(v.s.t, above, "<code>"+id+"</code>")
	require.GreaterOrEqual(v.s.t, got.status, 400)
	return got
}

// texted waits until more than so many texts have said something, and returns the
// last line of the newest of them.
func (s *town) texted(says string, before int) string {
	s.t.Helper()
	var last string
	require.Eventually(s.t, func() bool {
		texts := slices.DeleteFunc(s.phone.Texts(), func(t webmail.Text) bool { return !strings.Contains(t.Body, says) })
		if len(texts) <= before {
			return false
		}
		last = texts[0].Body[strings.LastIndexByte(texts[0].Body, '\n')+1:]
		return true
	}, time.Minute, 5*time.Millisecond, says)
	return last
}

// registered opens a site and applies for accounts at it, through the forms.
func (s *town) registered(ods string, holders ...string) {
	s.t.Helper()
	v := s.visitor()
	got := v.submit("/register", "/register", url.Values{
		"applicant": {"Mo Reed"}, "name": {"Home " + ods}, "ods": {strings.ToLower(ods)}, "location": {"1-123"}, "postcode": {"ls1 4ap"},
		"manager": {"CON1-9"}, "email": {"manager@home.example"}, "landline": {"0113 496 0000"},
	})
	require.Equal(s.t, "/apply?told=site&site="+ods, got.path, got.body)
	for _, address := range holders {
		given, family, _ := strings.Cut(strings.TrimSuffix(address, "@nhs.net"), ".")
		got = v.submit("/apply", "/apply", url.Values{
			"site": {ods}, "applicant": {"Mo Reed"}, "name": {capital(given) + " " + capital(family)}, "address": {address}, "mobile": {mobile},
			"purpose": {"residents' direct care"},
		})
		require.Contains(s.t, got.path, "told=applied", got.body)
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// signIn signs a browser in.
func (v *visitor) signIn(address, password string) shown {
	v.s.t.Helper()
	return v.submit("/signin", "/signin", url.Values{"address": {address}, "password": {password}})
}

// arrived is the browser of somebody who has used their activation password.
func (s *town) arrived(address string) *visitor {
	s.t.Helper()
	v := s.visitor()
	got := v.signIn(address, s.texted("to activate "+address, 0))
	require.Equal(s.t, "/first", got.path, got.body)
	return v
}

// settled is the browser of somebody whose first login is done.
func (s *town) settled(address string) *visitor {
	s.t.Helper()
	v := s.arrived(address)
	v.finish()
	return v
}

// finish takes the three steps of a first login.
func (v *visitor) finish() {
	v.s.t.Helper()
	v.submit("/first", "/first/password", url.Values{"new": {secret}})
	v.submit("/first", "/first/questions", url.Values{"question": questions, "answer": answers()})
	got := v.submit("/first", "/first/policy", url.Values{"version": {"1"}})
	require.Equal(v.s.t, "/account?told=ready", got.path, got.body)
}

// asked answers the security questions that a page asks.
func asked(page string) []string {
	var given []string
	for i, q := range questions {
		if strings.Contains(page, ">"+q+"</label>") {
			given = append(given, answers()[i])
		}
	}
	return given
}

// program asks as a program does, and decodes what it gets.
func (v *visitor) program(method, path string, fields url.Values, out any) shown {
	v.s.t.Helper()
	r := v.request(method, path, fields)
	r.Header.Set("Accept", "application/json")
	got := v.send(r)
	if out != nil {
		require.NoError(v.s.t, json.Unmarshal([]byte(got.body), out), got.body)
	}
	return got
}
