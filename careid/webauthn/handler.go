// SPDX-License-Identifier: Apache-2.0

package webauthn

import (
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

//go:embed webauthn.js
var script []byte

// maxBody bounds a request: a credential id has 1023 bytes at most, and the
// attestation of a TPM with its certificates less than 8 KiB.
const maxBody = 64 << 10

// Handler is the server's side of the ceremonies. It is safe for concurrent use;
// any number of servers share what the Service's store keeps.
type Handler struct {
	config Config
	http   *wardkey.Rulebook // cardhttp's words for what is wrong with a request
	mux    *http.ServeMux
	pages  *http.CrossOriginProtection
	rates  *web.Rates
}

// New checks the configuration: it fails where a part is missing, an origin can't
// be one of the relying party's, or no model is approved.
func New(c Config) (*Handler, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	words, err := cardhttp.Rulebook()
	if err != nil {
		return nil, err
	}
	h := &Handler{config: c, http: words, mux: http.NewServeMux(), pages: http.NewCrossOriginProtection()}
	most, err := c.Policy.Int("rate.authenticator.minute", c.Now())
	if err != nil {
		return nil, err
	}
	h.rates = web.NewRates(most, time.Minute, most)
	if _, err := h.offered(c.Now()); err != nil {
		return nil, err
	}
	h.routes()
	return h, nil
}

// ServeHTTP serves everything under Path.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) routes() {
	page := func(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
		h.mux.HandleFunc(pattern, h.fromPage(serve))
	}
	page("POST "+Path+"register/options", h.registerOptions)
	page("POST "+Path+"register", h.register)
	page("POST "+Path+"signin/options", h.limited(h.signInOptions))
	page("POST "+Path+"signin", h.limited(h.signIn))
	page("POST "+Path+"stepup/options", h.stepUpOptions)
	page("POST "+Path+"stepup", h.stepUp)
	page("GET "+Path+"authenticators", h.list)
	page("PATCH "+Path+"authenticators/{id}", h.rename)
	page("DELETE "+Path+"authenticators/{id}", h.remove)
	h.mux.HandleFunc("GET "+Path+"webauthn.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(script) // the other side has gone; there is nobody left to tell
	})
}

// fromPage lets requests of this origin's pages through.
func (h *Handler) fromPage(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h.pages.Check(r)
		if err != nil {
			err = h.http.Refuse("http.crossorigin").Because(err)
		} else {
			err = serve(w, r)
		}
		if err == nil {
			return
		}
		level, cause := slog.LevelInfo, errors.Unwrap(err)
		if wardkey.RuleOf(err) == "" {
			level, cause = slog.LevelError, err
		}
		h.config.Log.Log(r.Context(), level, "refused", "path", r.URL.Path, "rule", wardkey.RuleOf(err), "cause", cause)
		wardkey.WriteProblem(w, err)
	}
}

// limited bounds what anybody may send who is not signed in.
func (h *Handler) limited(serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if again, ok := h.rates.Take(h.config.Source(r), h.config.Wall()); !ok {
			return h.http.Refuse("http.rate").RetryAfter(again)
		}
		return serve(w, r)
	}
}

// read decodes one JSON value strictly. Refusals: http.large, http.malformed.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, into any) error {
	err := web.Read(w, r, maxBody, into)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return h.http.Refuse("http.large").Because(err)
	case err != nil:
		return h.http.Refuse("http.malformed").Because(err)
	}
	return nil
}

// preSession is the cookie that ties a sign-in's challenge to the browser that
// asked for it: the value that it has, or a fresh one. It goes with the browser,
// or with the sign-in.
func (h *Handler) preSession(r *http.Request) *http.Cookie {
	c := &http.Cookie{Name: "wardkey-authenticator", Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if h.config.secure() {
		c.Name, c.Secure = "__Host-"+c.Name, true // RFC 6265bis §4.1.3.2
	}
	if old, err := r.Cookie(c.Name); err == nil && len(old.Value) >= 22 && len(old.Value) <= 512 {
		c.Value = old.Value
		return c
	}
	c.Value = random(16)
	return c
}

// random is n random bytes, base64url.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// timeout tells the browser how long a challenge is good for, in milliseconds.
func (h *Handler) timeout() (int64, error) {
	life, err := h.config.Rules.Duration("challenge.life", h.config.Now())
	if err != nil {
		return 0, fmt.Errorf("webauthn: %w", err)
	}
	return life.Milliseconds(), nil
}
