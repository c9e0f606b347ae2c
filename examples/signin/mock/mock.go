// SPDX-License-Identifier: Apache-2.0

// Package mock is a provider for the tests of applications, in any language: a
// hospital in memory with people from a file, whose cards need no reader, and a
// control port that moves the calendar, pulls cards and makes mistakes.
//
//	m, err := mock.Open(ctx, mock.Config{Issuer: issuer, Keys: keys, Clients: clients})
//	http.Serve(listener, m)                         // what applications and browsers see
//	http.Serve(loopback, m.Control(loopback.Addr())) // what their tests see
//
// Nothing is simulated on the way: a card in memory signs, careid verifies it,
// and the session, its end and the tokens are those of package openid. The
// command's own comment tells what the control port takes.
//
// Its tokens carry "wardkey_test": true, and it has nothing to keep a stranger
// from signing in as anybody: that is what it is for.
package mock

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
)

//go:embed rules.json
var rulesJSON []byte

// Config is whom it serves. Issuer, Keys and Clients are needed.
type Config struct {
	Issuer  string
	Keys    []openid.Key // kept over resets, as clients keep the key set
	Clients []openid.Client
	People  []openid.Person  // default Personas
	Now     func() time.Time // the machine's clock; default time.Now
	Log     *slog.Logger     // nil is silent

	base  string
	rules *wardkey.Rulebook
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Mock is an open one. It is the http.Handler of the provider and its pages.
type Mock struct {
	config Config
	path   string // of the issuer

	mu    sync.RWMutex // held for reading by whoever uses the world
	world *world
}

// Open builds the hospital. An issuer, client or person that can't be is an error.
func Open(ctx context.Context, c Config) (*Mock, error) {
	c = c.withDefaults()
	at, err := url.Parse(c.Issuer)
	if err != nil || at.Host == "" {
		return nil, errors.New("mock: the issuer is not an address such as http://127.0.0.1:8090")
	}
	if len(c.Clients) == 0 {
		return nil, errors.New("mock: there is no client")
	}
	if len(c.People) == 0 {
		if c.People, err = Personas(); err != nil {
			return nil, err
		}
	}
	if c.rules, err = wardkey.ParseRulebook(rulesJSON); err != nil {
		return nil, err
	}
	c.base = Base(at)
	m := &Mock{config: c, path: strings.TrimSuffix(at.Path, "/")}
	m.world, err = open(ctx, c)
	return m, err
}

// Base is an issuer's scheme and host as browsers write them: without the port that they leave out.
func Base(issuer *url.URL) string {
	host := issuer.Host
	if port := map[string]string{"https": ":443", "http": ":80"}[issuer.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return issuer.Scheme + "://" + host
}

// Due does what clocks ask for. Call it every second.
func (m *Mock) Due(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.world.due(ctx)
}

// Close gives everything back.
func (m *Mock) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.world.close()
}

// reset puts everything back to how it began. Whoever is being served is served first.
func (m *Mock) reset(ctx context.Context) error {
	fresh, err := open(ctx, m.config)
	if err != nil {
		return err
	}
	m.mu.Lock()
	old := m.world
	m.world = fresh
	m.mu.Unlock()
	return old.close()
}

// ServeHTTP serves the provider at the issuer's path, and the pages.
func (m *Mock) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	w := m.world
	w.tick()
	rest, ours := strings.CutPrefix(r.URL.Path, m.path)
	switch {
	case ours && rest == "/authorize":
		if w.waits() {
			r = withoutCookies(r) // somebody else, or a session of its own
		}
		w.provider.Handler().ServeHTTP(rw, r)
	case ours && isEndpoint(rest):
		w.provider.Handler().ServeHTTP(rw, r)
	case r.Method == http.MethodGet && r.URL.Path == entry.Path && w.waits():
		w.play(rw, r)
	case r.URL.Path == "/signin": // by itself it would need an agent; an application begins
		http.Redirect(rw, r, "/", http.StatusSeeOther)
	default:
		w.site.ServeHTTP(rw, r)
	}
}

// isEndpoint reports whether a path under the issuer is the provider's. Package openid tells them.
func isEndpoint(path string) bool {
	switch path {
	case "/.well-known/openid-configuration", "/access_token", "/userinfo", "/connect/jwk_uri":
		return true
	}
	return false
}

func withoutCookies(r *http.Request) *http.Request {
	bare := r.Clone(r.Context())
	bare.Header.Del("Cookie")
	return bare
}

// waits reports whether somebody is to be signed in without a page.
func (w *world) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next != nil
}

// take is whom the next authorization signs in, once.
func (w *world) take() *persona {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.next
	w.next = nil
	return next
}

// play answers a request that waits as its person would, and sends the browser back to the application at once.
func (w *world) play(rw http.ResponseWriter, r *http.Request) {
	next := w.take()
	if next == nil { // another request came first
		w.site.ServeHTTP(rw, r)
		return
	}
	to, err := w.answer(rw, r, next)
	if err != nil {
		w.entry.Fail(rw, r, err)
		return
	}
	rw.Header().Set("Cache-Control", "no-store")
	http.Redirect(rw, r, to, http.StatusSeeOther)
}

// answer signs the person in with their card and finishes the request. What a person would be refused, or what the
// sign-in can't be, is told to the client as access_denied.
func (w *world) answer(rw http.ResponseWriter, r *http.Request, next *persona) (string, error) {
	id := r.URL.Query().Get("request")
	if err := w.entry.Leave(r); err != nil {
		return "", err
	}
	got, err := w.SignIn(r.Context(), next.Sub)
	if err == nil {
		http.SetCookie(rw, w.entry.Cards.SessionCookie(got.Token))
		to, err := w.finish(r.Context(), id, got.Token, next.Role)
		if err == nil || !saidNo(err) {
			return to, err
		}
	} else if !saidNo(err) {
		return "", err
	}
	return w.provider.Refuse(r.Context(), id)
}

// finish chooses the first role where one is asked for and none was named.
func (w *world) finish(ctx context.Context, id, token, role string) (string, error) {
	waiting, err := w.provider.Waiting(ctx, id, token)
	if err != nil {
		return "", err
	}
	switch {
	case len(waiting.Roles) == 0:
		role = ""
	case role == "":
		role = waiting.Roles[0].ID
	}
	return w.provider.Finish(ctx, id, token, role)
}

// discovery is where clients find the provider's own word. OpenID Connect Discovery §4.
func (c Config) discovery() string {
	return strings.TrimSuffix(c.Issuer, "/") + "/.well-known/openid-configuration"
}
