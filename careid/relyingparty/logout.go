// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogout bounds the body: a logout token is some 900 bytes.
	maxLogout = 16 << 10
)

// groupsOf are what a session can be ended by: its person (sub), its session at the
// provider (sid), and both. A session whose sid was never told ends with any of its
// person's.
func groupsOf(c Claims) []string {
	groups := []string{digest("sub", c.Issuer, c.Subject)}
	if c.SessionID == "" {
		return append(groups, digest("nosid", c.Issuer, c.Subject))
	}
	return append(groups, digest("sid", c.Issuer, c.SessionID), digest("both", c.Issuer, c.SessionID, c.Subject))
}

// logoutToken is what a logout token says. OpenID Connect Back-Channel Logout 1.0
// §2.4.
type logoutToken struct {
	Issuer  string                     `json:"iss"`
	Subject string                     `json:"sub"`
	Session string                     `json:"sid"`
	ID      string                     `json:"jti"`
	Events  map[string]json.RawMessage `json:"events"`
	Nonce   json.RawMessage            `json:"nonce"`
}

func (l logoutToken) groups() []string {
	switch {
	case l.Session == "":
		return []string{digest("sub", l.Issuer, l.Subject)}
	case l.Subject == "":
		return []string{digest("sid", l.Issuer, l.Session)}
	}
	return []string{digest("both", l.Issuer, l.Session, l.Subject), digest("nosid", l.Issuer, l.Subject)}
}

// backChannel ends the sessions that a logout token speaks of. It answers as
// OpenID Connect Back-Channel Logout 1.0 §2.8 asks: 200, also where there was no
// such session any more, 400 for a token that is not good, and 500 where the store
// failed or the provider's own keys could not be read, so that it tries again.
func (rp *RelyingParty) backChannel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, body string) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // the provider has gone; it tries again
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
	ended, err := rp.logOut(r.Context(), r.PostFormValue("logout_token"))
	switch {
	case errors.Is(err, errLogout):
		rp.config.Log.InfoContext(r.Context(), "logout token refused", "cause", err)
		answer(http.StatusBadRequest, `{"error":"invalid_request"}`)
	case err != nil:
		rp.config.Log.ErrorContext(r.Context(), "logout failed", "cause", err)
		answer(http.StatusInternalServerError, `{"error":"server_error"}`)
	default:
		rp.config.Log.InfoContext(r.Context(), "logged out by the provider", "sessions", ended)
		answer(http.StatusOK, `{}`)
	}
}

// errLogout is of a token that is not good, and won't be. After any other error the
// same token is taken again.
var errLogout = errors.New("relyingparty: not a good logout token")

// logOut ends the sessions that a token speaks of, and counts them.
func (rp *RelyingParty) logOut(ctx context.Context, raw string) (int, error) {
	token, until, err := rp.verifyLogout(ctx, raw)
	if err != nil {
		return 0, err
	}
	seen, err := rp.firstSeen(ctx, Record{Key: digest("jti", token.Issuer, token.ID), Until: until})
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, group := range token.groups() {
		sessions, err := rp.end(ctx, group)
		if err != nil {
			return 0, err
		}
		ended += sessions
	}
	seen.Value = []byte(done)
	err = rp.config.Store.Update(ctx, seen)
	if errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) { // by the same token at another server
		err = nil
	}
	if err == nil {
		rp.config.Ended(ctx, token.Subject, token.Session)
	}
	return ended, err
}

// done is the value of a jti whose sessions have ended. One without was begun by a
// server that failed in the middle, and may come again.
const done = "done"

// firstSeen notes a jti, and refuses one that was done. OpenID Connect Back-Channel
// Logout 1.0 §2.6, 8.
func (rp *RelyingParty) firstSeen(ctx context.Context, jti Record) (Record, error) {
	err := rp.config.Store.Add(ctx, jti, rp.config.Wall())
	if !errors.Is(err, ErrTaken) {
		return jti, err
	}
	was, err := rp.config.Store.Load(ctx, jti.Key)
	if errors.Is(err, ErrNotFound) || err == nil && string(was.Value) == done {
		err = fmt.Errorf("%w: its jti was seen before", errLogout)
	}
	return was, err
}

// overFor is how long an end is remembered for sign-ins that were under way: longer
// than the requests to the provider of one may take together.
const overFor = time.Minute

// end ends the sessions of a group, also one that is just being opened: the end is
// written down before the sessions are looked for, and open looks for it after it
// has written its session.
func (rp *RelyingParty) end(ctx context.Context, group string) (int, error) {
	now, key := rp.config.Wall(), digest("over", group)
	if _, err := rp.config.Store.Remove(ctx, key); err != nil { // of an end before
		return 0, err
	}
	err := rp.config.Store.Add(ctx, Record{Key: key, Until: now.Add(overFor), Used: now}, now)
	if err != nil && !errors.Is(err, ErrTaken) { // another has just written it
		return 0, err
	}
	records, err := rp.config.Store.Remove(ctx, group)
	return len(records), err
}

// overSince says whether one of the groups was ended after a sign-in began.
func (rp *RelyingParty) overSince(ctx context.Context, groups []string, began time.Time) (bool, error) {
	for _, group := range groups {
		record, err := rp.config.Store.Load(ctx, digest("over", group))
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return false, err
		case !record.Used.Before(began) && rp.config.Wall().Before(record.Until):
			return true, nil
		}
	}
	return false, nil
}

// verifyLogout checks a logout token, and says how long its jti has to be
// remembered. OpenID Connect Back-Channel Logout 1.0 §2.6, by its numbers. Unlike
// there, exp may be missing, as the national service's may: a token is good for
// rp.logout.age from its iat in any case.
func (rp *RelyingParty) verifyLogout(ctx context.Context, raw string) (token logoutToken, until time.Time, err error) {
	refuse := func(why string) (logoutToken, time.Time, error) {
		return token, until, fmt.Errorf("%w: %s", errLogout, why)
	}
	if raw == "" {
		return refuse("no logout token came")
	}
	p, err := rp.provider(ctx)
	if err != nil {
		return token, until, err
	}
	jwt, err := p.verify(ctx, raw) // 2, 3, 4: signature, alg, iss, aud
	if errors.Is(err, errUnread) {
		return token, until, err
	}
	if err != nil {
		return refuse(err.Error())
	}
	if err := jwt.Claims(&token); err != nil {
		return refuse("its claims have another form")
	}
	now := rp.config.Wall()
	age, err := rp.book.Duration("rp.logout.age", rp.config.Now())
	if err != nil {
		return token, until, err
	}
	var event map[string]json.RawMessage
	switch {
	case jwt.IssuedAt.IsZero() || jwt.IssuedAt.After(now.Add(skew)) || now.Sub(jwt.IssuedAt) > age: // 4
		return refuse("its iat is missing, of the future, or too old")
	case !jwt.Expiry.IsZero() && !now.Before(jwt.Expiry): // 4
		return refuse("it has ended")
	case token.Subject == "" && token.Session == "": // 5
		return refuse("it has neither sub nor sid")
	case json.Unmarshal(token.Events[logoutEvent], &event) != nil || event == nil: // 6
		return refuse("it has no logout event")
	case len(token.Nonce) > 0: // 7: it is an ID token
		return refuse("it has a nonce")
	case token.ID == "" || len(token.ID) > 255: // §2.4
		return refuse("its jti is missing or too long")
	}
	return token, jwt.IssuedAt.Add(age + time.Second), nil
}
