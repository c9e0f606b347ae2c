// SPDX-License-Identifier: Apache-2.0

package webauthn

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

//go:embed rules.json
var rulesJSON []byte

// Rulebook returns what this package itself says no to, which algorithms and
// attestation formats it takes, and its rate.
func Rulebook() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) }

// Path is where the handler is to be mounted.
const Path = "/webauthn/v1/"

// Sessions carries session tokens in cookies. *cardhttp.Handler does, and one
// and the same for both keeps one session for a browser, whatever opened it.
type Sessions interface {
	// Token is the session token of a request, "" without one.
	Token(r *http.Request) string
	// SessionCookie is the cookie that carries a token.
	SessionCookie(token string) *http.Cookie
}

// Config says whom the authenticators are registered for, and which ones may be.
type Config struct {
	Service  *careid.Service
	Sessions Sessions

	// RPID is the relying party id: the domain that credentials are bound to, for
	// as long as they live. Another one later is another service to every
	// authenticator. WebAuthn Level 2 §5.1.3.
	RPID string
	// RPName is what browsers call this service. Default: RPID.
	RPName string
	// Origins are the pages that may ask, as scheme://host[:port], compared byte
	// for byte: each on RPID or below it, with https, or http on localhost.
	Origins []string

	// Models are the authenticators that may be registered and used. One that is
	// not listed, or does not prove that it is what it says, is refused; New
	// refuses an empty list.
	Models []Model
	// Policy is this package's rulebook. Default: Rulebook. An organisation's is an
	// Overlay of it, which may only tighten.
	Policy *wardkey.Rulebook
	// Rules is the Service's rulebook. Default: careid.Rules.
	Rules *wardkey.Rulebook

	// Source tells the requests of one place from another's, for the rate of
	// sign-ins. The default is the connection's address (an IPv6 address by its
	// /64); behind a proxy of your own, read what it sets.
	Source func(*http.Request) string

	// Now is the calendar: which models and rules are in force, whether a
	// certificate of a model has ended. Wall measures the rate. Default: time.Now.
	Now, Wall func() time.Time
	// Log gets refusals by their rule, with the cause that no answer tells. Nil is
	// silent.
	Log *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	var err error
	if c.RPName == "" {
		c.RPName = c.RPID
	}
	if c.Policy == nil {
		if c.Policy, err = Rulebook(); err != nil {
			return c, err
		}
	}
	if c.Rules == nil {
		if c.Rules, err = careid.Rules(); err != nil {
			return c, err
		}
	}
	if c.Source == nil {
		c.Source = web.Source
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
	c.Origins, c.Models = slices.Clone(c.Origins), slices.Clone(c.Models)
	return c, nil
}

// check refuses what would let everybody in, or nobody.
func (c Config) check() error {
	switch {
	case c.Service == nil:
		return errors.New("webauthn: Config.Service is missing")
	case c.Sessions == nil:
		return errors.New("webauthn: Config.Sessions is missing")
	case c.RPID == "" || c.RPID != strings.ToLower(c.RPID) || net.ParseIP(c.RPID) != nil || strings.ContainsAny(c.RPID, ":/[]@ ") || strings.Trim(c.RPID, ".") != c.RPID:
		return fmt.Errorf("webauthn: Config.RPID %q is not a domain in lower case", c.RPID)
	case c.RPID != "localhost" && !strings.Contains(c.RPID, "."):
		return fmt.Errorf("webauthn: Config.RPID %q is a top-level domain", c.RPID)
	case len(c.Origins) == 0:
		return errors.New("webauthn: Config.Origins is empty")
	case len(c.Models) == 0:
		return errors.New("webauthn: Config.Models is empty: no authenticator could be registered, and none is approved by default")
	}
	for _, origin := range c.Origins {
		if err := checkOrigin(origin, c.RPID); err != nil {
			return err
		}
	}
	return checkModels(c.Models)
}

// checkOrigin asks that an origin is written as browsers write it, since it is
// compared byte for byte, and that the relying party id is one that they accept
// of it. HTML §7.1.1 (serialization of an origin); WebAuthn Level 2 §5.1.3 step 8.
func checkOrigin(origin, rpID string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || origin != strings.ToLower(origin) || strings.Contains(origin, "*") {
		return fmt.Errorf("webauthn: Config.Origins: %q is not scheme://host[:port] in lower case, without wildcards", origin)
	}
	host := u.Hostname()
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !local):
		return fmt.Errorf("webauthn: Config.Origins: %q must be https (http only on localhost)", origin)
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80", strings.HasSuffix(u.Host, ":"):
		return fmt.Errorf("webauthn: Config.Origins: %q names the port that browsers leave out", origin)
	case host != rpID && !strings.HasSuffix(host, "."+rpID):
		return fmt.Errorf("webauthn: Config.Origins: %q is not on Config.RPID %q", origin, rpID)
	}
	return nil
}

// secure reports whether cookies can be tied to TLS: http origins are those of a
// developer's own machine.
func (c Config) secure() bool {
	return !slices.ContainsFunc(c.Origins, func(origin string) bool { return strings.HasPrefix(origin, "http:") })
}
