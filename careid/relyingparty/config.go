// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// Any as a least level takes every level, and none.
const Any = -1

// Config says which provider signs people in, and what the application asks of
// them. The package comment has what the national service's registration calls
// each field.
type Config struct {
	// Issuer is the provider's, verbatim: it is compared byte for byte, with a
	// port that a browser would leave out (":443"). https, or http to a loopback
	// host. Required.
	Issuer string
	// ClientID is the application's at the provider. Required.
	ClientID string
	// Secret authenticates the application by client_secret_post, Keys by
	// private_key_jwt. One of the two is required.
	Secret []byte
	Keys   *Keys
	// AssertionAudience is the aud of private_key_jwt. Default the token endpoint
	// as the provider's discovery spells it.
	AssertionAudience string

	// RedirectURL is the application's callback as registered. Its folder holds
	// the addresses that ServeHTTP answers. https, or http to a loopback host.
	// Required.
	RedirectURL string
	// Scopes of the request. Default DefaultScopes.
	Scopes []string
	// Prompt is empty, or login, consent, select_account or none. With login the
	// person has to sign in anew, and a sign-in from before the request is refused.
	Prompt string
	// ACRValues are asked for in this order of preference, such as AAL3_ANY.
	ACRValues []string
	// MaxAge is how long ago the person may have signed in at the provider, in
	// whole seconds. 0 asks for nothing.
	MaxAge time.Duration
	// NoPKCE leaves out the code challenge, for a provider that refuses it.
	NoPKCE bool
	// Algorithms of the provider's tokens. Default RS256 alone.
	Algorithms []string

	// MinIdentity is the least identity assurance level, 1 to 3, default 3. Any
	// asks for none.
	MinIdentity int
	// MinAuthentication is the least authenticator assurance level, 1 to 3. The
	// default is the lowest of ACRValues, and 2 without those. Any asks for none.
	MinAuthentication int
	// AllowMissingACR takes an ID token without acr; its
	// authentication_assurance_level then has to suffice.
	AllowMissingACR bool
	// Role is what one role of the person's must be: the selected one where a role
	// was selected, else any. The zero value asks for none.
	Role RoleNeeded

	// Lifetime of a session by the calendar, default and at most that of the rule
	// rp.session.max (8 hours). Idle is how long it may be left alone, default that
	// of rp.session.idle (15 minutes), at most Lifetime.
	Lifetime, Idle time.Duration
	// Name of the application, for the pages. Default the host of RedirectURL.
	Name string
	// WardkeyClaims reads Wardkey's own claims, whose names begin with wardkey_.
	// The national service has none of them, so they are off by default.
	WardkeyClaims bool

	// Store keeps sign-ins under way and sessions. Default a MemoryStore, which
	// ends with the process and serves one server.
	Store Store
	// Transport reaches the provider. Default http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock of sessions, Wall that of tokens. Default time.Now.
	Now, Wall func() time.Time
	// Ended hears of a logout token once its sessions have ended and before the
	// provider is answered, by the token's sub and sid, of which one may be "": for
	// what an application keeps beside its sessions, such as an open stream. It is
	// called at the server that took the token, and not for other ends of a session;
	// that a session of this application was among those is not said. Nil is told
	// nothing.
	Ended func(ctx context.Context, subject, sessionID string)
	// Log gets refusals by their rule, with their cause. Nil is silent.
	Log *slog.Logger
}

// DefaultScopes are the scopes that give all that Claims has.
func DefaultScopes() []string {
	return []string{"openid", "profile", "email", "nhsperson", "associatedorgs", "nationalrbacaccess", "selectedrole"}
}

func (c Config) withDefaults(book *wardkey.Rulebook) (Config, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Ended == nil {
		c.Ended = func(context.Context, string, string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Store == nil {
		c.Store = NewMemoryStore()
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if len(c.Scopes) == 0 {
		c.Scopes = DefaultScopes()
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256"}
	}
	c.MinIdentity = cmp.Or(c.MinIdentity, 3)
	if c.MinAuthentication == 0 {
		c.MinAuthentication = 2
		if len(c.ACRValues) > 0 {
			c.MinAuthentication = slices.Min(levelsOf(c.ACRValues))
		}
	}
	now := c.Now()
	most, err := book.Duration("rp.session.max", now)
	if err != nil {
		return c, err
	}
	idle, err := book.Duration("rp.session.idle", now)
	if err != nil {
		return c, err
	}
	c.Lifetime = cmp.Or(c.Lifetime, most)
	c.Idle = cmp.Or(c.Idle, min(idle, c.Lifetime))
	if c.Lifetime < 0 || c.Lifetime > most || c.Idle < 0 || c.Idle > c.Lifetime {
		return c, fmt.Errorf("relyingparty: Config.Lifetime is at most %v, and Idle at most Lifetime", most)
	}
	return c, nil
}

func levelsOf(acrs []string) []int {
	levels := make([]int, len(acrs))
	for i, acr := range acrs {
		levels[i] = levelOf(acr)
	}
	return levels
}

// check finds what can't work, before anybody signs in.
func (c Config) check() (redirect *url.URL, err error) {
	if _, err := address(c.Issuer); err != nil {
		return nil, fmt.Errorf("relyingparty: Config.Issuer: %w", err)
	}
	redirect, err = address(c.RedirectURL)
	if err != nil {
		return nil, fmt.Errorf("relyingparty: Config.RedirectURL: %w", err)
	}
	refuse := func(what string) (*url.URL, error) { return nil, errors.New("relyingparty: Config." + what) }
	switch {
	case strings.HasSuffix(redirect.Path, "/") || redirect.Path == "" || redirect.RawQuery != "":
		return refuse("RedirectURL needs a path that names the callback, and no query")
	case slices.Contains(ownNames(), redirect.Path[strings.LastIndex(redirect.Path, "/")+1:]):
		return refuse("RedirectURL has the name of another of its addresses")
	case c.ClientID == "":
		return refuse("ClientID is missing")
	case (len(c.Secret) == 0) == (c.Keys == nil):
		return refuse("Secret and Keys: one of them, and not both")
	case !slices.Contains(c.Scopes, "openid"):
		return refuse("Scopes lacks openid")
	case !slices.Contains(c.Scopes, "nationalrbacaccess") && (c.asksRole() || !c.Role.none()):
		return refuse("Scopes lacks nationalrbacaccess, without which no role is told")
	case !slices.Contains([]string{"", "login", "consent", "select_account", "none"}, c.Prompt):
		return refuse("Prompt is none that OpenID Connect has")
	case c.MaxAge < 0 || c.MaxAge%time.Second != 0:
		return refuse("MaxAge is not whole seconds, zero or more")
	case slices.ContainsFunc(levelsOf(c.ACRValues), func(l int) bool { return l == 0 }):
		return refuse("ACRValues has one that doesn't begin with AAL1, AAL2 or AAL3")
	case c.MinIdentity < Any || c.MinIdentity > 3 || c.MinAuthentication < Any || c.MinAuthentication > 3:
		return refuse("MinIdentity and MinAuthentication are 1 to 3, or Any")
	case slices.ContainsFunc(c.Algorithms, func(a string) bool { return !slices.Contains(asymmetric, a) }):
		return refuse("Algorithms has one that is not of RS, PS or ES")
	}
	return redirect, nil
}

func (c Config) asksRole() bool {
	return slices.Contains(c.Scopes, "selectedrole") || slices.Contains(c.Scopes, "changedrole")
}

// address is https, or http to a loopback host.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no absolute URL", text)
	}
	if u.Scheme == "https" || u.Scheme == "http" && web.Loopback(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("%q must be https (http only to a loopback host)", text)
}
