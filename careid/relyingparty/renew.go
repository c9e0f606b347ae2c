// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// renewal is how a session asks the provider whether it is still good: where the
// provider gave a refresh token, whenever the access token has ended. The national
// service gives none.
type renewal struct {
	Refresh string    `json:",omitempty"`
	At      time.Time // by Wall
	Token   tokenFacts
}

// tokenFacts are what only the ID token says; a refresh need not bring a new one.
type tokenFacts levelClaims

// untoldLife, in seconds, is taken for an access token whose life isn't told.
const untoldLife = 300

// renewing is how long one request may take to do it for all: longer than its
// four requests to the provider may together.
const renewing = time.Minute

func (rp *RelyingParty) renewal(t tokens, id tokenClaims) renewal {
	if t.Refresh == "" {
		return renewal{}
	}
	return renewal{
		Refresh: t.Refresh, At: rp.config.Wall().Add(time.Duration(cmp.Or(t.ExpiresIn, untoldLife)) * time.Second),
		Token: tokenFacts(id.levelClaims),
	}
}

func (r renewal) due(wall time.Time) bool { return r.Refresh != "" && !wall.Before(r.At) }

// renew uses the refresh token, once for all requests and servers: a second use
// would look like a theft, and end the session. While one does it, others go on
// with the claims that there are. A provider that says no ends the session; one
// that doesn't answer, or is too busy to, fails the request, and leaves it.
func (rp *RelyingParty) renew(ctx context.Context, secret string, record Record, k kept) (Claims, error) {
	wall := rp.config.Wall()
	lock := Record{Key: digest("renewing", record.Key), Until: wall.Add(renewing)}
	switch err := rp.config.Store.Add(ctx, lock, wall); {
	case errors.Is(err, ErrTaken):
		return k.Claims, nil
	case err != nil:
		return Claims{}, err
	}
	defer func() { _, _ = rp.config.Store.Remove(context.WithoutCancel(ctx), lock.Key) }() // it ends by itself, too
	now, err := rp.config.Store.Load(ctx, record.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return Claims{}, rp.book.Refuse("rp.session")
	case err != nil:
		return Claims{}, err
	case now.Version != record.Version: // another request has just done it, or will be followed by one that does
		return k.Claims, nil
	}
	// A browser that goes away must not lose the token that replaces this one.
	ctx = context.WithoutCancel(ctx)
	again, err := rp.refreshed(ctx, k)
	switch {
	case err == nil:
		return again.Claims, rp.keep(ctx, secret, record, again)
	case over(err):
		rp.config.Log.InfoContext(ctx, "session ended by the provider", "cause", err)
		_, removed := rp.config.Store.Remove(ctx, record.Key)
		return Claims{}, errors.Join(rp.book.Refuse("rp.session").Because(err), removed)
	}
	err = rp.book.Refuse("rp.provider").Because(err).RetryAfter(wall.Add(retryAfter))
	if again.Renewal.Refresh != k.Renewal.Refresh { // the one that the session has is spent
		err = errors.Join(err, rp.keep(ctx, secret, record, again))
	}
	return Claims{}, err
}

// keep writes the session with its new refresh token, over whatever touch wrote
// meanwhile.
func (rp *RelyingParty) keep(ctx context.Context, secret string, record Record, k kept) error {
	value, err := seal(secret, record.Key, k)
	if err != nil {
		return err
	}
	for {
		record.Value, record.Used = value, rp.config.Now()
		err := rp.config.Store.Update(ctx, record)
		switch {
		case errors.Is(err, ErrNotFound): // logged out meanwhile
			return rp.book.Refuse("rp.session")
		case !errors.Is(err, ErrChanged):
			return err
		}
		if record, err = rp.config.Store.Load(ctx, record.Key); err != nil {
			return err
		}
	}
}

// refreshed asks for new tokens and for the person anew. What it returns holds the
// newest refresh token, also beside an error. OpenID Connect Core §12.
func (rp *RelyingParty) refreshed(ctx context.Context, k kept) (kept, error) {
	p, err := rp.provider(ctx)
	if err != nil {
		return k, err
	}
	got, err := rp.exchange(ctx, p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.Renewal.Refresh}})
	if err != nil {
		return k, err
	}
	if got.Refresh == "" {
		got.Refresh = k.Renewal.Refresh // RFC 6749 §6
	}
	k.Renewal.Refresh = got.Refresh
	claims, id := k.Claims, k.Renewal.Token.claims(k.Claims)
	if got.ID != "" {
		fresh, told, err := rp.verifyID(ctx, p, got, expected{})
		if err != nil {
			return k, err
		}
		if fresh.Subject != claims.Subject || !fresh.AuthTime.IsZero() && !fresh.AuthTime.Equal(claims.AuthTime) {
			return k, rp.book.Refuse("rp.token").Because(errors.New("the refreshed ID token is of another sign-in"))
		}
		if told.ACR == "" {
			told.ACR = claims.ACR
		}
		id = told
		claims.Alerts = fresh.Alerts
		if fresh.SelectedRole != "" {
			claims.SelectedRole = fresh.SelectedRole
		}
	}
	if claims, err = rp.person(ctx, p, got.Access, claims, id); err != nil {
		return k, err
	}
	k.Claims, k.Renewal = claims, rp.renewal(got, id)
	return k, rp.enough(claims)
}

func (f tokenFacts) claims(c Claims) tokenClaims {
	return tokenClaims{levelClaims: levelClaims(f), ACR: c.ACR}
}

// over says whether the provider's answer ends a session: it refused the token, or
// said what no session can stand on.
func over(err error) bool {
	rule := wardkey.RuleOf(err)
	return invalidGrant(err) || rule != "" && rule != "rp.provider"
}
