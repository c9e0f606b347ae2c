// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"fmt"
	"maps"
	"net/url"
)

// play is one thing that is tried; accepted says that a person was signed in, or
// for a logout that the session ended. bad plays must not be accepted.
type play struct {
	name, what, clause string
	bad                bool
	run                func(ctx context.Context, app Application) (outcome, error)
}

type outcome struct {
	accepted bool
	// pointless says why it was not played.
	pointless string
	// detail is what was seen, for a reader who wonders why.
	detail string
}

// plays are all, in order. The good ones stand at the beginning and the end: an
// application that no longer signs anybody in has refused nothing.
func (c *Checker) plays() []play {
	all := []play{{name: "good", what: "all is right", run: c.goodSignIn}}
	for _, a := range append(idTokenAttacks(), answerAttacks()...) {
		all = append(all, play{a.name, a.wrong, a.clause, true, func(ctx context.Context, app Application) (outcome, error) {
			return c.tryAttack(ctx, app, a)
		}})
	}
	all = append(all,
		play{"state-guessable", "the application's state is missing or the same each time", "RFC 9700 §4.7.1", true, c.guessable("state")},
		play{"nonce-guessable", "the application's nonce is missing or the same each time", "OIDC Core §15.5.2", true, c.guessable("nonce")},
		play{"response-elsewhere", "the response arrives in a browser that asked for nothing (login CSRF)", "RFC 9700 §4.7", true, c.elsewhere},
		play{"code-injected", "the code is one from another person's browser", "RFC 9700 §4.5", true, c.injected},
		play{"session-fixed", "a session id from before the sign-in is signed in by it", "OWASP ASVS 7.2.4", true, c.sessionFixed},
	)
	all = append(all, c.logoutPlays()...)
	return append(all, play{name: "good-again", what: "all is right, after all of the above", run: c.goodSignIn})
}

func (c *Checker) goodSignIn(ctx context.Context, app Application) (outcome, error) {
	o, _, err := c.signIn(ctx, app, attack{})
	return o, err
}

// signIn goes all the way, with the response that a makes of it.
func (c *Checker) signIn(ctx context.Context, app Application, a attack) (outcome, *browser, error) {
	b := c.browser()
	request, err := b.begin(ctx, app)
	if err != nil {
		return outcome{}, nil, err
	}
	if a.pointless != nil {
		if why := a.pointless(app, request); why != "" {
			return outcome{pointless: why}, b, nil
		}
	}
	o, err := b.arrive(ctx, app, c.authorize(request, a))
	return o, b, err
}

func (c *Checker) tryAttack(ctx context.Context, app Application, a attack) (outcome, error) {
	if a.both != nil {
		a.token = func(_ *Checker, t *draft) { a.both(app, t.claims) }
		a.userinfo = func(claims object) { a.both(app, claims) }
	}
	o, _, err := c.signIn(ctx, app, a)
	return o, err
}

// arrive brings the response to the application, and asks for the page that only
// a signed-in person gets.
func (b *browser) arrive(ctx context.Context, app Application, response *url.URL) (outcome, error) {
	b.checker.forgetRefusal()
	p, err := b.open(ctx, response.String())
	if err != nil {
		return outcome{}, err
	}
	o := outcome{detail: fmt.Sprintf("the response led to status %d at %s", p.status, withoutQuery(p.at))}
	if p.request != nil {
		o.detail = "the response led back to the provider"
	}
	if why := b.checker.forgetRefusal(); why != "" {
		o.detail += "; the token endpoint said " + why
	}
	o.accepted, err = b.signedIn(ctx, app)
	return o, err
}

func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that can't be read"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// forgetRefusal is what the token endpoint said no to last.
func (c *Checker) forgetRefusal() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.refused
	c.refused = ""
	return why
}

// guessable compares one parameter of two requests.
func (c *Checker) guessable(parameter string) func(context.Context, Application) (outcome, error) {
	return func(ctx context.Context, app Application) (outcome, error) {
		var seen [2]string
		for i := range seen {
			request, err := c.browser().begin(ctx, app)
			if err != nil {
				return outcome{}, err
			}
			seen[i] = request.Get(parameter)
		}
		return outcome{accepted: seen[0] == "" || seen[0] == seen[1]}, nil
	}
}

func (c *Checker) elsewhere(ctx context.Context, app Application) (outcome, error) {
	request, err := c.browser().begin(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	return c.browser().arrive(ctx, app, c.authorize(request, attack{}))
}

// injected swaps the codes of two sign-ins that are under way, and leaves each
// response its own state.
func (c *Checker) injected(ctx context.Context, app Application) (outcome, error) {
	theirs, err := c.browser().begin(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	b := c.browser()
	ours, err := b.begin(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	response, stolen := c.authorize(ours, attack{}), c.authorize(theirs, attack{})
	q := response.Query()
	q.Set("code", stolen.Query().Get("code"))
	response.RawQuery = q.Encode()
	return b.arrive(ctx, app, response)
}

// sessionFixed keeps a copy of what the browser had before the sign-in.
func (c *Checker) sessionFixed(ctx context.Context, app Application) (outcome, error) {
	b := c.browser()
	request, err := b.begin(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	before := b.copy(app)
	if o, err := b.arrive(ctx, app, c.authorize(request, attack{})); err != nil || !o.accepted {
		return outcome{detail: o.detail}, err
	}
	in, err := before.signedIn(ctx, app)
	return outcome{accepted: in}, err
}

// claimsOf is a copy of a sign-in's, for a token that speaks of it.
func claimsOf(g *grant) object { return maps.Clone(g.claims) }
