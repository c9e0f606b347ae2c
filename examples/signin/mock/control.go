// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// control is the port of the tests that an application is under.
type control struct {
	mock *Mock
	port string // as in the Host of a request
	addr string
}

// Control is the control port at a loopback address: it answers programs of this machine, and no page in a browser.
func (m *Mock) Control(at net.Addr) http.Handler {
	_, port, _ := net.SplitHostPort(at.String())
	c := &control{mock: m, addr: at.String(), port: port}
	mux := http.NewServeMux()
	c.handle(mux, "POST /clock", c.in(c.clock))
	c.handle(mux, "POST /persona", c.in(c.persona))
	c.handle(mux, "POST /card", c.in(c.card))
	c.handle(mux, "POST /fault", c.in(c.fault))
	c.handle(mux, "GET /faults", c.in(c.faults))
	c.handle(mux, "GET /logouts", c.in(c.logouts))
	c.handle(mux, "GET /audit", c.in(c.audit))
	c.handle(mux, "POST /reset", c.reset)
	c.handle(mux, "/", func(*http.Request) (any, error) { return nil, m.config.rules.Refuse("control.unknown") })
	return mux
}

// maxBody bounds what a request says: all of them are a line.
const maxBody = 4 << 10

func (c *control) handle(mux *http.ServeMux, pattern string, serve func(*http.Request) (any, error)) {
	mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
		var answer any
		err := c.program(r)
		if err == nil {
			answer, err = serve(r)
		}
		if err != nil {
			c.mock.config.Log.InfoContext(r.Context(), "control refused", "path", r.URL.Path, "cause", err)
			wardkey.WriteProblem(rw, err)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(rw)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(answer) // the program has gone; there is nobody left to tell
	})
}

// in serves from the world that there is now, and keeps it until it has answered.
func (c *control) in(serve func(*world, *http.Request) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		c.mock.mu.RLock()
		defer c.mock.mu.RUnlock()
		c.mock.world.tick()
		return serve(c.mock.world, r)
	}
}

// program refuses what a page in a browser sends: browsers mark it, and a name that somebody's DNS points here is not
// this port's.
func (c *control) program(r *http.Request) error {
	if r.Host != c.addr && r.Host != net.JoinHostPort("localhost", c.port) {
		return c.mock.config.rules.Refuse("control.host", "address", c.addr)
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return c.mock.config.rules.Refuse("control.page")
	}
	return nil
}

// decode reads one JSON object strictly. Without a body, nothing was said.
func (c *control) decode(r *http.Request, into any) error {
	no := func(why error) error {
		return c.mock.config.rules.Refuse("control.body", "why", why.Error()).Because(why)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return no(errors.New("the body is too long"))
	}
	if len(text) == 0 {
		text = []byte("{}")
	} else if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return no(errors.New("the Content-Type is not application/json (curl --json)"))
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return no(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return no(errors.New("something follows the object"))
	}
	return nil
}

// clock moves the calendar on.
func (c *control) clock(w *world, r *http.Request) (any, error) {
	var in struct{ Add string }
	if err := c.decode(r, &in); err != nil {
		return nil, err
	}
	by, err := time.ParseDuration(in.Add)
	if err != nil || by <= 0 {
		return nil, c.mock.config.rules.Refuse("clock.add", "add", in.Add)
	}
	at, err := w.move(r.Context(), by)
	return map[string]string{"now": at.UTC().Format(time.RFC3339)}, err
}

// persona says whom the next authorization signs in.
func (c *control) persona(w *world, r *http.Request) (any, error) {
	var in persona
	if err := c.decode(r, &in); err != nil {
		return nil, err
	}
	p, err := w.holder(in.Sub)
	if err != nil {
		return nil, err
	}
	if in.Role != "" && !slices.ContainsFunc(p.person.Roles, func(role openid.Role) bool { return role.ID == in.Role }) {
		return nil, c.mock.config.rules.Refuse("persona.role", "role", in.Role, "sub", in.Sub)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next, w.last = &in, in.Sub
	return map[string]string{"sub": in.Sub, "name": p.person.DisplayName}, nil
}

// card does something with a card: that of sub, or of the person who was named or signed in last.
func (c *control) card(w *world, r *http.Request) (any, error) {
	var in struct{ Do, Sub string }
	if err := c.decode(r, &in); err != nil {
		return nil, err
	}
	if in.Sub == "" {
		w.mu.Lock()
		in.Sub = w.last
		w.mu.Unlock()
	}
	if in.Sub == "" {
		return nil, c.mock.config.rules.Refuse("card.whose")
	}
	p, err := w.holder(in.Sub)
	if err != nil {
		return nil, err
	}
	if err := w.handle(r.Context(), p, in.Do); err != nil {
		return nil, err
	}
	return map[string]string{"sub": in.Sub, "do": in.Do}, w.settle(r.Context())
}

// fault puts one in force in place of another, or ends it.
func (c *control) fault(w *world, r *http.Request) (any, error) {
	var in struct{ Name string }
	if err := c.decode(r, &in); err != nil {
		return nil, err
	}
	if _, ok := faultNamed(in.Name); !ok && in.Name != "" {
		return nil, c.mock.config.rules.Refuse("fault.unknown", "name", in.Name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = in.Name
	return map[string]string{"name": in.Name}, nil
}

func (c *control) faults(w *world, _ *http.Request) (any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return map[string]any{"inForce": w.fault, "faults": Faults()}, nil
}

func (c *control) logouts(w *world, _ *http.Request) (any, error) { return w.heard.list(), nil }

// reset takes no world: it makes one.
func (c *control) reset(r *http.Request) (any, error) {
	if err := c.decode(r, &struct{}{}); err != nil {
		return nil, err
	}
	return struct{}{}, c.mock.reset(r.Context())
}

// entryRow is one row of an audit.
type entryRow struct {
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail,omitempty"`
}

// audit shows what happened to people and cards, and between the provider and its clients.
func (c *control) audit(w *world, r *http.Request) (any, error) {
	var people, clients []entryRow
	err := w.hospital.Store.Read(r.Context(), func(ctx context.Context, tx *careid.Tx) (err error) {
		people, err = rows(ctx, w.before, tx.Audit.Entries)
		return err
	})
	if err == nil {
		err = w.store.Read(r.Context(), func(ctx context.Context, tx *openid.Tx) (err error) {
			clients, err = rows(ctx, 0, tx.Audit.Entries)
			return err
		})
	}
	return map[string]any{"careid": people, "openid": clients}, err
}

// page is how many rows are read at once.
const page = 500

func rows(ctx context.Context, after int64, entries func(ctx context.Context, after int64, limit int) ([]careid.AuditEntry, error)) ([]entryRow, error) {
	all := []entryRow{}
	for {
		found, err := entries(ctx, after, page)
		for _, e := range found {
			all, after = append(all, entryRow{e.At, e.Actor, e.Action, e.Subject, e.Detail}), e.Seq
		}
		if err != nil || len(found) < page {
			return all, err
		}
	}
}
