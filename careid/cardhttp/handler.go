// SPDX-License-Identifier: Apache-2.0

package cardhttp

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

//go:embed rules.json
var rulesJSON []byte

// Rulebook returns what this package itself says no to, and its rates.
func Rulebook() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) }

// Path is where the handler is to be mounted.
const Path = "/card/v1/"

// maxBody is the protocol's limit of a request.
const maxBody = 64 << 10

// Config says which service is served, and where.
type Config struct {
	// Service is a *careid.Service.
	Service Service
	// Server is this server's base URL as agents and browsers know it, one of
	// the service's Config.Servers. With https, cookies are Secure and carry
	// the __Host- prefix; http is taken for a loopback host only.
	Server string
	// SignInPage is where RequireSession sends a browser without a session, such
	// as "/signin"; empty answers 401.
	SignInPage string
	// StepUpPage is where RequireSession sends a browser whose session was left
	// idle and is locked, such as "/stepup", with where it was as the query's
	// next (see Next); empty answers 401. It must not be behind RequireSession.
	StepUpPage string
	// Source tells the requests of one place from another's, for the rates. The
	// default is the connection's address (an IPv6 address by its /64); behind a
	// proxy of your own, read what it sets.
	Source func(*http.Request) string
	// UnlockAnswer is how long every answer to an unlock's start takes, so that
	// its time tells nothing; work that takes longer is answered after a multiple
	// of it. Default 400 ms; not negative.
	UnlockAnswer time.Duration
	// Now says which rates are in force (default time.Now); Wall measures them
	// (default time.Now).
	Now, Wall func() time.Time
	// Log gets refusals by their rule. Nil is silent.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Source == nil {
		c.Source = web.Source
	}
	if c.UnlockAnswer == 0 {
		c.UnlockAnswer = 400 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Handler is the server's side of the card protocol, and the sessions of its
// pages. It is safe for concurrent use.
type Handler struct {
	config  Config
	rules   *wardkey.Rulebook
	mux     *http.ServeMux
	pages   *http.CrossOriginProtection
	secure  bool
	proofs  *web.Rates
	unlocks *web.Rates
}

// New checks the configuration. It fails without a Service, with a negative
// UnlockAnswer, and where Server isn't scheme://host[:port] or is http to another
// machine.
func New(c Config) (*Handler, error) {
	c = c.withDefaults()
	if c.Service == nil {
		return nil, errors.New("cardhttp: Config.Service is missing")
	}
	if c.UnlockAnswer < 0 {
		return nil, errors.New("cardhttp: Config.UnlockAnswer is negative")
	}
	secure, err := checkServer(c.Server)
	if err != nil {
		return nil, err
	}
	rules, err := Rulebook()
	if err != nil {
		return nil, err
	}
	h := &Handler{config: c, rules: rules, mux: http.NewServeMux(), secure: secure, pages: http.NewCrossOriginProtection()}
	if h.proofs, err = h.rates("rate.proof.second", time.Second, "rate.proof.burst"); err != nil {
		return nil, err
	}
	if h.unlocks, err = h.rates("rate.unlock.minute", time.Minute, "rate.unlock.burst"); err != nil {
		return nil, err
	}
	h.routes()
	return h, nil
}

// rates reads a pair of rules: so many in each unit of time, so many at once.
func (h *Handler) rates(count string, per time.Duration, burst string) (*web.Rates, error) {
	n, err := h.rules.Int(count, h.config.Now())
	if err != nil {
		return nil, err
	}
	b, err := h.rules.Int(burst, h.config.Now())
	return web.NewRates(n, per, b), err
}

func checkServer(server string) (secure bool, err error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != server {
		return false, fmt.Errorf("cardhttp: Config.Server %q is not scheme://host[:port]", server)
	}
	switch {
	case u.Scheme == "https":
		return true, nil
	case u.Scheme == "http" && web.Loopback(u.Hostname()):
		return false, nil
	}
	return false, fmt.Errorf("cardhttp: Config.Server %q must be https (http only to a loopback host)", server)
}

// ServeHTTP serves everything under Path.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) routes() {
	agent := func(path string, limit *web.Rates, serve func(http.ResponseWriter, *http.Request) error) {
		h.mux.HandleFunc("POST "+Path+path, h.fromAgent(limit, serve))
	}
	agent("nonce", h.proofs, h.nonce)
	agent("answer", h.proofs, h.answer)
	agent("lease", nil, h.lease)
	agent("removed", nil, h.removed)
	agent("act", h.proofs, h.act)
	agent("act/requests", h.proofs, h.requests)
	agent("act/confirm", h.proofs, h.confirm)
	agent("act/unlock", h.proofs, h.takeUnlock)
	agent("unlock/start", h.unlocks, h.unlockStart)
	agent("unlock/redeem", h.unlocks, h.unlockRedeem)
	agent("reset/opened", h.proofs, h.resetOpened)
	agent("reset/confirm", h.proofs, h.resetConfirm)

	h.mux.HandleFunc("POST "+Path+"stepup", h.fromPage(h.stepUp))
	h.mux.HandleFunc("POST "+Path+"session", h.fromPage(h.signIn))
	h.mux.HandleFunc("DELETE "+Path+"session", h.fromPage(h.signOut))
}

// fromAgent lets agents through: programs, which no browser vouches for. A page
// that got hold of a handle or a token can't use it here.
func (h *Handler) fromAgent(limit *web.Rates, serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			h.refuse(w, r, h.rules.Refuse("http.browser"))
			return
		}
		if limit != nil {
			if again, ok := limit.Take(h.config.Source(r), h.config.Wall()); !ok {
				h.refuse(w, r, h.rules.Refuse("http.rate").RetryAfter(again))
				return
			}
		}
		if err := serve(w, r); err != nil {
			h.refuse(w, r, err)
		}
	}
}

// fromPage lets requests of this origin's pages through.
func (h *Handler) fromPage(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.pages.Check(r); err != nil {
			h.refuse(w, r, h.rules.Refuse("http.crossorigin").Because(err))
			return
		}
		if err := serve(w, r); err != nil {
			h.refuse(w, r, err)
		}
	}
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = h.rules.Refuse("http.large").Because(err)
	}
	level := slog.LevelInfo
	if wardkey.RuleOf(err) == "" {
		level = slog.LevelError
	}
	h.config.Log.Log(r.Context(), level, "refused", "path", r.URL.Path, "rule", wardkey.RuleOf(err), "cause", err)
	wardkey.WriteProblem(w, err)
}

// read decodes one JSON value strictly. Refusal: http.malformed.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, into any) error {
	if err := web.Read(w, r, maxBody, into); err != nil {
		return h.rules.Refuse("http.malformed").Because(err)
	}
	return nil
}

// bearer is the token of the Authorization header (RFC 6750 §2.1).
func (h *Handler) bearer(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 512 {
		return "", h.rules.Refuse("http.bearer")
	}
	return token, nil
}
