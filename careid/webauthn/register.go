// SPDX-License-Identifier: Apache-2.0

package webauthn

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// whose says on which profile an authenticator is registered: on one's own, or,
// by somebody of the Registration Authority, on that of a person in its care.
type whose struct {
	Profile      string      `json:"profile"`
	Role         careid.Role `json:"role"`
	Organisation string      `json:"organisation"`
}

// registrar is who registers, and the person for whom.
type registrar struct {
	actor  careid.Actor
	person *careid.Profile
	token  string
}

// registrar reads them anew for each request. Refusals: those of the session and
// of the role table.
func (h *Handler) registrar(r *http.Request, w whose) (registrar, error) {
	ctx, token := r.Context(), h.config.Sessions.Token(r)
	session, err := h.config.Service.Session(ctx, token)
	if err != nil {
		return registrar{}, err
	}
	if w == (whose{}) {
		w = whose{Profile: session.Profile, Role: careid.Holder}
	}
	if err := h.worthwhile(session, w); err != nil {
		return registrar{}, err
	}
	actor, err := h.config.Service.Actor(ctx, token, w.Role, w.Organisation)
	if err != nil {
		return registrar{}, err
	}
	person, err := h.config.Service.Profile(ctx, actor, w.Profile)
	if err != nil {
		return registrar{}, err
	}
	return registrar{actor: actor, person: person, token: token}, nil
}

// worthwhile asks before the authenticator is touched what the Service asks again
// when it registers: an authenticator that made a key for nothing keeps it.
// Refusals: session.stale, own.record.
func (h *Handler) worthwhile(session *careid.Session, w whose) error {
	if w.Role != careid.Holder {
		if w.Profile == session.Profile {
			return h.config.Rules.Refuse("own.record")
		}
		return nil
	}
	now := h.config.Now()
	within, err := h.config.Rules.Duration("session.fresh", now)
	if err == nil && now.Sub(session.AuthTime) > within {
		return h.config.Rules.Refuse("session.stale")
	}
	return err
}

type descriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"` // base64url, as all bytes here
	Transports []string `json:"transports,omitempty"`
}

const publicKey = "public-key"

// handleOf is a person's user handle: that of their credentials, which a store from
// before it kept handles may know alone, else a new one, unless another request was
// first.
func (h *Handler) handleOf(ctx context.Context, profile string, known []byte) ([]byte, error) {
	if known == nil {
		known = make([]byte, 32)
		_, _ = rand.Read(known) // crypto/rand.Read never fails
	}
	return h.config.Service.UserHandle(ctx, profile, known)
}

// described lists a person's credentials that this package registered, and the user
// handle in them, nil before the first.
func (h *Handler) described(ctx context.Context, profile string) (list []descriptor, handle []byte, err error) {
	list = []descriptor{}
	owned, err := h.config.Service.CredentialsOf(ctx, profile)
	for _, one := range owned {
		k, err := readKept(one)
		if err != nil {
			continue // an app, a mail account, or registered by other code
		}
		list = append(list, descriptor{publicKey, base64.RawURLEncoding.EncodeToString(one.Credential), k.Transports})
		handle = k.Handle
	}
	return list, handle, err
}

// creationOptions is PublicKeyCredentialCreationOptionsJSON. WebAuthn Level 2 §5.4.
type creationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	} `json:"user"`
	Challenge string `json:"challenge"`
	Params    any    `json:"pubKeyCredParams"`
	Timeout   int64  `json:"timeout"`
	Exclude   any    `json:"excludeCredentials"`
	Selection struct {
		Attachment         string `json:"authenticatorAttachment,omitempty"`
		ResidentKey        string `json:"residentKey"`
		RequireResidentKey bool   `json:"requireResidentKey"`
		UserVerification   string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation string `json:"attestation"`
}

// registration is what a challenge is made for: this person, under this handle.
func registration(profile, handle string) string { return "register " + profile + " " + handle }

func (h *Handler) registerOptions(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		whose
		Kind careid.AuthenticatorKind `json:"kind"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	attachment, ok := map[careid.AuthenticatorKind]string{
		"": "", careid.KindSecurityKey: "cross-platform", careid.KindWindowsHello: "platform",
	}[in.Kind]
	if !ok {
		return h.http.Refuse("http.malformed").Because(errors.New("kind is none that this package registers"))
	}
	by, err := h.registrar(r, in.whose)
	if err != nil {
		return err
	}
	have, handle, err := h.described(r.Context(), by.person.ID)
	if err != nil {
		return err
	}
	if handle, err = h.handleOf(r.Context(), by.person.ID, handle); err != nil {
		return err
	}
	var o creationOptions
	o.RP.ID, o.RP.Name = h.config.RPID, h.config.RPName
	user := base64.RawURLEncoding.EncodeToString(handle)
	o.User.ID, o.User.Name, o.User.DisplayName = user, by.person.ID, by.person.Name()
	o.Exclude, o.Attestation = have, "direct"
	o.Selection.Attachment, o.Selection.UserVerification = attachment, "required"
	o.Selection.ResidentKey, o.Selection.RequireResidentKey = "required", true
	if o.Params, err = h.offered(h.config.Now()); err != nil {
		return err
	}
	if o.Timeout, err = h.timeout(); err != nil {
		return err
	}
	o.Challenge, err = h.config.Service.NewChallenge(r.Context(), registration(by.person.ID, user), []byte(by.token))
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, map[string]any{"publicKey": o})
}

func (h *Handler) register(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		whose
		Name       string          `json:"name"`
		User       string          `json:"user"` // the user handle of the options
		Credential json.RawMessage `json:"credential"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	by, err := h.registrar(r, in.whose)
	if err != nil {
		return err
	}
	answer, challenge, err := h.parseCreation(in.Credential)
	if err != nil {
		return err
	}
	if err := h.config.Service.TakeChallenge(r.Context(), registration(by.person.ID, in.User), []byte(by.token), challenge); err != nil {
		return err
	}
	handle, err := base64.RawURLEncoding.DecodeString(in.User)
	if err != nil {
		return err // it was ours when the challenge was made for it
	}
	credential, err := answer.verify(h, challenge, handle, h.config.Now())
	if err != nil {
		return err
	}
	done, err := h.config.Service.RegisterAuthenticator(r.Context(), by.actor, careid.NewAuthenticator{
		Profile: by.person.ID, Kind: credential.model.Kind, Name: in.Name, Credential: credential.id, Key: credential.key,
	})
	if err != nil {
		return err
	}
	shown, err := h.shown(done.Authenticator)
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusCreated, shown)
}

// authenticator is one that is on a profile, as a page shows it.
type authenticator struct {
	ID    string                    `json:"id"`
	Kind  careid.AuthenticatorKind  `json:"kind"`
	Name  string                    `json:"name"`
	Model string                    `json:"model,omitempty"` // "" where it has none, or none that is approved now
	State careid.AuthenticatorState `json:"state"`
	// AAL is what it comes to when it verified its user, and Alone whether that is
	// enough to sign in: one that is not may never be the only one.
	AAL          careid.AAL `json:"aal"`
	Alone        bool       `json:"alone"`
	RegisteredAt time.Time  `json:"registeredAt"`
	LastUsed     *time.Time `json:"lastUsed,omitempty"` // absent when never
}

func (h *Handler) shown(one careid.Authenticator) (authenticator, error) {
	now := h.config.Now()
	a := authenticator{ID: one.ID, Kind: one.Kind, Name: one.Name, State: one.State, RegisteredAt: one.RegisteredAt}
	if !one.LastUsed.IsZero() {
		a.LastUsed = &one.LastUsed
	}
	if m, err := h.model(one.Key.AAGUID, now); err == nil {
		a.Model = m.Name
	}
	least, err := h.config.Rules.Int("signin.aal", now)
	if err != nil {
		return authenticator{}, err
	}
	a.AAL, _, err = careid.Assurance(h.config.Rules, []careid.Shown{{Kind: one.Kind, Verified: careid.Yes}}, now)
	a.Alone = a.AAL >= careid.AAL(least)
	return a, err
}

// list shows what is registered on one's own profile, oldest first.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	token := h.config.Sessions.Token(r)
	session, err := h.config.Service.Session(r.Context(), token)
	if err != nil {
		return err
	}
	actor, err := h.config.Service.Actor(r.Context(), token, careid.Holder, "")
	if err != nil {
		return err
	}
	owned, err := h.config.Service.Authenticators(r.Context(), actor, session.Profile)
	if err != nil {
		return err
	}
	all := []authenticator{}
	for _, one := range owned {
		if one.State == careid.AuthenticatorRemoved {
			continue
		}
		a, err := h.shown(one)
		if err != nil {
			return err
		}
		all = append(all, a)
	}
	return web.Write(w, http.StatusOK, map[string][]authenticator{"authenticators": all})
}

// rename gives one on one's own profile another name, whatever its kind.
func (h *Handler) rename(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name string `json:"name"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	actor, err := h.config.Service.Actor(r.Context(), h.config.Sessions.Token(r), careid.Holder, "")
	if err != nil {
		return err
	}
	if err := h.config.Service.RenameAuthenticator(r.Context(), actor, r.PathValue("id"), in.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// remove takes one off one's own profile, whatever its kind.
func (h *Handler) remove(w http.ResponseWriter, r *http.Request) error {
	actor, err := h.config.Service.Actor(r.Context(), h.config.Sessions.Token(r), careid.Holder, "")
	if err != nil {
		return err
	}
	if err := h.config.Service.RemoveAuthenticator(r.Context(), actor, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
