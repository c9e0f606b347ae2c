// SPDX-License-Identifier: Apache-2.0

package cardhttp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// Ticket is what a page gives to the workstation's agent, as it stands. It holds
// nothing that works without the cookie behind Bind, but for Handle, which is
// good for its one act.
type Ticket struct {
	Kind   careid.Purpose `json:"kind"`
	Server string         `json:"server"`
	Handle string         `json:"handle,omitempty"`
	Bind   string         `json:"bind,omitempty"`
	Act    string         `json:"act,omitempty"`
}

// JSON is the ticket for a page: in a data attribute, where html/template
// escapes it, since a strict content policy runs no inline script.
func (t Ticket) JSON() string {
	text, err := json.Marshal(t)
	if err != nil {
		return "" // six strings always marshal
	}
	return string(text)
}

// SignInTicket is for a sign-in page. It sets the pre-session cookie, for thirty
// minutes, so it comes before the page's body.
func (h *Handler) SignInTicket(w http.ResponseWriter, r *http.Request) Ticket {
	return Ticket{Kind: careid.SignIn, Server: h.config.Server, Bind: bind(h.preSession(w, r))}
}

// UnlockTicket is for the page of a self-service unlock; nobody is signed in.
func (h *Handler) UnlockTicket(w http.ResponseWriter, r *http.Request) (Ticket, error) {
	handle, err := h.config.Service.OpenUnlock(r.Context(), []byte(h.preSession(w, r)))
	if err != nil {
		return Ticket{}, err
	}
	return Ticket{Kind: "unlock", Server: h.config.Server, Handle: handle}, nil
}

// ActTicket is for an act that the page's server code has opened. Where the
// holder renews in their own session, the card has to agree by a proof for this
// session, and the ticket says for which. An unlock at a desk names its act, by
// which the agent tells it from one that somebody does alone; a passcode that is
// changed there, and a card that is bound, speak for the act by a presence proof.
func (h *Handler) ActTicket(r *http.Request, act *careid.Act) Ticket {
	t := Ticket{Kind: act.Kind, Server: h.config.Server, Handle: act.Handle}
	switch {
	case act.Kind == careid.Bind:
		return h.PresenceTicket(r, act)
	case act.Kind == careid.Passcode:
		t = h.PresenceTicket(r, act)
		t.Kind = careid.Passcode
	case act.Kind == careid.Unlock:
		t.Act = act.ID
	case act.Kind == careid.Renew && act.Role == careid.Holder:
		t.Act, t.Bind = act.ID, h.sessionBind(r)
	}
	return t
}

// PresenceTicket asks the holder of a card to show that they are at the desk of
// the person whose session this request carries, for one act.
func (h *Handler) PresenceTicket(r *http.Request, act *careid.Act) Ticket {
	return Ticket{Kind: careid.Presence, Server: h.config.Server, Act: act.ID, Bind: h.sessionBind(r)}
}

// bind is the base64url SHA-256 of a cookie's value.
func bind(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sessionBind is "" without a session, and then no proof is made for it.
func (h *Handler) sessionBind(r *http.Request) string {
	if token := h.Token(r); token != "" {
		return bind(token)
	}
	return ""
}

// The names, before the prefix of cookie; the package comment tells them.
const (
	sessionCookie = "wardkey-session"
	preCookie     = "wardkey-presession"
	// preLife is how long a sign-in page may wait for its person.
	preLife = 30 * time.Minute
)

// cookie has the prefix that ties it to this very host where there is TLS
// (RFC 6265bis §4.1.3.2).
func (h *Handler) cookie(name, value string) *http.Cookie {
	if h.secure {
		name = "__Host-" + name
	}
	return &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: h.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func (h *Handler) value(r *http.Request, name string) string {
	c, err := r.Cookie(h.cookie(name, "").Name)
	if err != nil || len(c.Value) > 512 {
		return ""
	}
	return c.Value
}

// preSession is the value of the browser's pre-session cookie, which is made if
// it is missing. Its time begins anew with each page.
func (h *Handler) preSession(w http.ResponseWriter, r *http.Request) string {
	v := h.value(r, preCookie)
	if len(v) < 22 {
		random := make([]byte, 16)
		_, _ = rand.Read(random) // crypto/rand.Read never fails
		v = base64.RawURLEncoding.EncodeToString(random)
	}
	c := h.cookie(preCookie, v)
	c.SameSite = http.SameSiteStrictMode
	c.MaxAge = int(preLife.Seconds())
	http.SetCookie(w, c)
	return c.Value
}

func (h *Handler) expire(w http.ResponseWriter, name string) {
	c := h.cookie(name, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

// signIn redeems the result of a proof for a session with a new id. A session
// that this browser still has, somebody else's perhaps, ends; a cookie that was
// planted beforehand becomes nothing. A step-up is bound to the session itself.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Result  string         `json:"result"`
		Purpose careid.Purpose `json:"purpose"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	stepsUp := in.Purpose == careid.StepUp
	if !stepsUp && in.Purpose != "" && in.Purpose != careid.SignIn {
		return h.rules.Refuse("http.malformed").Because(errors.New("purpose is neither signin nor stepup"))
	}
	before := h.value(r, preCookie)
	if stepsUp {
		before = h.Token(r)
	}
	if before == "" {
		return h.rules.Refuse("session.cookie")
	}
	got, err := h.config.Service.Redeem(r.Context(), in.Result, []byte(before))
	if err != nil {
		return err
	}
	if old := h.Token(r); old != "" && !stepsUp {
		if err := h.config.Service.SignOut(r.Context(), old); err != nil {
			h.config.Log.Info("an earlier session of this browser", "rule", wardkey.RuleOf(err))
		}
	}
	http.SetCookie(w, h.SessionCookie(got.Token))
	h.expire(w, preCookie)
	type alert struct {
		Rule     string    `json:"rule"`
		DaysLeft int       `json:"daysLeft"`
		NotAfter time.Time `json:"notAfter"`
		Issuer   string    `json:"issuer,omitempty"` // of an outside card, who renews it
	}
	alerts := make([]alert, len(got.Alerts))
	for i, a := range got.Alerts {
		alerts[i] = alert{a.Rule, a.DaysLeft, a.NotAfter, a.Issuer}
	}
	return web.Write(w, http.StatusOK, struct {
		Until  time.Time `json:"until"`
		Alerts []alert   `json:"alerts"`
	}{got.Session.ExpiresAt, alerts})
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) error {
	h.expire(w, sessionCookie)
	if token := h.Token(r); token != "" {
		if err := h.config.Service.SignOut(r.Context(), token); err != nil && !over(err) {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// over says that a session is not, or no longer.
func over(err error) bool {
	rule := wardkey.RuleOf(err)
	return rule == "session.none" || rule == "session.ended" || rule == "presence.ended"
}

// SessionCookie is the cookie that carries a session's token, as the handler
// sets it: its name (see the package comment), HttpOnly, Lax, and without an
// end, so that it goes with the browser. Tests add it to a request; a server
// that redeems a result by its own code sets it.
func (h *Handler) SessionCookie(token string) *http.Cookie { return h.cookie(sessionCookie, token) }

// Token is the session token of a request, for Service.Actor; "" without one.
func (h *Handler) Token(r *http.Request) string { return h.value(r, sessionCookie) }

type sessionKey struct{}

// RequireSession lets only requests with a live session through to next; the
// service is asked each time, so a pulled card is out at the next request.
// Others are sent to Config.SignInPage, or Config.StepUpPage where the session is
// locked, or get 401. Where the service can't be
// asked, nobody passes. A request that changes something must come from a page
// of this origin.
func (h *Handler) RequireSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.pages.Check(r); err != nil {
			h.refuse(w, r, h.rules.Refuse("http.crossorigin").Because(err))
			return
		}
		session, err := h.config.Service.Session(r.Context(), h.Token(r))
		if err != nil {
			if page := h.pageAfter(r, err); page != "" {
				http.Redirect(w, r, page, http.StatusSeeOther)
				return
			}
			h.refuse(w, r, err)
			return
		}
		// What the page shows is this person's and is gone with the session.
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, session)))
	})
}

// SessionOf is the session that RequireSession found for this request.
func SessionOf(r *http.Request) (*careid.Session, bool) {
	s, ok := r.Context().Value(sessionKey{}).(*careid.Session)
	return s, ok
}
