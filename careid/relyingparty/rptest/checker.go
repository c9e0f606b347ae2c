// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Config says what provider the application is shown.
type Config struct {
	// Listen is the address to listen on, by default 127.0.0.1 and any free port.
	Listen string
	// Issuer is what the application is configured with, verbatim. Default http://
	// and the address; another where a proxy of yours stands before it.
	Issuer string
	// ClientID of the application. Required.
	ClientID string
	// Secret (client_secret_post or _basic) or JWKS, the address of the
	// application's keys (private_key_jwt). Without either, how the application
	// authenticates itself is not checked.
	Secret []byte
	JWKS   string
	// Person signs in.
	Person Person
	// IntLevels has the assurance levels as numbers. They are texts by default.
	IntLevels bool
	// Transport of the browser and of what the provider sends. Default
	// http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout of one request to the application. Default 10 s.
	Timeout time.Duration
	// Wall is the clock of the tokens. Default time.Now.
	Wall func() time.Time
}

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Person = c.Person.withDefaults()
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return c
}

// Application is what is checked.
type Application struct {
	// Login is the address that begins a sign-in. Required.
	Login string
	// Protected is a page for signed-in people. Default Login.
	Protected string
	// Expect is a text that the page has only for a signed-in person. Default:
	// that it answers 2xx.
	Expect string
	// BackChannel is the address for logout tokens; NoBackChannel says that there
	// is none.
	BackChannel   string
	NoBackChannel bool
	// MinIdentity is the identity level that the application asks for, 1 to 3. 0:
	// none.
	MinIdentity int
	// Only are the names of the bad plays to play. Default all.
	Only []string
}

// Checker is a provider that listens, until Close.
type Checker struct {
	config   Config
	issuer   string
	base     *url.URL
	key      signer // published
	stranger signer // not
	server   *http.Server

	mu         sync.Mutex
	grants     map[string]*grant // by code
	access     map[string]*grant // by access token
	assertions map[string]bool   // jti of client assertions
	refused    string            // what the token endpoint said no to last
}

// New is Open for a test, closed at its end.
func New(t testing.TB, config Config) *Checker {
	t.Helper()
	c, err := Open(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// Open begins to listen. It fails without a ClientID, with both Secret and JWKS,
// with an Issuer that is no http or https URL, and where the address is taken.
func Open(config Config) (*Checker, error) {
	config = config.withDefaults()
	if config.ClientID == "" {
		return nil, errors.New("rptest: Config.ClientID is missing")
	}
	if len(config.Secret) > 0 && config.JWKS != "" {
		return nil, errors.New("rptest: Config has both Secret and JWKS")
	}
	c := &Checker{config: config, grants: map[string]*grant{}, access: map[string]*grant{}, assertions: map[string]bool{}}
	var err error
	if c.key, err = newSigner(); err != nil {
		return nil, err
	}
	if c.stranger, err = newSigner(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("rptest: %w", err)
	}
	c.issuer = cmp.Or(config.Issuer, "http://"+listener.Addr().String())
	c.base, err = url.Parse(c.issuer)
	if err != nil || c.base.Host == "" || c.base.Scheme != "http" && c.base.Scheme != "https" {
		_ = listener.Close() // nothing was served yet
		return nil, fmt.Errorf("rptest: the issuer %q is no http or https URL", c.issuer)
	}
	c.server = &http.Server{Handler: c.handler(), ReadTimeout: config.Timeout, WriteTimeout: config.Timeout}
	go func() { _ = c.server.Serve(listener) }() // ends with Close
	return c, nil
}

// Issuer is what the application is to be configured with, verbatim.
func (c *Checker) Issuer() string { return c.issuer }

// Close ends the provider.
func (c *Checker) Close() error { return c.server.Close() }

// Reach says why the application's login address doesn't lead to this provider,
// or nil.
func (c *Checker) Reach(ctx context.Context, app Application) error {
	if _, err := c.browser().begin(ctx, app); err != nil {
		return fmt.Errorf("rptest: %w", err)
	}
	return nil
}

// Check plays everything, and fails the test for each play that goes wrong.
func (c *Checker) Check(t testing.TB, app Application) {
	t.Helper()
	report, err := c.Play(t.Context(), app)
	require.NoError(t, err)
	for _, one := range report.Results {
		if one.Verdict == Wrong {
			t.Errorf("%s: %s: %s (%s) %s", one.happened(), one.Name, one.What, one.Clause, one.Detail)
		}
	}
}

// Play plays everything. The error is of a check that could not be made: an
// application that can't be reached, that asks for something else than this
// provider gives, or whose page can't be told from a signed-in person's. Where
// the good sign-in fails, the bad ones are not played: refusing them would prove
// nothing.
func (c *Checker) Play(ctx context.Context, app Application) (Report, error) {
	app.Protected = cmp.Or(app.Protected, app.Login)
	if app.BackChannel == "" && !app.NoBackChannel {
		return Report{}, errors.New("rptest: Application.BackChannel is missing; say NoBackChannel where there is none")
	}
	in, err := c.browser().signedIn(ctx, app)
	if err != nil {
		return Report{}, fmt.Errorf("rptest: %w", err)
	}
	if in {
		return Report{}, fmt.Errorf("rptest: %s answers 2xx to a browser that is not signed in: give another page (Protected) or a text of the signed-in one's (Expect)", app.Protected)
	}
	var report Report
	for _, p := range c.plays() {
		if p.bad && len(app.Only) > 0 && !slices.Contains(app.Only, p.name) {
			continue
		}
		o, err := p.run(ctx, app)
		if err != nil {
			return report, fmt.Errorf("rptest: %s: %w", p.name, err)
		}
		report.Results = append(report.Results, p.result(o))
		if p.name == "good" && !o.accepted {
			break
		}
	}
	return report, nil
}

func (p play) result(o outcome) Result {
	r := Result{Name: p.name, Bad: p.bad, Verdict: Right, What: p.what, Clause: p.clause, Detail: o.detail}
	switch {
	case o.pointless != "":
		r.Verdict, r.Detail = NotPlayed, o.pointless
	case o.accepted == p.bad:
		r.Verdict = Wrong
	}
	return r
}

// checkRequest says what of an application's request this provider can't answer.
func (c *Checker) checkRequest(request url.Values) error {
	redirect, err := url.Parse(request.Get("redirect_uri"))
	switch {
	case request.Get("response_type") != "code":
		return fmt.Errorf("the application asks for response_type %q, and the national service gives code alone", request.Get("response_type"))
	case request.Get("client_id") != c.config.ClientID:
		return fmt.Errorf("the application's client_id is %q, not %q", request.Get("client_id"), c.config.ClientID)
	case err != nil || redirect.Host == "":
		return fmt.Errorf("the application's redirect_uri %q is no absolute URL", request.Get("redirect_uri"))
	case !asks(request, "openid"):
		return fmt.Errorf("the application's scope %q has no openid", request.Get("scope"))
	case request.Get("code_challenge") != "" && request.Get("code_challenge_method") != "S256":
		return fmt.Errorf("the application's code_challenge_method is %q, not S256", request.Get("code_challenge_method"))
	case strings.Contains(request.Get("response_mode"), "form_post"):
		return errors.New("the application asks for response_mode form_post, which the national service doesn't give")
	}
	return nil
}

// Names are those of all plays, in order.
func Names() []string {
	var names []string
	for _, p := range new(Checker).plays() {
		names = append(names, p.name)
	}
	return names
}
