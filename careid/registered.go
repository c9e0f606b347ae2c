// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AuthenticatorState is where a registered authenticator is.
type AuthenticatorState string

// An authenticator app is pending until its first code confirms it. What was removed stays as a record, without secret
// and credential, and never comes back.
const (
	AuthenticatorPending AuthenticatorState = "pending"
	AuthenticatorActive  AuthenticatorState = "active"
	AuthenticatorRemoved AuthenticatorState = "removed"
)

// Authenticator is one that is registered on a profile beside its cards. What it is worth is not kept here: Assurance
// computes it from the kind and from what each use showed.
type Authenticator struct {
	ID           string // 128 random bits, hex
	Profile      string
	Kind         AuthenticatorKind
	Name         string // as its holder calls it
	Credential   []byte // how its own protocol knows it; nil for an authenticator app
	Key          CredentialKey
	State        AuthenticatorState
	RegisteredAt time.Time
	RegisteredBy string    // user id
	LastUsed     time.Time // zero when never
}

// CredentialKey is what a protocol verifies a credential by. This package keeps it and looks at nothing in it but the
// counter, so that no library's types are needed here.
type CredentialKey struct {
	// Public is the key as the protocol wants it back, such as a COSE_Key, alone or in a record of the caller's own. At
	// most 4096 bytes: a key of ML-DSA-87, the longest that COSE knows, has 2592.
	Public []byte
	AAGUID [16]byte // the model; all zero where the authenticator does not tell it. WebAuthn Level 2 §6.5.1.
	// Attested is whether the caller has verified, against a root that it trusts, that the authenticator is of that model.
	Attested bool
	Counter  uint32 // the signature counter: at the registration, then of the last use; 0 where it keeps none
}

// NewAuthenticator is what a registration asks for.
type NewAuthenticator struct {
	Profile string // the holder's user id
	Kind    AuthenticatorKind
	Name    string // at most 64 characters; "" for the kind's own name
	// Credential is how the protocol knows the authenticator: a WebAuthn credential id, the identifier of an iPad, or the
	// address of a mail account. That it is the holder's is for the caller to have proven by that protocol. It is 1 to
	// 1023 bytes (WebAuthn Level 2 §4), registered once only; none for an authenticator app.
	Credential []byte
	// Key comes back with the Authenticator. None for an authenticator app or a mail account.
	Key CredentialKey
}

// Registered is a registration. URI is the otpauth address of an authenticator app, nil for the other kinds: it holds
// the secret, is told this once, and should be shown to the holder, cleared and kept nowhere.
type Registered struct {
	Authenticator Authenticator
	URI           []byte
}

// String leaves the secret out.
func (r Registered) String() string {
	return "authenticator " + r.Authenticator.ID + " (" + string(r.Authenticator.Kind) + ")"
}

// GoString is String.
func (r Registered) GoString() string { return r.String() }

// RegisterAuthenticator adds an authenticator to a profile: by its holder, or by the Registration Authority for a person
// in its care, which may be from afar. Both have shown who they are within the last minutes of their session
// (session.fresh), and a holder by what is as strong as the new authenticator can be and as the strongest that the profile
// has, so that who has the weaker one alone adds nothing. The first one ever is never registered by oneself. An app is registered by
// its holder only, since who registers it sees its secret; it is pending until ConfirmAuthenticator, and one more
// registration takes its place. The holder is told by e-mail.
//
// Refusals: authenticator.first, authenticator.unknown, authenticator.name, authenticator.credential,
// authenticator.taken, authenticator.most, authenticator.holder, authenticator.unavailable (no Config.AuthenticatorKey),
// session.stale, signin.weaker, link.circular, mail.address, profile.closed, and those of the role table.
func (s *Service) RegisterAuthenticator(ctx context.Context, a Actor, n NewAuthenticator) (*Registered, error) {
	var done Registered
	err := s.change(ctx, a.name(), "register authenticator", n.Profile, func(ctx context.Context, tx *Tx, rec *record) error {
		if a.session == nil && a.operator == "" {
			return s.no("authenticator.first")
		}
		p, err := s.person(ctx, tx, a, n.Profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionAuthenticator, AnyTerm, p); err != nil {
			return err
		}
		added, err := s.checkAuthenticator(tx.Now, n)
		if err != nil {
			return err
		}
		if p.State != ProfileOpen {
			return s.no("profile.closed")
		}
		if err := s.mayRegister(ctx, tx, a, added); err != nil {
			return err
		}
		if err := s.roomFor(ctx, tx, added); err != nil {
			return err
		}
		added.ID, added.State, added.RegisteredAt, added.RegisteredBy = newID(), AuthenticatorActive, tx.Now, a.profile
		done = Registered{Authenticator: added}
		var sealed []byte
		if added.Kind == KindAuthenticatorApp {
			secret := newTOTPSecret()
			defer clear(secret)
			done.Authenticator.State = AuthenticatorPending
			done.URI, sealed = totpURI(secret, p.ID), s.sealer.seal(sealedTOTP(added.ID), secret)
		}
		rec.Detail = authenticatorDetail(done.Authenticator)
		if done.Authenticator.State == AuthenticatorActive {
			s.tellAuthenticator(rec, p, done.Authenticator, "added to")
		}
		err = tx.Authenticators.AddAuthenticator(ctx, done.Authenticator, sealed)
		if errors.Is(err, ErrConflict) {
			return s.no("authenticator.taken")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &done, nil
}

// maxPublicKey bounds CredentialKey.Public.
const maxPublicKey = 4096

// checkAuthenticator puts what was asked into its form.
func (s *Service) checkAuthenticator(t time.Time, n NewAuthenticator) (Authenticator, error) {
	known := kinds(s.book, "authenticator.self", t)
	if !slices.Contains(known, n.Kind) {
		return Authenticator{}, s.no("authenticator.unknown", "kind", auditText(string(n.Kind)), "known", kindNames(s.book, known, t))
	}
	name, err := s.authenticatorName(n.Kind, n.Name, t)
	if err != nil {
		return Authenticator{}, err
	}
	app := n.Kind == KindAuthenticatorApp
	keyed := len(n.Key.Public) > 0 || n.Key.AAGUID != [16]byte{} || n.Key.Attested || n.Key.Counter != 0
	if app != (len(n.Credential) == 0) || len(n.Credential) > 1023 || len(n.Key.Public) > maxPublicKey || keyed && (app || n.Kind == KindMailAccount) {
		return Authenticator{}, s.no("authenticator.credential")
	}
	if app && s.sealer == nil {
		return Authenticator{}, s.no("authenticator.unavailable")
	}
	credential := slices.Clone(n.Credential)
	if n.Kind == KindMailAccount {
		address := mailAddress(string(credential))
		if local, domain, _ := strings.Cut(address, "@"); domain != "nhs.net" || !isAtoms(local, emailAtom) {
			return Authenticator{}, s.no("mail.address")
		}
		credential = []byte(address)
	}
	key := n.Key
	key.Public = slices.Clone(key.Public)
	return Authenticator{Profile: n.Profile, Kind: n.Kind, Name: name, Credential: credential, Key: key}, nil
}

// mayRegister asks everybody for a fresh sign-in, since a session left open would put a passer-by's key on a profile, a
// holder for one that is strong enough, and the Registration Authority to leave to the holder what only the holder may see.
func (s *Service) mayRegister(ctx context.Context, tx *Tx, a Actor, added Authenticator) error {
	if a.role != Holder {
		if added.Kind == KindAuthenticatorApp {
			return s.no("authenticator.holder")
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		return s.fresh(ctx, tx, policy, a)
	}
	row, err := s.live(ctx, tx, a.session)
	if err != nil {
		return err
	}
	if added.Kind == KindMailAccount { // nothing proves its own link
		for _, one := range row.shown() {
			if err := ProvesLink(s.book, one.Kind, tx.Now); err != nil {
				return err
			}
		}
	}
	level, err := kindLevel(s.book, added.Kind, tx.Now)
	if err != nil {
		return err
	}
	return s.reauthenticated(ctx, tx, a, level)
}

// reauthenticated asks for a session in which its person has shown within the last minutes who they are, at a level and at
// that of the strongest thing that the profile can sign in with.
func (s *Service) reauthenticated(ctx context.Context, tx *Tx, a Actor, least AAL) error {
	row, err := s.live(ctx, tx, a.session)
	if err != nil {
		return err
	}
	policy, err := s.policy(tx.Now)
	if err != nil {
		return err
	}
	strongest, err := s.strongest(ctx, tx, row.Profile)
	if err != nil {
		return err
	}
	level, err := s.level(row, tx.Now)
	if err != nil {
		return err
	}
	if least = max(least, strongest); level < least {
		return s.no("signin.weaker", "level", levelText(least))
	}
	return s.fresh(ctx, tx, policy, a)
}

// strongest is the level of the strongest thing that a profile has: a card that is not past its end, locked or not, or
// what is registered beside it.
func (s *Service) strongest(ctx context.Context, tx *Tx, profile string) (AAL, error) {
	cards, err := tx.Cards.CardsOf(ctx, profile)
	if err != nil {
		return 0, err
	}
	owned, err := tx.Authenticators.AuthenticatorsOf(ctx, profile)
	if err != nil {
		return 0, err
	}
	var have []AuthenticatorKind
	for _, c := range cards {
		if (c.State == CardActive || c.State == CardLocked) && !tx.Now.After(c.NotAfter) {
			have = append(have, KindCard)
		}
	}
	for _, one := range owned {
		if one.State == AuthenticatorActive {
			have = append(have, one.Kind)
		}
	}
	strongest := AAL(0)
	for _, kind := range have {
		level, err := kindLevel(s.book, kind, tx.Now)
		if err != nil {
			return 0, err
		}
		strongest = max(strongest, level)
	}
	return strongest, nil
}

// roomFor drops an unconfirmed app where another takes its place, and bounds how many a person has. One app and one mail
// account are enough for anybody, and a second app would double what a guess can hit.
func (s *Service) roomFor(ctx context.Context, tx *Tx, added Authenticator) error {
	policy, err := s.policy(tx.Now)
	if err != nil {
		return err
	}
	owned, err := tx.Authenticators.AuthenticatorsOf(ctx, added.Profile)
	if err != nil {
		return err
	}
	active := 0
	for _, one := range owned {
		switch {
		case one.State == AuthenticatorPending:
			if _, err := tx.Authenticators.EndAuthenticator(ctx, one.ID); err != nil {
				return err
			}
		case one.State == AuthenticatorActive && one.Kind == added.Kind && (added.Kind == KindAuthenticatorApp || added.Kind == KindMailAccount):
			return s.no("authenticator.taken")
		case one.State == AuthenticatorActive:
			active++
		}
	}
	if active >= policy.MostRegistered {
		return s.no("authenticator.most", "most", strconv.Itoa(policy.MostRegistered))
	}
	return nil
}

// ConfirmAuthenticator makes an authenticator app usable by its first code, which its holder reads from it within the
// minutes of totp.enrol. The code counts as used. Refusals: authenticator.none, totp.code, totp.tries, totp.cap,
// session.stale, signin.weaker, and those of the session.
func (s *Service) ConfirmAuthenticator(ctx context.Context, a Actor, id string, code []byte) error {
	return s.change(ctx, a.name(), "confirm authenticator", id, func(ctx context.Context, tx *Tx, rec *record) error {
		one, p, err := s.authenticatorOf(ctx, tx, a, id)
		if err != nil {
			return err
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		if a.role != Holder || one.State != AuthenticatorPending || !tx.Now.Before(one.RegisteredAt.Add(policy.TOTPEnrol)) {
			return s.no("authenticator.none")
		}
		if err := s.reauthenticated(ctx, tx, a, 0); err != nil {
			return err
		}
		if err := s.takeCode(ctx, tx, rec, one, code); err != nil {
			return err
		}
		rec.Detail = authenticatorDetail(one)
		s.tellAuthenticator(rec, p, one, "added to")
		done, err := tx.Authenticators.ConfirmAuthenticator(ctx, id)
		if err == nil && !done {
			return s.no("authenticator.none")
		}
		return err
	})
}

// RemoveAuthenticator takes an authenticator off a profile for good and ends the sessions that stand on it: by its
// holder, with a fresh session as strong as the strongest thing on the profile, so that the weaker never removes the
// stronger; or by the Registration Authority at once, as for a device that is lost. The holder is told by e-mail.
// Refusals: authenticator.none, session.stale, signin.weaker, and those of the role table.
func (s *Service) RemoveAuthenticator(ctx context.Context, a Actor, id string) error {
	return s.change(ctx, a.name(), "remove authenticator", id, func(ctx context.Context, tx *Tx, rec *record) error {
		one, p, err := s.authenticatorOf(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if a.role == Holder {
			if err := s.reauthenticated(ctx, tx, a, 0); err != nil {
				return err
			}
		}
		s.tellAuthenticator(rec, p, one, "removed from")
		if err := s.dropAuthenticator(ctx, tx, rec, one, "authenticator removed"); err != nil {
			return err
		}
		rec.Subject, rec.Detail = id, authenticatorDetail(one)
		return nil
	})
}

// authenticatorOf finds one that has not been removed and its holder, for an actor who may change it. One that is not
// there is refused like one of another's.
func (s *Service) authenticatorOf(ctx context.Context, tx *Tx, a Actor, id string) (Authenticator, Profile, error) {
	fail := func(err error) (Authenticator, Profile, error) { return Authenticator{}, Profile{}, err }
	one, err := tx.Authenticators.Authenticator(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return fail(s.absent(ctx, tx, a))
	}
	if err != nil {
		return fail(err)
	}
	p, err := s.person(ctx, tx, a, one.Profile)
	if err != nil {
		return fail(err)
	}
	if _, err := s.authorize(ctx, tx, a, ActionAuthenticator, AnyTerm, p); err != nil {
		return fail(err)
	}
	if one.State == AuthenticatorRemoved {
		return fail(s.no("authenticator.none"))
	}
	return one, p, nil
}

// dropAuthenticator removes one and ends what stands on it.
func (s *Service) dropAuthenticator(ctx context.Context, tx *Tx, rec *record, one Authenticator, why string) error {
	done, err := tx.Authenticators.EndAuthenticator(ctx, one.ID)
	if err != nil || !done {
		return orConflict(err)
	}
	return s.endSessions(ctx, tx, rec, SessionFilter{Profile: one.Profile, Authenticator: one.ID}, why)
}

// dropAuthenticators removes all of a person's.
func (s *Service) dropAuthenticators(ctx context.Context, tx *Tx, rec *record, profile, why string) error {
	owned, err := tx.Authenticators.AuthenticatorsOf(ctx, profile)
	for _, one := range owned {
		if one.State == AuthenticatorRemoved {
			continue
		}
		if err := s.dropAuthenticator(ctx, tx, rec, one, why); err != nil {
			return err
		}
	}
	return err
}

// Authenticators lists what is registered on a profile, oldest first, removed ones too.
func (s *Service) Authenticators(ctx context.Context, a Actor, profile string) ([]Authenticator, error) {
	var owned []Authenticator
	err := s.view(ctx, a, profile, func(ctx context.Context, tx *Tx) (err error) {
		owned, err = tx.Authenticators.AuthenticatorsOf(ctx, profile)
		return err
	})
	return owned, err
}

func authenticatorDetail(one Authenticator) string {
	return fmt.Sprintf("%s %s of %s", one.Kind, one.ID, one.Profile)
}

// tellAuthenticator has the holder know of a change that somebody else may have made.
func (s *Service) tellAuthenticator(rec *record, p Profile, one Authenticator, what string) {
	rec.tell(ByEmail, p.Email, "Your authenticators were changed", fmt.Sprintf(
		"%s (%s) was %s your Care Identity profile. If you did not ask for this, contact your Registration Authority at once.", one.Name, one.Kind, what))
}
