// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"slices"
)

// Use is one use of a registered authenticator. But for the code of an app, which is checked here, the caller has
// verified it by the authenticator's own protocol: the assertion of a security key, the password of a mail account.
// What the caller says here is believed.
type Use struct {
	Authenticator string // its id
	// Verified is whether the device says that it asked for its PIN or a biometric (WebAuthn's UV flag).
	Verified Known
	// Counter is the signature counter, 0 where the authenticator keeps none. One that does not go up, and is not 0
	// after a 0, shows that there is a copy: authenticator.copied. WebAuthn Level 2 §6.1.1.
	Counter uint32
	// Code is what an authenticator app shows, six digits; for that kind only.
	Code []byte
}

// SignInWith signs a person in by authenticators other than a card, used together: a security key that verified its
// user, or the password of a mail account and the code of an app. There must be one at least, all of one person, and
// together they must come to AAL2: no single factor signs anybody in, and a code that nothing accompanies is not even
// looked at. What was used counts as used, even when another part is refused. The session lasts as long as one by card;
// no lease holds it, and no certificate of it can expire, so that it brings no alerts.
//
// Refusals: authenticator.none, authenticator.copied, signin.weak, totp.code, totp.tries, totp.cap, profile.closed.
func (s *Service) SignInWith(ctx context.Context, uses ...Use) (*SignedIn, error) {
	var in *SignedIn
	err := s.change(ctx, "anonymous", "sign in", "", func(ctx context.Context, tx *Tx, rec *record) error {
		row, p, err := s.use(ctx, tx, rec, uses)
		if err != nil {
			return err
		}
		in, err = s.begin(ctx, tx, rec, row, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// StepUpWith has the person of a session show again who they are, by authenticators that come to no less than the
// session: it goes on under a new id with a new AuthTime, and at the level now shown. It keeps its end. A session by
// card is not stepped up by anything else: it stands on the card. Refusals: those of SignInWith; those of the session;
// signin.weaker; proof.purpose (another person's authenticators, or a session by card).
func (s *Service) StepUpWith(ctx context.Context, token string, uses ...Use) (*SignedIn, error) {
	var in *SignedIn
	err := s.change(ctx, "anonymous", "step up", "", func(ctx context.Context, tx *Tx, rec *record) error {
		old, err := s.standing(ctx, tx, digest(token)) // a locked one too: this is how it goes on
		if err != nil {
			return err
		}
		rec.Actor = old.Profile
		if old.Card != "" {
			return s.no("proof.purpose")
		}
		row, p, err := s.use(ctx, tx, rec, uses)
		if err != nil {
			return err
		}
		if row.Profile != old.Profile {
			return s.no("proof.purpose")
		}
		was, err := s.level(old, tx.Now)
		if err != nil {
			return err
		}
		is, err := s.level(row, tx.Now)
		if err != nil {
			return err
		}
		if is < was {
			return s.no("signin.weaker", "level", levelText(was))
		}
		row.ExpiresAt = old.ExpiresAt
		if err := s.endSessions(ctx, tx, rec, SessionFilter{Hash: old.Hash}, "stepped up"); err != nil {
			return err
		}
		in, err = s.begin(ctx, tx, rec, row, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// use accepts what was used and returns the session that it is good for. Whether it could be enough is asked first:
// nothing is spent or counted for what never signs in.
func (s *Service) use(ctx context.Context, tx *Tx, rec *record, uses []Use) (SessionRow, Profile, error) {
	fail := func(err error) (SessionRow, Profile, error) { return SessionRow{}, Profile{}, err }
	policy, err := s.policy(tx.Now)
	if err != nil {
		return fail(err)
	}
	var found []Authenticator
	var shown []Shown
	for _, u := range uses {
		one, err := tx.Authenticators.Authenticator(ctx, u.Authenticator)
		if errors.Is(err, ErrNotFound) {
			return fail(s.no("authenticator.none"))
		}
		if err != nil {
			return fail(err)
		}
		again := slices.ContainsFunc(found, func(f Authenticator) bool { return f.ID == one.ID })
		if one.State != AuthenticatorActive || again || len(found) > 0 && one.Profile != found[0].Profile {
			return fail(s.no("authenticator.none"))
		}
		found = append(found, one)
		shown = append(shown, Shown{Kind: one.Kind, Verified: u.Verified, Authenticator: one.ID})
	}
	if len(found) == 0 {
		return fail(s.no("authenticator.none"))
	}
	rec.Actor, rec.Subject = found[0].Profile, found[0].ID
	p, err := tx.People.Profile(ctx, found[0].Profile)
	if err != nil {
		return fail(err)
	}
	if p.State != ProfileOpen {
		return fail(s.no("profile.closed"))
	}
	row := SessionRow{
		Profile: p.ID, Binding: BindingKeep, AuthTime: tx.Now, Seen: tx.Now, ExpiresAt: tx.Now.Add(policy.SessionMax), Used: shown,
	}
	level, err := s.level(row, tx.Now)
	if err != nil {
		return fail(err)
	}
	if level < policy.SignInAAL {
		return fail(s.no("signin.weak"))
	}
	rec.keep = true // from here on something may be spent
	for i, u := range uses {
		if err := s.accept(ctx, tx, rec, found[i], u); err != nil {
			return fail(err)
		}
	}
	return row, p, nil
}

// accept spends one use.
func (s *Service) accept(ctx context.Context, tx *Tx, rec *record, one Authenticator, u Use) error {
	if one.Kind == KindAuthenticatorApp {
		return s.takeCode(ctx, tx, rec, one, u.Code)
	}
	done, err := tx.Authenticators.CountUse(ctx, one.ID, u.Counter, tx.Now)
	if err == nil && !done {
		return s.no("authenticator.copied")
	}
	return err
}

// takeCode accepts a code of an authenticator app, once. The try is counted before the code is looked at, in one
// statement, and the step of a good code is taken in another: of any number of uses of one code on any number of
// servers one succeeds. A good code begins the counting anew. RFC 6238 §5.2: a code is accepted once.
func (s *Service) takeCode(ctx context.Context, tx *Tx, rec *record, one Authenticator, code []byte) error {
	policy, err := s.policy(tx.Now)
	if err != nil {
		return err
	}
	since := tx.Now.Add(-policy.TOTPTriesEvery)
	counted, err := tx.Authenticators.CountCodeTry(ctx, one.ID, policy.TOTPTries, policy.TOTPCap, since, tx.Now)
	if err != nil {
		return err
	}
	kept, err := tx.Authenticators.AppSecret(ctx, one.ID)
	switch {
	case err != nil:
		return err
	case !counted && kept.Tries >= policy.TOTPCap:
		return s.no("totp.cap")
	case !counted:
		again := kept.WindowAt.Add(policy.TOTPTriesEvery)
		return s.no("totp.tries").RetryAfter(again)
	case s.sealer == nil:
		return s.no("authenticator.unavailable")
	}
	rec.keep = true
	secret, old, err := s.sealer.open(sealedTOTP(one.ID), kept.Sealed)
	if err != nil {
		return err
	}
	defer clear(secret)
	step, ok := totpMatch(secret, code, tx.Now, policy.TOTPWindow)
	if !ok {
		return s.no("totp.code").Because(reason("no code of this time"))
	}
	taken, err := tx.Authenticators.TakeStep(ctx, one.ID, step, tx.Now)
	if err == nil && !taken {
		return s.no("totp.code").Because(reason("used before"))
	}
	if err == nil && old {
		_, err = tx.Authenticators.SealAgain(ctx, one.ID, kept.Sealed, s.sealer.seal(sealedTOTP(one.ID), secret))
	}
	return err
}

// begin stores a session by authenticators and says what is known at its start.
func (s *Service) begin(ctx context.Context, tx *Tx, rec *record, row SessionRow, p Profile) (*SignedIn, error) {
	in := SignedIn{Token: newSecret()}
	row.Hash = digest(in.Token)
	if err := tx.Sessions.AddSession(ctx, row); err != nil {
		return nil, err
	}
	var err error
	if in.Session, err = s.shown(row, p, tx.Now); err != nil {
		return nil, err
	}
	advised, err := s.book.Bool("mfa.advised", tx.Now)
	if err != nil {
		return nil, err
	}
	in.SecondFactor.Advised = advised
	in.SecondFactor.Ground, _ = ground(s.book, "signin.aal", tx.Now)
	rec.Detail = "session " + in.Session.ID + ", " + in.Session.ACR + " by"
	version, explicit, err := s.termsAt(tx.Now)
	if err != nil {
		return nil, err
	}
	in.Terms = TermsState{Version: version, URL: s.terms.URL}
	if explicit { // by use alone the terms are accepted with a card, as published, and with nothing else
		if in.Terms, err = s.useTerms(ctx, tx, rec, p.ID); err != nil {
			return nil, err
		}
	}
	for _, one := range row.Used {
		rec.Detail += " " + string(one.Kind) + " " + one.Authenticator
	}
	rec.events = append(rec.events, Event{Name: EventSignedIn})
	return &in, nil
}
