// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// Service says whether a session lives; *careid.Service has it.
type Service interface {
	Session(ctx context.Context, token string) (*careid.Session, error)
}

// Records are read for what a person is and for sessions that ended while nobody listened; every careid.Store is one.
type Records interface {
	Read(ctx context.Context, fn func(ctx context.Context, tx *careid.Tx) error) error
}

// Layout says where the endpoints stand under the issuer.
type Layout string

// The two layouts that clients of the national service meet: its own, and that of its mock.
const (
	// ForgeRock is /authorize, /access_token, /userinfo and /connect/jwk_uri.
	ForgeRock Layout = "forgerock"
	// Keycloak is /protocol/openid-connect/ with auth, token, userinfo and certs.
	Keycloak Layout = "keycloak"
)

// Config is what a Provider is made of. Issuer, Service, Records, Store, Keys, SignIn and SessionToken are needed.
type Config struct {
	// Issuer is the claim iss and the beginning of every endpoint's address, byte for byte as clients compare it: a port
	// :443 stays. https, or http to a loopback host; without query and fragment.
	Issuer string
	// Layout is ForgeRock by default.
	Layout Layout

	Service Service
	Records Records
	Store   Store // by the same two clocks
	// People tells who somebody is. Default: a Directory of Records.
	People People

	// Keys sign tokens; see Provider.SetKeys.
	Keys []Key
	// Clients are the relying parties. ParseClients reads them from JSON.
	Clients []Client

	// SignIn is the address of the application's page for requests that wait for a person, such as "/signin". The
	// browser is sent there with the parameter request, which Waiting, Finish and Refuse take.
	SignIn string
	// SessionToken reads the session's token from a browser's request, "" where there is none. The cookie is the
	// application's: (*cardhttp.Handler).Token is such a function.
	SessionToken func(*http.Request) string
	// Refused shows a person an authorization request that can't be answered to its client, since client or redirect
	// address are not known. The default is a line of plain text.
	Refused func(http.ResponseWriter, *http.Request, *Error)

	CodeFor    time.Duration // default 1 minute, at most 10 (RFC 6749 §4.1.2)
	AccessFor  time.Duration // default 1 hour, as the national service; never longer than the session
	IDTokenFor time.Duration // default 1 hour
	RefreshFor time.Duration // default 12 hours from the sign-in, not renewed; never longer than the session
	WaitFor    time.Duration // default 30 minutes: how long a request waits for its person

	// Roots verify the clients' servers, to which logout tokens are sent and from which keys are read. Default: the
	// system's.
	Roots *x509.CertPool
	// Reach says whether such a server may have an address. Default: none that is unspecified, multicast or link-local,
	// and loopback only where the client's registered host is a loopback name.
	Reach func(netip.Addr) bool

	// Test makes a provider whose messages say that they are a test's; nil is a real one.
	Test *Test

	Now     func() time.Time // the calendar, the same as the Service's; default time.Now
	Wall    func() time.Time // the wire, and the times inside messages; default time.Now
	Log     *slog.Logger     // nil is silent
	Observe func(context.Context, Event)
}

// Test marks everything that a provider says of a person: "wardkey_test": true in ID tokens, logout tokens and userinfo.
type Test struct {
	// Alter may spoil the claims of a message before it is signed or sent, to try a client's checks. Optional.
	Alter func(m Message, client string, claims map[string]any)
}

// Message is a kind of message that says something of a person.
type Message string

// The three kinds.
const (
	IDToken     Message = "id_token"
	LogoutToken Message = "logout_token"
	UserInfo    Message = "userinfo"
)

// EventName is one of the closed list below.
type EventName string

// What Observe is told, after the commit.
const (
	EventAuthorized    EventName = "openid.authorized"      // a code was handed out
	EventTokens        EventName = "openid.tokens"          // a code or refresh token was redeemed
	EventReplayed      EventName = "openid.replayed"        // one was used again; its grant is revoked
	EventRefused       EventName = "openid.refused"         // a request was answered with an error
	EventSessionEnded  EventName = "openid.session-ended"   // with its tokens; logout tokens are due
	EventLogoutSent    EventName = "openid.logout-sent"     // and accepted
	EventLogoutFailed  EventName = "openid.logout-failed"   // it is tried again
	EventLogoutGivenUp EventName = "openid.logout-given-up" // refused by the client, or failed for 12 hours
)

// Event is one thing that happened. It names no person.
type Event struct {
	Name    EventName
	Client  string
	Session string // careid's Session.ID
	Code    string // EventRefused: the OAuth error
	Reason  string
}

func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	fill(&c.CodeFor, time.Minute)
	fill(&c.AccessFor, time.Hour)
	fill(&c.IDTokenFor, time.Hour)
	fill(&c.RefreshFor, 12*time.Hour)
	fill(&c.WaitFor, 30*time.Minute)
	if c.Layout == "" {
		c.Layout = ForgeRock
	}
	if c.People == nil {
		c.People = &Directory{Records: c.Records}
	}
	if c.Refused == nil {
		c.Refused = func(w http.ResponseWriter, _ *http.Request, e *Error) { http.Error(w, e.Error(), e.Status()) }
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
	if c.Observe == nil {
		c.Observe = func(context.Context, Event) {}
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Service == nil || c.Records == nil || c.Store == nil:
		return errors.New("openid: Config needs a Service, its Records and a Store")
	case c.SignIn == "" || c.SessionToken == nil:
		return errors.New("openid: Config needs a SignIn page and SessionToken")
	case c.CodeFor < 0 || c.AccessFor < 0 || c.IDTokenFor < 0 || c.RefreshFor < 0 || c.WaitFor < 0:
		return errors.New("openid: a duration is negative")
	case c.CodeFor > 10*time.Minute:
		return errors.New("openid: CodeFor is longer than 10 minutes")
	case c.RefreshFor < c.AccessFor:
		return errors.New("openid: RefreshFor is shorter than AccessFor")
	}
	if _, err := url.Parse(c.SignIn); err != nil {
		return fmt.Errorf("openid: Config.SignIn: %w", err)
	}
	return nil
}

// addresses are the endpoints, as clients are told.
type addresses struct {
	issuer, authorize, token, userinfo, keys, discovery string
}

// place lays the endpoints out under the issuer. OpenID Connect Discovery §4: a final slash of the issuer is not doubled.
func place(issuer string, layout Layout) (addresses, error) {
	if err := checkIssuer(issuer); err != nil {
		return addresses{}, err
	}
	base := strings.TrimSuffix(issuer, "/")
	a := addresses{issuer: issuer, discovery: base + "/.well-known/openid-configuration"}
	switch layout {
	case ForgeRock:
		a.authorize, a.token, a.userinfo, a.keys = base+"/authorize", base+"/access_token", base+"/userinfo", base+"/connect/jwk_uri"
	case Keycloak:
		base += "/protocol/openid-connect"
		a.authorize, a.token, a.userinfo, a.keys = base+"/auth", base+"/token", base+"/userinfo", base+"/certs"
	default:
		return addresses{}, fmt.Errorf("openid: %q is not a layout", layout)
	}
	return a, nil
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?#{} ") || path.Clean("/"+u.Path) != "/"+strings.Trim(u.Path, "/") {
		return fmt.Errorf("openid: issuer %q is not scheme://host[:port][/path]", issuer)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !web.Loopback(u.Hostname())) {
		return fmt.Errorf("openid: issuer %q must be https (http only to a loopback host)", issuer)
	}
	return nil
}

// served is where an endpoint's address is served.
func served(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/" // checkIssuer has parsed it
	}
	return u.Path
}

// withoutPort443 is an address as libraries write it that drop the scheme's own port.
func withoutPort443(address string) string {
	rest, ok := strings.CutPrefix(address, "https://")
	if !ok {
		return address
	}
	host, rest, slash := strings.Cut(rest, "/")
	if slash {
		rest = "/" + rest
	}
	return "https://" + strings.TrimSuffix(host, ":443") + rest
}
