// SPDX-License-Identifier: Apache-2.0

package webauthn

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// requestOptions is PublicKeyCredentialRequestOptionsJSON. WebAuthn Level 2 §5.5.
type requestOptions struct {
	Challenge        string       `json:"challenge"`
	Timeout          int64        `json:"timeout"`
	RPID             string       `json:"rpId"`
	Allow            []descriptor `json:"allowCredentials"`
	UserVerification string       `json:"userVerification"`
}

// options makes a challenge for a use and a cookie, and what goes with it.
func (h *Handler) options(w http.ResponseWriter, r *http.Request, use, cookie string, allow []descriptor) error {
	o := requestOptions{RPID: h.config.RPID, Allow: allow, UserVerification: "required"}
	var err error
	if o.Timeout, err = h.timeout(); err != nil {
		return err
	}
	if o.Challenge, err = h.config.Service.NewChallenge(r.Context(), use, []byte(cookie)); err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, map[string]requestOptions{"publicKey": o})
}

// signInFor is what a sign-in's challenge is made for: whoever answers, or the
// person of a user id.
func signInFor(user string) string { return "signin " + user }

// stepUpUse is what a step-up's challenge is made for. Its cookie is the session.
const stepUpUse = "stepup"

// userID takes the 12 digits of a user id, or nothing. Refusal: http.malformed.
func (h *Handler) userID(text string) error {
	ok := text == "" || len(text) == 12
	for _, d := range text {
		ok = ok && d >= '0' && d <= '9'
	}
	if !ok {
		return h.http.Refuse("http.malformed").Because(errors.New("user is not a user id"))
	}
	return nil
}

// signInOptions answers everybody alike: nothing is looked up, and the
// authenticator finds the person's credential by itself.
func (h *Handler) signInOptions(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		User string `json:"user"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	if err := h.userID(in.User); err != nil {
		return err
	}
	cookie := h.preSession(r)
	http.SetCookie(w, cookie)
	return h.options(w, r, signInFor(in.User), cookie.Value, []descriptor{})
}

// signIn opens a session under a new id. One that this browser still has,
// somebody else's perhaps, ends.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		User       string          `json:"user"`
		Credential json.RawMessage `json:"credential"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	if err := h.userID(in.User); err != nil {
		return err
	}
	cookie := h.preSession(r)
	one, use, err := h.answered(r, in.Credential, signInFor(in.User), cookie.Value, false)
	if err != nil {
		return err
	}
	if in.User != "" && one.Profile != in.User {
		return h.config.Policy.Refuse("webauthn.none").Because(errors.New("another person's authenticator"))
	}
	got, err := h.config.Service.SignInWith(r.Context(), use)
	if err != nil {
		return err
	}
	if old := h.config.Sessions.Token(r); old != "" {
		if err := h.config.Service.SignOut(r.Context(), old); err != nil {
			// The new session stands, and its cookie takes the old one's place: the old one ends by itself.
			h.config.Log.Error("an earlier session of this browser was not ended", "rule", wardkey.RuleOf(err), "cause", err)
		}
	}
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
	return h.begun(w, got)
}

// begun hands a session to the browser. It brings no alerts: an authenticator
// without certificates has none that end.
func (h *Handler) begun(w http.ResponseWriter, got *careid.SignedIn) error {
	http.SetCookie(w, h.config.Sessions.SessionCookie(got.Token))
	return web.Write(w, http.StatusOK, struct {
		Until  time.Time `json:"until"`
		Alerts []string  `json:"alerts"`
	}{got.Session.ExpiresAt, []string{}})
}

// answered takes the challenge of an answer and says which authenticator gave it
// and what it showed. Whoever is not known, removed, named by another handle or
// proven by another key gets the same refusal. named is whether the session says
// who has to answer, so that the answer need not.
// Refusals: webauthn.form, webauthn.origin, challenge.none, webauthn.none,
// webauthn.model, webauthn.synced, webauthn.verification.
func (h *Handler) answered(r *http.Request, raw []byte, use, cookie string, named bool) (*careid.Authenticator, careid.Use, error) {
	fail := func(err error) (*careid.Authenticator, careid.Use, error) { return nil, careid.Use{}, err }
	answer, challenge, err := h.parseAssertion(raw)
	if err != nil {
		return fail(err)
	}
	if err := h.config.Service.TakeChallenge(r.Context(), use, []byte(cookie), challenge); err != nil {
		return fail(err)
	}
	if err := answer.origin(h); err != nil {
		return fail(err)
	}
	one, err := h.config.Service.Credential(r.Context(), answer.credential())
	if wardkey.RuleOf(err) == "authenticator.none" {
		return fail(h.config.Policy.Refuse("webauthn.none").Because(err))
	}
	if err != nil {
		return fail(err)
	}
	k, err := readKept(*one)
	if err == nil {
		err = answer.proves(h, k, challenge, named)
	}
	if err != nil {
		return fail(h.config.Policy.Refuse("webauthn.none").Because(err))
	}
	shown, err := answer.use(h, *one, h.config.Now())
	return one, shown, err
}

// stepUpOptions asks for the authenticators of the session's own person. A
// session that is locked says nothing of them, and goes on by the same answer.
func (h *Handler) stepUpOptions(w http.ResponseWriter, r *http.Request) error {
	var in struct{}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	token, allow := h.config.Sessions.Token(r), []descriptor{}
	session, err := h.config.Service.Session(r.Context(), token)
	switch {
	case wardkey.RuleOf(err) == "session.locked":
	case err != nil:
		return err
	case session.Card != "":
		return h.config.Policy.Refuse("webauthn.card")
	default:
		if allow, _, err = h.described(r.Context(), session.Profile); err != nil {
			return err
		}
	}
	return h.options(w, r, stepUpUse, token, allow)
}

// stepUp has the session go on under a new id, with a new time of authentication
// and the end that it had.
func (h *Handler) stepUp(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Credential json.RawMessage `json:"credential"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	token := h.config.Sessions.Token(r)
	_, use, err := h.answered(r, in.Credential, stepUpUse, token, true)
	if err != nil {
		return err
	}
	got, err := h.config.Service.StepUpWith(r.Context(), token, use)
	if err != nil {
		return err
	}
	return h.begun(w, got)
}
