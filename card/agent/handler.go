// SPDX-License-Identifier: Apache-2.0

package agent

import (
	_ "embed"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

//go:embed agent.js
var script []byte

// Script returns the ES module of /v1/agent.js, for servers that would rather
// serve it from their own origin.
func Script() []byte { return slices.Clone(script) }

const maxJSON = 8 << 10

// Handler serves /v1. It belongs on listeners of loopback addresses only, such as
// Listen's, and answers nobody else.
func (a *Agent) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		if !local(r) {
			a.say(w, r, a.rules.Refuse("host.refused"))
			return
		}
		if err := a.isOwn(r); err != nil {
			a.config.Log.Warn("another user's connection refused", "peer", r.RemoteAddr, "cause", err)
			a.say(w, r, a.rules.Refuse("user.refused"))
			return
		}
		a.mux.ServeHTTP(w, r)
	})
}

func (a *Agent) routes() {
	a.mux = http.NewServeMux()
	a.mux.HandleFunc("GET /v1/status", a.asked(a.getStatus))
	a.mux.HandleFunc("GET /v1/doctor", a.asked(a.getDoctor))
	a.mux.HandleFunc("GET /v1/events", a.asked(a.getEvents))
	a.mux.HandleFunc("GET /v1/agent.js", a.asked(a.getScript))
	a.mux.HandleFunc("POST /v1/tasks", a.asked(a.postTask))
	a.mux.HandleFunc("GET /v1/tasks/{id}", a.asked(a.getTask))
	a.mux.HandleFunc("DELETE /v1/tasks/{id}", a.asked(a.deleteTask))
	a.mux.HandleFunc("OPTIONS /v1/", a.asked(preflight))
	a.mux.HandleFunc("GET /v1/tasks/{id}/page", a.getPage)
	a.mux.HandleFunc("POST /v1/tasks/{id}/page", a.postPage)
	a.mux.HandleFunc("GET /v1/style.css", getStyle)
}

// local says that the request came over the loopback interface and names this
// listener by a loopback name and its own port. A name that an attacker's DNS
// points here is neither.
func local(r *http.Request) bool {
	listener, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return false
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(peer).IsLoopback() {
		return false
	}
	return slices.Contains([]string{"127.0.0.1:" + port, "[::1]:" + port, "localhost:" + port}, r.Host)
}

// own is the origin of the agent's own pages as this request knows it.
func own(r *http.Request) string { return "http://" + r.Host }

// asked lets pages of allowed origins through, and lets them read the answer
// (Fetch §3.2 CORS protocol).
func (a *Agent) asked(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin")
		origins := r.Header.Values("Origin")
		if len(origins) != 1 || !a.allows(origins[0]) {
			a.config.Log.Warn("origin refused", "origin", strings.Join(origins, " "), "path", r.URL.Path)
			wardkey.WriteProblem(w, a.rules.Refuse("origin.refused"))
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origins[0])
		next(w, r)
	}
}

// preflight answers for every path alike.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	w.WriteHeader(http.StatusNoContent)
}

func (a *Agent) getScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = w.Write(script)
}

func (a *Agent) postTask(w http.ResponseWriter, r *http.Request) {
	var in Request
	if err := readJSON(w, r, &in); err != nil || !in.complete() {
		wardkey.WriteProblem(w, a.rules.Refuse("request.invalid").Because(err))
		return
	}
	if in.Server != "" {
		base, err := baseURL(in.Server)
		if err != nil || !a.knowsServer(base) {
			a.config.Log.Warn("server refused", "origin", r.Header.Get("Origin"))
			wardkey.WriteProblem(w, a.rules.Refuse("server.refused").Because(err))
			return
		}
		in.Server = base
	}
	t, err := a.open(in, r.Header.Get("Origin"))
	if err != nil {
		wardkey.WriteProblem(w, err)
		return
	}
	if in.opensAtOnce() {
		ctx, cancel := a.working()
		defer cancel()
		if err := a.begin(ctx, t); err != nil {
			a.close(t)
			wardkey.WriteProblem(w, a.refusal(err))
			return
		}
	}
	a.config.Log.Info("task", "kind", in.Kind, "origin", t.origin)
	writeJSON(w, http.StatusCreated, Opened{ID: t.id, Page: own(r) + "/v1/tasks/" + t.id + "/page"})
}

// Opened is a task that waits for its person at Page.
type Opened struct {
	ID   string `json:"task"`
	Page string `json:"page"`
}

// ofOrigin finds a task for the origin that started it; for any other it
// doesn't exist.
func (a *Agent) ofOrigin(r *http.Request) (*task, error) {
	t, err := a.task(r.PathValue("id"))
	if err == nil && t.origin != r.Header.Get("Origin") {
		err = a.rules.Refuse("task.unknown")
	}
	return t, err
}

func (a *Agent) getTask(w http.ResponseWriter, r *http.Request) {
	t, err := a.ofOrigin(r)
	if err != nil {
		wardkey.WriteProblem(w, err)
		return
	}
	writeJSON(w, http.StatusOK, t.snapshot())
}

func (a *Agent) deleteTask(w http.ResponseWriter, r *http.Request) {
	t, err := a.ofOrigin(r)
	if err == nil {
		err = a.cancel(t)
	}
	if err != nil {
		wardkey.WriteProblem(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readJSON reads one JSON value strictly. Its media type makes a browser ask
// first (preflight), so a page of another origin can't send it blindly.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/json" {
		return errForm
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSON))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errForm
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the page has gone; there is nobody left to tell
}
