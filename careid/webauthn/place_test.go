// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

const (
	rpID   = "care.example"
	origin = "https://care.example"
)

// place is a hospital with its servers: each signs in and registers by itself, over
// the one store.
type place struct {
	*careidtest.Hospital
	keys, hello *maker
	config      webauthn.Config
	cards       *cardhttp.Handler
	servers     []http.Handler
	log         bytes.Buffer
}

func newPlace(t testing.TB) *place {
	t.Helper()
	return newPlaceIn(t, careidtest.Config{})
}

// newPlaceIn is newPlace in a hospital of another kind.
func newPlaceIn(t testing.TB, hospital careidtest.Config) *place {
	t.Helper()
	p := &place{
		Hospital: careidtest.New(t, hospital),
		keys:     newMaker(1, careid.KindSecurityKey, "Ward key 5"), hello: newMaker(2, careid.KindWindowsHello, "Windows Hello"),
	}
	var err error
	p.cards, err = cardhttp.New(cardhttp.Config{Service: p.Service, Server: origin})
	require.NoError(t, err)
	p.config = webauthn.Config{
		Service: p.Service, Sessions: p.cards, RPID: rpID, Origins: []string{origin}, Models: []webauthn.Model{p.keys.model, p.hello.model},
		Now: p.Clock.Now, Wall: p.Wall.Now, Log: slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	p.serve(t, p.config)
	p.serve(t, p.config)
	return p
}

// serve adds a server.
func (p *place) serve(t testing.TB, c webauthn.Config) {
	t.Helper()
	keys, err := webauthn.New(c)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(webauthn.Path, keys)
	mux.Handle(cardhttp.Path, p.cards)
	p.servers = append(p.servers, mux)
}

// visitor is a browser: it keeps cookies and is served by one server after the other.
type visitor struct {
	t       testing.TB
	place   *place
	cookies map[string]string
	turn    int
	status  int
	set     []*http.Cookie
}

func (p *place) visitor(t testing.TB) *visitor {
	return &visitor{t: t, place: p, cookies: map[string]string{}}
}

// with is a browser in which somebody has just signed in with their card.
func (p *place) with(t testing.TB, person careidtest.Person) *visitor {
	t.Helper()
	in, err := p.SignIn(t.Context(), person.Card)
	require.NoError(t, err)
	return p.holding(t, in.Token)
}

func (p *place) holding(t testing.TB, token string) *visitor {
	b := p.visitor(t)
	c := p.cards.SessionCookie(token)
	b.cookies[c.Name] = c.Value
	return b
}

func (b *visitor) token() string { return b.cookies[b.place.cards.SessionCookie("").Name] }

// send does a request, of a path below webauthn.Path or of the whole, and returns
// the body, or the refusal.
func (b *visitor) send(method, path string, body any, headers ...string) ([]byte, *wardkey.Refusal) {
	b.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = webauthn.Path + path
	}
	r := httptest.NewRequest(method, origin+path, nil)
	if body != nil {
		text, isText := body.(string)
		if !isText {
			text = string(must(json.Marshal(body)))
		}
		r = httptest.NewRequest(method, origin+path, bytes.NewReader([]byte(text)))
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.place.servers[b.turn%len(b.place.servers)].ServeHTTP(w, r)
	b.turn++
	answer := w.Result()
	b.status, b.set = answer.StatusCode, answer.Cookies()
	for _, c := range b.set {
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	if answer.StatusCode < 400 {
		return w.Body.Bytes(), nil
	}
	no, err := wardkey.ParseRefusal(answer)
	require.NoError(b.t, err, "%d", answer.StatusCode)
	return nil, no
}

// must is send where nothing is refused.
func (b *visitor) must(method, path string, body any) []byte {
	b.t.Helper()
	got, no := b.send(method, path, body)
	require.Nil(b.t, no, "%v", no)
	return got
}

type members map[string]any

// registers is what the module does: options, the device, the answer.
func (b *visitor) registers(d *device, name string) ([]byte, *wardkey.Refusal) {
	b.t.Helper()
	options := b.must(http.MethodPost, "register/options", members{"kind": d.maker.model.Kind})
	return b.send(http.MethodPost, "register", members{"name": name, "user": userOf(options), "credential": d.create(options)})
}

// userOf is the user handle of options, base64url.
func userOf(options []byte) string {
	var o struct {
		PublicKey struct{ User struct{ ID string } }
	}
	if err := json.Unmarshal(options, &o); err != nil {
		panic(err)
	}
	return o.PublicKey.User.ID
}

func (b *visitor) signsIn(d *device) *wardkey.Refusal {
	b.t.Helper()
	options := b.must(http.MethodPost, "signin/options", members{})
	_, no := b.send(http.MethodPost, "signin", members{"credential": d.get(options)})
	return no
}

func (b *visitor) stepsUp(d *device) *wardkey.Refusal {
	b.t.Helper()
	options := b.must(http.MethodPost, "stepup/options", members{})
	_, no := b.send(http.MethodPost, "stepup", members{"credential": d.get(options)})
	return no
}

func (b *visitor) session() *careid.Session {
	b.t.Helper()
	s, err := b.place.Service.Session(b.t.Context(), b.token())
	require.NoError(b.t, err)
	return s
}

// registered is a device on somebody's profile.
func (p *place) registered(t testing.TB, person careidtest.Person, m *maker) *device {
	t.Helper()
	d := m.device()
	_, no := p.with(t, person).registers(d, "")
	require.Nil(t, no, "%v", no)
	return d
}

func ruled(t testing.TB, no *wardkey.Refusal, rule string) {
	t.Helper()
	require.NotNil(t, no, "not refused by %s", rule)
	require.Equal(t, rule, no.Rule, "%s", no.Public)
	require.NotEmpty(t, no.Next)
}

func (p *place) audited(t testing.TB, do func()) []careid.AuditEntry {
	t.Helper()
	read := func() []careid.AuditEntry {
		rows, err := p.Service.Audit(t.Context(), careid.Operator("test"), 0, 10_000)
		require.NoError(t, err)
		return rows
	}
	before := len(read())
	do()
	return read()[before:]
}
