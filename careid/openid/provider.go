// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

//go:embed rules.json
var rulesJSON []byte

// Rulebook returns what the pages of a sign-in are told when something can't go on.
func Rulebook() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) }

// Provider is an OpenID Provider. It is safe for concurrent use, and any number of them may share one store.
type Provider struct {
	config  Config
	at      addresses
	rules   *wardkey.Rulebook
	changes sync.Mutex // one of SetKeys and SetClients at a time: each looks at what the other sets
	clients atomic.Pointer[map[string]*client]
	keys    atomic.Pointer[keyRing]
	mux     *http.ServeMux
	sender  *sender
}

// New makes a Provider. It does no I/O. It refuses what would be unsafe: an issuer that is no https address (http only to
// a loopback host), no RS256 key that has begun, a client without credentials, redirect addresses that are not https.
func New(c Config) (*Provider, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	at, err := place(c.Issuer, c.Layout)
	if err != nil {
		return nil, err
	}
	rules, err := Rulebook()
	if err != nil {
		return nil, err
	}
	p := &Provider{config: c, at: at, rules: rules, sender: &sender{under: map[string]int{}}}
	p.clients.Store(&map[string]*client{})
	if err := p.SetKeys(c.Keys); err != nil {
		return nil, err
	}
	if err := p.SetClients(c.Clients); err != nil {
		return nil, err
	}
	p.config.Clients = nil // their secrets are the caller's; p.clients has digests
	p.routes()
	return p, nil
}

// Handler serves the endpoints, at the paths that they have in the issuer's address.
func (p *Provider) Handler() http.Handler { return p.mux }

// maxBody bounds a token request's body: an assertion of a client with large keys is 4 KiB.
const maxBody = 64 << 10

// maxQuery bounds an authorization request: browsers and proxies pass 8 KiB.
const maxQuery = 8 << 10

func (p *Provider) routes() {
	p.mux = http.NewServeMux()
	serve := func(method, address string, handle http.HandlerFunc) {
		p.mux.HandleFunc(method+" "+served(address), handle)
	}
	serve("GET", p.at.discovery, p.serveDiscovery)
	serve("GET", p.at.keys, p.serveKeys)
	serve("HEAD", p.at.authorize, onlyAsked) // GET's pattern takes HEAD along
	serve("GET", p.at.authorize, p.serveAuthorize)
	serve("POST", p.at.authorize, p.serveAuthorize)
	serve("POST", p.at.token, p.serveToken)
	serve("GET", p.at.userinfo, p.serveUserInfo)
	serve("POST", p.at.userinfo, p.serveUserInfo)
}

// onlyAsked answers who looks at an authorization request without making it, as previews of links do: nothing is begun
// and nothing granted by that.
func onlyAsked(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, POST")
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// private keeps an answer out of caches (RFC 6749 §5.1).
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// refused logs and tells of an answer that says no.
func (p *Provider) refused(ctx context.Context, endpoint, client string, e *Error) {
	level := slog.LevelInfo
	if e.Code == "server_error" {
		level = slog.LevelError
	}
	p.config.Log.Log(ctx, level, "openid: refused", "endpoint", endpoint, "client", client, "code", e.Code, "why", e.Description, "cause", e.cause)
	p.config.Observe(ctx, Event{Name: EventRefused, Client: client, Code: e.Code, Reason: e.Description})
}

// no makes a refusal from the book.
func (p *Provider) no(id string, facts ...string) *wardkey.Refusal {
	return p.rules.Refuse(id, facts...)
}

// audit writes one line about what a transaction did.
func audit(ctx context.Context, tx *Tx, actor, action, subject, detail string) error {
	return tx.Audit.Append(ctx, careid.AuditEntry{At: tx.Now, Actor: actor, Action: action, Subject: subject, Detail: detail})
}

// newID is 128 random bits in hex.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}

// newSecret is 256 random bits in base64url. The store keeps only digest of it.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// seconds is a time of Wall as messages carry it.
func (p *Provider) seconds() time.Time { return p.config.Wall().UTC().Truncate(time.Second) }

// isOver reports whether a refusal of careid says that a session will never live again.
func isOver(err error) bool {
	switch wardkey.RuleOf(err) {
	case "session.none", "session.ended", "presence.ended":
		return true
	}
	return false
}

// saidNo reports whether err is a refusal of careid, and no failure.
func saidNo(err error) bool {
	var one *wardkey.Refusal
	return errors.As(err, &one)
}
