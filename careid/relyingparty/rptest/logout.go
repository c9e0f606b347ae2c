// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// A logout token is judged by what it does to a session, not by the status that
// it is answered with, which is told beside.
var errLost = errors.New("the session was gone before the logout token came")

type logoutAttack struct {
	name, wrong, clause string
	change              func(c *Checker, t *draft)
}

func logoutAttacks() []logoutAttack {
	return []logoutAttack{
		{"logout-nonce", "the logout token has a nonce", "Back-Channel Logout §2.6, 7", setting("nonce", func(*Checker) any { return random() })},
		{"logout-event-other", "the logout token's event is another", "Back-Channel Logout §2.6, 6", setting("events", fixed(object{"http://schemas.openid.net/event/other": object{}}))},
		{"logout-event-missing", "the logout token has no events", "Back-Channel Logout §2.6, 6", dropping("events")},
		{"logout-iss-wrong", "the logout token is another issuer's", "Back-Channel Logout §2.6, 4", setting("iss", func(c *Checker) any { return foreign(c.issuer) })},
		{"logout-aud-wrong", "the logout token is for another client", "Back-Channel Logout §2.6, 4", setting("aud", fixed("another-client"))},
		{"logout-old", "the logout token ended an hour ago", "Back-Channel Logout §2.6, 4", func(c *Checker, t *draft) {
			t.claims["iat"], t.claims["exp"] = past(c, time.Hour+2*time.Minute), past(c, time.Hour)
		}},
		{"logout-alg-none", "the logout token is not signed", "Back-Channel Logout §2.6, 3", unsigned},
		{"logout-key-foreign", "the logout token is signed by another key", "Back-Channel Logout §2.6, 2", underKnownName},
		{"logout-person-other", "the logout token is about another person's session", "Back-Channel Logout §2.7", func(_ *Checker, t *draft) {
			t.claims["sub"], t.claims["sid"] = "555000000991", random()
		}},
	}
}

func (c *Checker) logoutPlays() []play {
	const whole = "Back-Channel Logout §2.7"
	all := []play{
		{"logout-good", "a logout token, right in all", whole, false, c.played(c.goodLogout)},
		{"logout-replayed", "a logout token comes again, after the next sign-in", "Back-Channel Logout §2.6, 8", true, c.played(c.replayed)},
		{"logout-id-token", "an ID token is posted as a logout token", "RFC 8725 §3.12", true, c.played(func(ctx context.Context, app Application) (outcome, error) {
			return c.badLogout(ctx, app, func(g *grant) string { return c.signed(claimsOf(g)).String() })
		})},
	}
	for _, a := range logoutAttacks() {
		all = append(all, play{a.name, a.wrong, a.clause, true, c.played(func(ctx context.Context, app Application) (outcome, error) {
			return c.badLogout(ctx, app, func(g *grant) string { return c.logoutToken(g, a.change) })
		})})
	}
	return all
}

// played is run, where the application has back-channel logout.
func (c *Checker) played(run func(context.Context, Application) (outcome, error)) func(context.Context, Application) (outcome, error) {
	return func(ctx context.Context, app Application) (outcome, error) {
		if app.NoBackChannel {
			return outcome{pointless: "the application has no back-channel logout (NoBackChannel)"}, nil
		}
		return run(ctx, app)
	}
}

// logoutToken speaks of a sign-in, with the claims of the national service's.
// OpenID Connect Back-Channel Logout 1.0 §2.4.
func (c *Checker) logoutToken(g *grant, change func(*Checker, *draft)) string {
	now := c.config.Wall()
	t := c.signed(object{
		"iss": c.issuer, "sub": g.claims["sub"], "sid": g.claims["sid"], "aud": c.config.ClientID,
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": random(),
		"events": object{logoutEvent: object{}},
	})
	if change != nil {
		change(c, t)
	}
	return t.String()
}

// present signs a person in, and gives the browser and what the provider knows.
func (c *Checker) present(ctx context.Context, app Application) (*browser, *grant, error) {
	b := c.browser()
	request, err := b.begin(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	response := c.authorize(request, attack{})
	o, err := b.arrive(ctx, app, response)
	if err != nil {
		return nil, nil, err
	}
	if !o.accepted {
		return nil, nil, fmt.Errorf("%w: %s", errLost, o.detail)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return b, c.grants[response.Query().Get("code")], nil
}

// deliver posts a logout token. OpenID Connect Back-Channel Logout 1.0 §2.5.
func (c *Checker) deliver(ctx context.Context, app Application, token string) (int, error) {
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.BackChannel, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Timeout: c.config.Timeout, Transport: c.config.Transport}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxPage))
	return resp.StatusCode, err
}

func (c *Checker) goodLogout(ctx context.Context, app Application) (outcome, error) {
	b, g, err := c.present(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	return c.ended(ctx, app, b, c.logoutToken(g, nil))
}

func (c *Checker) badLogout(ctx context.Context, app Application, token func(*grant) string) (outcome, error) {
	b, g, err := c.present(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	return c.ended(ctx, app, b, token(g))
}

// replayed has a token without sid, which speaks of all sessions of a person: the
// second time it would end one that began after it was made.
func (c *Checker) replayed(ctx context.Context, app Application) (outcome, error) {
	first, g, err := c.present(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	token := c.logoutToken(g, dropping("sid"))
	if o, err := c.ended(ctx, app, first, token); err != nil || !o.accepted {
		return outcome{pointless: "a logout token without sid ends nothing here"}, err
	}
	second, _, err := c.present(ctx, app)
	if err != nil {
		return outcome{}, err
	}
	return c.ended(ctx, app, second, token)
}

// ended delivers a token and says whether the browser's session is over.
func (c *Checker) ended(ctx context.Context, app Application, b *browser, token string) (outcome, error) {
	status, err := c.deliver(ctx, app, token)
	if err != nil {
		return outcome{}, err
	}
	in, err := b.signedIn(ctx, app)
	return outcome{accepted: !in, detail: fmt.Sprintf("the logout token was answered with status %d", status)}, err
}
