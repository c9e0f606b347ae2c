// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

const (
	passcode = "246810"
	evil     = "http://127.0.0.1:6"

	// patience is how long a test waits for what must happen, on a machine that is
	// busy with others.
	patience = 30 * time.Second
)

// desk is a workstation with two readers, real virtual cards and an agent,
// beside a real server: the card protocol with nothing in between but a gate
// that a test may close.
type desk struct {
	t       *testing.T
	tray    *cardtest.Tray
	module  *card.Module
	clock   *pkitest.Clock
	master  *careid.SoftwareMaster
	store   careid.Store
	service *careid.Service
	ca      *halting
	outside []*pkitest.CA // of other issuers, in the order of their names
	cards   *cardhttp.Handler
	web     *httptest.Server
	log     *buffer
	inbox   chan string

	mu   sync.Mutex
	gate func(path string, before bool) bool // false drops the connection
	wire bytes.Buffer                        // every body that passed, both ways

	agent *httptest.Server
	kill  context.CancelFunc
	ended chan struct{}
	*agent.Client
}

type buffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

// Send is the desk's careid.Sender.
func (d *desk) Send(_ context.Context, _, _, _, body string) error {
	d.inbox <- body
	return nil
}

// newDesk opens a desk whose server knows these outside issuers.
func newDesk(t *testing.T, outside ...string) *desk {
	t.Helper()
	d := &desk{t: t, log: &buffer{}, inbox: make(chan string, 16), clock: pkitest.NewClock(time.Now().UTC().Truncate(time.Second))}
	d.tray = cardtest.New(t, cardtest.Config{})
	var err error
	d.module, err = card.Open(card.Config{Module: d.tray.Module(), Poll: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.module.Close() })
	d.startServer(outside)
	d.startAgent(d.web.URL)
	t.Cleanup(func() { d.stopAgent() })
	return d
}

func (d *desk) startServer(outside []string) {
	t, ctx := d.t, d.t.Context()
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "careid.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Now: d.clock.Now})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	d.store = store
	d.master, err = careid.NewSoftwareMaster([]byte("a secret of thirty-two bytes, at least"))
	require.NoError(t, err)

	d.web = httptest.NewUnstartedServer(nil)
	url := "http://" + d.web.Listener.Addr().String()
	log := slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d.ca = &halting{CA: pkitest.New(t, pkitest.Config{Now: d.clock.Now})}
	var issuers []careid.OutsideIssuer
	for _, name := range outside {
		ca := pkitest.New(t, pkitest.Config{Now: d.clock.Now})
		d.outside = append(d.outside, ca)
		issuers = append(issuers, careid.OutsideIssuer{Name: name, Contact: "the card office of " + name, Verify: ca.Verify})
	}
	d.service, err = careid.New(careid.Config{
		Store: store, CA: d.ca, Sender: d, CardMaster: d.master, Outside: issuers, AuthenticatorKey: []byte("thirty-two bytes for app secrets"),
		Servers: []string{url}, Origins: []string{url}, Now: d.clock.Now, Log: log,
	})
	require.NoError(t, err)
	d.cards, err = cardhttp.New(cardhttp.Config{Service: d.service, Server: url, SignInPage: "/signin", UnlockAnswer: time.Millisecond, Log: log})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(cardhttp.Path, d.gated(d.cards))
	mux.HandleFunc("/signin", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, d.cards.SignInTicket(w, r).JSON())
	})
	mux.HandleFunc("/unlock", func(w http.ResponseWriter, r *http.Request) {
		ticket, err := d.cards.UnlockTicket(w, r)
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, ticket.JSON())
	})
	mux.HandleFunc("/stepup", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, d.cards.StepUpTicket(r).JSON()) })
	mux.HandleFunc("/renew", d.renewPage)
	mux.Handle("/ward", d.cards.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := cardhttp.SessionOf(r)
		_, _ = io.WriteString(w, s.Name)
	})))
	d.web.Config.Handler = mux
	d.web.Start()
	t.Cleanup(d.web.Close)
}

// renewPage is the holder's own renewal.
func (d *desk) renewPage(w http.ResponseWriter, r *http.Request) {
	token := d.cards.Token(r)
	session, err := d.service.Session(r.Context(), token)
	if err == nil {
		var actor careid.Actor
		if actor, err = d.service.Actor(r.Context(), token, careid.Holder, ""); err == nil {
			var act *careid.Act
			if act, err = d.service.OpenAct(r.Context(), actor, careid.ActRequest{Kind: careid.Renew, Card: session.Card}); err == nil {
				_, _ = io.WriteString(w, d.cards.ActTicket(r, act).JSON())
				return
			}
		}
	}
	http.Error(w, err.Error(), http.StatusForbidden)
}

// halting is a CA that a test may stop before it signs.
type halting struct {
	careid.CA
	stopped atomic.Bool
}

var errHalted = errors.New("the signer is away")

func (h *halting) Issue(ctx context.Context, act string, subject pkix.Name, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	if h.stopped.Load() {
		return nil, errHalted
	}
	return h.CA.Issue(ctx, act, subject, csrs)
}

func (h *halting) Renew(ctx context.Context, act string, old []*x509.Certificate, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	if h.stopped.Load() {
		return nil, errHalted
	}
	return h.CA.Renew(ctx, act, old, csrs)
}

// gated lets a test see and cut the wire.
func (d *desk) gated(next http.Handler) http.Handler {
	pass := func(path string, before bool, body []byte) {
		d.mu.Lock()
		d.wire.Write(body)
		gate := d.gate
		d.mu.Unlock()
		if gate != nil && !gate(path, before) {
			panic(http.ErrAbortHandler)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, cardhttp.Path)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		pass(path, true, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		pass(path, false, answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

func (d *desk) setGate(gate func(path string, before bool) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = gate
}

func (d *desk) wired() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wire.String()
}

// startAgent starts the workstation's agent for pages of one origin.
func (d *desk) startAgent(origin string) {
	a, err := agent.New(agent.Config{
		Module: d.module, Servers: []string{d.web.URL}, Origins: []string{origin}, Now: d.clock.Now, Patience: 3 * time.Second,
		Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(d.t, err)
	ctx, kill := context.WithCancel(context.Background())
	d.kill, d.ended = kill, make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		_ = a.Run(ctx)
	}(d.ended)
	d.agent = httptest.NewServer(a.Handler())
	d.Client = &agent.Client{Base: d.agent.URL, Origin: origin}
}

// noticer listens to the agent and returns what waits for it to have seen one more
// removal. Two seconds are the bound for that.
func (d *desk) noticer() (noticed func()) {
	seen := make(chan string, 256)
	go func() {
		defer close(seen)
		for e, err := range d.Client.Events(d.t.Context()) {
			if err != nil {
				return
			}
			seen <- e.Name
		}
	}()
	require.Eventually(d.t, func() bool { // the stream is there once it tells of a task
		o, err := d.Start(d.t.Context(), agent.Request{Kind: agent.Passcode})
		require.NoError(d.t, err)
		require.NoError(d.t, d.Cancel(d.t.Context(), o.ID))
		time.Sleep(20 * time.Millisecond)
		return len(seen) > 0
	}, patience, time.Millisecond)
	return func() {
		late := time.After(patience)
		for {
			select {
			case name, more := <-seen:
				if name == "removed" || !more {
					return
				}
			case <-late:
				d.t.Error("the agent did not notice a removal")
				return
			}
		}
	}
}

func (d *desk) stopAgent() {
	d.kill()
	<-d.ended
	d.agent.CloseClientConnections()
	d.agent.Close()
}

// restart is a workstation that was switched off and on.
func (d *desk) restart() {
	d.stopAgent()
	d.startAgent(d.web.URL)
}

// issued makes the first RA manager, who holds a card in reader 0.
func (d *desk) issued() (serial string) {
	t := d.t
	serial = d.blank(0)
	founded, err := d.service.Bootstrap(t.Context(), founder(serial))
	require.NoError(t, err)
	task, err := d.Run(t.Context(), agent.Request{Kind: agent.Issue, Server: d.web.URL, Handle: founded.Act.Handle}, chosen(passcode))
	require.NoError(t, err)
	d.done(task)
	return serial
}

func founder(serial string) careid.Founder {
	return careid.Founder{Given: "Ada", Family: "Nurse", Organisation: "RBA", Email: "ada.nurse@nhs.net", Card: serial}
}

func (d *desk) blank(reader int) string {
	serial, err := d.tray.Blank()
	require.NoError(d.t, err)
	require.NoError(d.t, d.tray.Insert(reader, serial))
	return serial
}

func (d *desk) done(task agent.Task) {
	d.t.Helper()
	if task.Refusal != nil {
		d.t.Fatalf("refused: %v\n%s", task.Refusal, d.log)
	}
	require.Equal(d.t, agent.Done, task.State, d.log.String())
}

func chosen(passcode string) map[string]string {
	return map[string]string{"newPasscode": passcode, "newPasscode2": passcode}
}

func typed(passcode string) map[string]string { return map[string]string{"passcode": passcode} }

// browser is a person's browser at the server's pages.
type browser struct {
	d *desk
	*http.Client
}

func (d *desk) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(d.t, err)
	return &browser{d, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// ticket is what a page prints for the agent.
func (b *browser) ticket(path string) agent.Request {
	status, body := b.get(path)
	require.Equal(b.d.t, 200, status, body)
	var r agent.Request
	require.NoError(b.d.t, json.Unmarshal([]byte(body), &r))
	return r
}

func (b *browser) get(path string) (int, string) {
	r, err := b.Get(b.d.web.URL + path)
	require.NoError(b.d.t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(b.d.t, err)
	return r.StatusCode, string(body)
}

func (b *browser) redeem(result, purpose string) (int, string) {
	body, err := json.Marshal(map[string]string{"result": result, "purpose": purpose})
	require.NoError(b.d.t, err)
	r, err := b.Post(b.d.web.URL+cardhttp.Path+"session", "application/json", bytes.NewReader(body))
	require.NoError(b.d.t, err)
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	require.NoError(b.d.t, err)
	return r.StatusCode, string(answer)
}

// signIn plays a whole sign-in with the card in reader 0 and returns what POST
// session said.
func (b *browser) signIn(passcode string) string {
	b.d.t.Helper()
	return b.signInAt(0, passcode)
}

func (b *browser) signInAt(reader int, passcode string) string {
	b.d.t.Helper()
	ticket := b.ticket("/signin")
	ticket.Reader = &reader
	task, err := b.d.Run(b.d.t.Context(), ticket, typed(passcode))
	require.NoError(b.d.t, err)
	b.d.done(task)
	status, body := b.redeem(task.Result, "")
	require.Equal(b.d.t, 200, status, body)
	return body
}

// in says whether the browser has a live session.
func (b *browser) in() bool {
	status, _ := b.get("/ward")
	return status == 200
}

var codeIn = regexp.MustCompile(`\b\d{8}\b`)

// code waits for the next message and reads the code in it.
func (d *desk) code() string {
	d.t.Helper()
	select {
	case body := <-d.inbox:
		code := codeIn.FindString(body)
		require.NotEmpty(d.t, code, body)
		return code
	case <-time.After(patience):
		d.t.Fatalf("no message came\n%s", d.log)
		return ""
	}
}

func rule(t agent.Task) string {
	if t.Refusal == nil {
		return ""
	}
	return t.Refusal.Rule
}

// nil32 says that a digest of 32 bytes is of no known hash.
type nil32 struct{}

func (nil32) HashFunc() crypto.Hash { return 0 }
