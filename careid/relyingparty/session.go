// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// kept is a session as the store has it, sealed under its cookie.
type kept struct {
	Claims  Claims
	Ends    time.Time // by Now, exclusive
	Renewal renewal
}

// open begins a session of a sign-in that began at a time by Wall. Its id is new, and one that the
// browser still had ends. One that the provider has ended meanwhile is not begun.
// OWASP ASVS 5.0, 7.2.4.
func (rp *RelyingParty) open(w http.ResponseWriter, r *http.Request, c Claims, again renewal, began time.Time) error {
	if old := rp.cookieOf(r, sessionCookie); old != "" {
		if _, err := rp.config.Store.Remove(r.Context(), digest("session", old)); err != nil {
			return err
		}
	}
	secret, now, wall := newSecret(), rp.config.Now(), rp.config.Wall()
	key := digest("session", secret)
	value, err := seal(secret, key, kept{Claims: c, Ends: now.Add(rp.config.Lifetime), Renewal: again})
	if err != nil {
		return err
	}
	record := Record{Key: key, Groups: groupsOf(c), Until: wall.Add(rp.config.Lifetime), Used: now, Value: value}
	if err := rp.config.Store.Add(r.Context(), record, wall); err != nil {
		if errors.Is(err, ErrFull) {
			return rp.book.Refuse("rp.busy").Because(err).RetryAfter(wall.Add(time.Minute))
		}
		return err
	}
	over, err := rp.overSince(r.Context(), record.Groups, began)
	if err == nil && over {
		err = rp.book.Refuse("rp.session").Because(errors.New("it was ended by the provider while it was opened"))
	}
	if err != nil {
		_, removed := rp.config.Store.Remove(r.Context(), key)
		return errors.Join(err, removed)
	}
	http.SetCookie(w, rp.cookie(sessionCookie, secret))
	return nil
}

// Protect lets signed-in people through to next, which finds them by ClaimsOf. A
// browser that asks for a page without a session is sent to the provider, and comes
// back to that page; anything else gets the refusal rp.session. Requests that
// change something from another site's page are refused (rp.crossorigin).
//
// What next answers is not to be cached, unless it says so itself.
func (rp *RelyingParty) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := rp.pages.Check(r); err != nil {
			rp.refuse(w, r, rp.book.Refuse("rp.crossorigin").Because(err))
			return
		}
		claims, err := rp.session(r)
		if wardkey.RuleOf(err) == "rp.session" && navigates(r) {
			err = rp.begin(w, r, r.RequestURI) // and not r.URL's, which http.StripPrefix cuts
			if err == nil {
				return
			}
		}
		if err != nil {
			rp.refuse(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
	})
}

// navigates says whether a person opens a page, which can be sent elsewhere. A
// script's request can't, and a frame is no place to type a passcode in.
func navigates(r *http.Request) bool {
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && html(r) && (mode == "" || mode == "navigate") && (dest == "" || dest == "document")
}

// session is the one that a request's cookie opens: within its time by the
// calendar, not left idle, and good still at the provider as far as that is asked.
func (rp *RelyingParty) session(r *http.Request) (Claims, error) {
	secret := rp.cookieOf(r, sessionCookie)
	if secret == "" {
		return Claims{}, rp.book.Refuse("rp.session")
	}
	ctx, key := r.Context(), digest("session", secret)
	record, err := rp.config.Store.Load(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Claims{}, rp.book.Refuse("rp.session")
	}
	if err != nil {
		return Claims{}, err
	}
	var k kept
	if err := unseal(secret, key, record.Value, &k); err != nil {
		return Claims{}, err
	}
	now := rp.config.Now()
	if !now.Before(k.Ends) || !now.Before(record.Used.Add(rp.config.Idle)) {
		_, err := rp.config.Store.Remove(ctx, key)
		return Claims{}, errors.Join(rp.book.Refuse("rp.session"), err)
	}
	if k.Renewal.due(rp.config.Wall()) {
		return rp.renew(ctx, secret, record, k)
	}
	return k.Claims, rp.touch(ctx, record, now)
}

// touch writes down that a session was used, at most thirty times in an idle time:
// it may end that much too soon, and never too late.
func (rp *RelyingParty) touch(ctx context.Context, record Record, now time.Time) error {
	if now.Sub(record.Used) < rp.config.Idle/30 {
		return nil
	}
	record.Used = now
	switch err := rp.config.Store.Update(ctx, record); {
	case errors.Is(err, ErrChanged): // by another request of this session
		return nil
	case errors.Is(err, ErrNotFound): // it has just ended
		return rp.book.Refuse("rp.session")
	default:
		return err
	}
}

// signOut ends this application's session. The person stays signed in at the
// provider and elsewhere; the page has the steps that its sign-in guidance
// recommends (NHSmail and NHS Care Identity sign in, 19 Nov 2022).
func (rp *RelyingParty) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := rp.pages.Check(r); err != nil {
		return rp.book.Refuse("rp.crossorigin").Because(err)
	}
	if secret := rp.cookieOf(r, sessionCookie); secret != "" {
		if _, err := rp.config.Store.Remove(r.Context(), digest("session", secret)); err != nil {
			return err
		}
	}
	for _, name := range []string{sessionCookie, beforeCookie} {
		gone := rp.cookie(name, "")
		gone.MaxAge = -1
		http.SetCookie(w, gone)
	}
	if !html(r) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return rp.show(w, http.StatusOK, view{Title: "You are signed out", Steps: []string{
		"Sign out of the other applications that you used: you are signed out of this one alone.",
		"Close all browser tabs and windows.",
		"Sign out of the device.",
	}})
}

// cookie has no lifetime: it ends with the browser. With https it is tied to this
// very host (__Host-, RFC 6265bis §4.1.3.2).
func (rp *RelyingParty) cookie(name, value string) *http.Cookie {
	if rp.secure {
		name = "__Host-" + name
	}
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: rp.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// cookieOf is a cookie's value, "" where it is none of ours.
func (rp *RelyingParty) cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(rp.cookie(name, "").Name)
	if err != nil || len(c.Value) != secretLen {
		return ""
	}
	return c.Value
}

// html says whether a person's browser asks, and not a program.
func html(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }
