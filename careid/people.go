// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// bootstrap is who acts, in the audit and as an act's actor, when there is nobody yet.
const bootstrap = "bootstrap"

// Bootstrap makes the first RA manager of the whole service: profile, role, and an open act to issue the first card,
// which nobody could open otherwise. It is meant for a command on the server, not for a page. It is refused with
// bootstrap.done while there is an RA manager. Only while that first card is not confirmed, the same call again gives
// a new handle for the same act, and with another card gives that act up for one on the other card.
func (s *Service) Bootstrap(ctx context.Context, f Founder) (*Founded, error) {
	var done Founded
	err := s.change(ctx, bootstrap, "bootstrap", f.Card, func(ctx context.Context, tx *Tx, rec *record) error {
		grants, err := tx.People.Grants(ctx, "", tx.Now)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if g.Role == RAManager {
				if done, err = s.bootstrapAgain(ctx, tx, f, g); err != nil {
					return err
				}
				rec.Subject, rec.Detail = done.Profile.ID, "again, act "+done.Act.ID
				return nil
			}
		}
		if done, err = s.bootstrapFirst(ctx, tx, f); err != nil {
			return err
		}
		rec.Subject, rec.Detail = done.Profile.ID, "RA manager at "+f.Organisation+", act "+done.Act.ID
		rec.events = []Event{{Name: EventActOpened, Card: f.Card}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &done, nil
}

func (s *Service) bootstrapFirst(ctx context.Context, tx *Tx, f Founder) (Founded, error) {
	profile, err := s.newProfile(ctx, tx, NewProfile{Given: f.Given, Family: f.Family, Organisation: f.Organisation, Email: f.Email, Mobile: f.Mobile})
	if err != nil {
		return Founded{}, err
	}
	grant := Grant{Profile: profile.ID, Role: RAManager, Organisation: f.Organisation, From: tx.Now, By: bootstrap}
	if err := tx.People.AddGrant(ctx, grant); err != nil {
		return Founded{}, err
	}
	if err := s.readyForIssue(ctx, tx, f.Card, profile.ID); err != nil {
		return Founded{}, err
	}
	act, err := s.addAct(ctx, tx, f.act(profile))
	return Founded{Profile: profile, Act: act}, err
}

// act is the issue of the first card.
func (f Founder) act(p Profile) Act {
	return Act{
		Kind: Issue, Card: f.Card, Profile: p.ID, Actor: bootstrap, Role: RAManager, Organisation: f.Organisation,
		Evidence: Evidence{Kind: Attested, Document: "at the server"},
	}
}

// bootstrapAgain lets a first card that was never confirmed be tried again, or another one in its place.
func (s *Service) bootstrapAgain(ctx context.Context, tx *Tx, f Founder, g Grant) (Founded, error) {
	profile, err := tx.People.Profile(ctx, g.Profile)
	if err != nil {
		return Founded{}, err
	}
	act, found, err := bootstrapAct(ctx, tx, profile.ID)
	if err != nil {
		return Founded{}, err
	}
	if !found || profile.Given != f.Given || profile.Family != f.Family || profile.Organisation != f.Organisation {
		return Founded{}, s.no("bootstrap.done")
	}
	if act.Card != f.Card {
		if err := s.giveUp(ctx, tx, act); err != nil {
			return Founded{}, err
		}
		if err := s.readyForIssue(ctx, tx, f.Card, profile.ID); err != nil {
			return Founded{}, err
		}
		if act, err = newAct(ctx, tx, f.act(profile)); err != nil {
			return Founded{}, err
		}
	}
	act.Handle, err = s.addHandle(ctx, tx, act.ID, nil)
	return Founded{Profile: profile, Act: act}, err
}

// bootstrapAct finds the act that Bootstrap opened for a person, if it is open still.
func bootstrapAct(ctx context.Context, tx *Tx, profile string) (Act, bool, error) {
	cards, err := tx.Cards.CardsOf(ctx, profile)
	for _, c := range cards {
		act, err := tx.Acts.OpenActOf(ctx, c.Serial)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Act{}, false, err
		}
		if err == nil && act.Actor == bootstrap && act.Profile == profile {
			return act, true, nil
		}
	}
	return Act{}, false, err
}

// newProfile checks what is given and opens a profile under a user id that nobody has.
func (s *Service) newProfile(ctx context.Context, tx *Tx, n NewProfile) (Profile, error) {
	policy, err := s.policy(tx.Now)
	if err != nil {
		return Profile{}, err
	}
	if err := s.checkName(n.Given, n.Family); err != nil {
		return Profile{}, err
	}
	if err := s.checkODS(n.Organisation); err != nil {
		return Profile{}, err
	}
	email, mobile, err := s.checkContact(policy, n.Email, n.Mobile)
	if err != nil {
		return Profile{}, err
	}
	p := Profile{Given: n.Given, Family: n.Family, Organisation: n.Organisation, Email: email, Mobile: mobile, State: ProfileOpen, OpenedAt: tx.Now}
	for range 8 {
		p.ID = newUserID()
		_, err := tx.People.Profile(ctx, p.ID)
		if errors.Is(err, ErrNotFound) {
			return p, tx.People.AddProfile(ctx, p)
		}
		if err != nil {
			return Profile{}, err
		}
	}
	return Profile{}, errors.New("careid: no free user id found in eight draws")
}

// newUserID draws 12 digits.
func newUserID() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%012d", n)
}

// OpenProfile is the direct way to a profile, which is closed: since 1 May 2024 new profiles are made in Apply for
// Care ID. It always refuses with profile.apply, which says where to go and who can approve, and the attempt is
// audited.
func (s *Service) OpenProfile(ctx context.Context, a Actor, n NewProfile) (*Profile, error) {
	return nil, s.change(ctx, a.name(), "open profile", n.Organisation, func(ctx context.Context, tx *Tx, _ *record) error {
		if a.session == nil {
			return s.no("session.none")
		}
		if err := s.stands(ctx, tx, a); err != nil {
			return err
		}
		return s.no("profile.apply")
	})
}

// Actor makes an Actor of a live session, in a role that its person holds at an organisation. For Holder the
// organisation is not read. Refusals: those of Session; role.missing.
func (s *Service) Actor(ctx context.Context, token string, role Role, organisation string) (Actor, error) {
	session, err := s.Session(ctx, token)
	if err != nil {
		return Actor{}, err
	}
	a := Actor{session: digest(token), profile: session.Profile, card: session.Card, role: role, organisation: organisation}
	if role == Holder {
		a.organisation = ""
	}
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error { return s.stands(ctx, tx, a) })
	if err != nil {
		return Actor{}, err
	}
	return a, nil
}

// Grants lists the roles that the session's person holds now.
func (s *Service) Grants(ctx context.Context, token string) ([]Grant, error) {
	session, err := s.Session(ctx, token)
	if err != nil {
		return nil, err
	}
	var grants []Grant
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error {
		grants, err = tx.People.Grants(ctx, session.Profile, tx.Now)
		return err
	})
	return grants, err
}

// GrantRole gives a person of the actor's organisation a role there. Nobody raises their own rights: own.record.
func (s *Service) GrantRole(ctx context.Context, a Actor, profile string, role Role) error {
	return s.change(ctx, a.name(), "grant role", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		rec.Detail = auditText(string(role))
		if _, err := ParseRole(string(role)); err != nil || role == Holder {
			return s.no("role.unknown", "role", auditText(string(role)))
		}
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionRole, AnyTerm, p); err != nil {
			return err
		}
		if p.State != ProfileOpen {
			return s.no("profile.closed")
		}
		err = tx.People.AddGrant(ctx, Grant{Profile: profile, Role: role, Organisation: a.organisation, From: tx.Now, By: a.profile})
		if errors.Is(err, ErrConflict) {
			return nil // held already
		}
		return err
	})
}

// EndRole takes a role away, from this second on. Ending one that is not held changes nothing.
func (s *Service) EndRole(ctx context.Context, a Actor, profile string, role Role) error {
	return s.change(ctx, a.name(), "end role", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		rec.Detail = auditText(string(role))
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionRole, AnyTerm, p); err != nil {
			return err
		}
		_, err = tx.People.EndGrant(ctx, profile, role, a.organisation, tx.Now)
		return err
	})
}

// Profile reads one profile: a holder's own, or one of the actor's organisation.
func (s *Service) Profile(ctx context.Context, a Actor, id string) (*Profile, error) {
	var p Profile
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		if p, err = s.person(ctx, tx, a, id); err != nil {
			return err
		}
		_, err = s.authorize(ctx, tx, a, ActionView, AnyTerm, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Profiles lists the people in the care of the actor's organisation, by user id; for the operator, all.
func (s *Service) Profiles(ctx context.Context, a Actor) ([]Profile, error) {
	return listed(ctx, s, a, func(ctx context.Context, tx *Tx) ([]Profile, error) {
		return tx.People.ProfilesOf(ctx, a.organisation)
	})
}

// listed reads a list of the actor's organisation, or the operator's of all. A holder has no organisation to list.
func listed[T any](ctx context.Context, s *Service, a Actor, list func(context.Context, *Tx) ([]T, error)) ([]T, error) {
	var all []T
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := s.authorize(ctx, tx, a, ActionView, AnyTerm, a.self()); err != nil {
			return err
		}
		if a.role == Holder {
			return s.no("role.action", "role", string(Holder), "action", "list what the organisation has", "who", "the Registration Authority")
		}
		var err error
		all, err = list(ctx, tx)
		return err
	})
	return all, err
}

// self stands for the actor's own organisation where an action concerns no single person.
func (a Actor) self() Profile { return Profile{ID: a.profile, Organisation: a.organisation} }

// SetContact replaces a person's contact details. The holder may do it only from a session of their own live card
// (contact.session) in which the passcode was typed a few minutes ago (session.stale), since unlock codes go to what they
// enter; the Registration Authority at any time. Each address that goes is told, and so is the new one;
// unlock codes that were sent before are dead.
func (s *Service) SetContact(ctx context.Context, a Actor, profile string, c Contact) error {
	return s.change(ctx, a.name(), "change contact", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionContact, AnyTerm, p); err != nil {
			if a.role == Holder && isRefusal(err) && a.profile == profile {
				return s.no("contact.session").Because(err)
			}
			return err
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		if a.role == Holder {
			if err := s.fresh(ctx, tx, policy, a); err != nil {
				return err
			}
		}
		old := p
		if p.Email, p.Mobile, err = s.checkContact(policy, c.Email, c.Mobile); err != nil {
			return err
		}
		if p == old {
			return nil
		}
		rec.Detail = "by " + string(a.role)
		text := "The contact details of your Care Identity profile were changed. If you did not ask for this, contact your Registration Authority at once."
		for _, t := range []struct {
			channel  Channel
			was, now string
		}{{ByEmail, old.Email, p.Email}, {ByText, old.Mobile, p.Mobile}} {
			if t.was != t.now {
				rec.tell(t.channel, t.was, "Your contact details were changed", text)
				rec.tell(t.channel, t.now, "Your contact details were changed", text)
			}
		}
		if err := tx.Unlocks.EndCodes(ctx, profile); err != nil {
			return err
		}
		return tx.People.UpdateProfile(ctx, p)
	})
}

// endRoles takes all roles from a person.
func endRoles(ctx context.Context, tx *Tx, profile string) error {
	grants, err := tx.People.Grants(ctx, profile, tx.Now)
	for _, g := range grants {
		if _, err := tx.People.EndGrant(ctx, profile, g.Role, g.Organisation, tx.Now); err != nil {
			return err
		}
	}
	return err
}

// roleHolders counts the people other than one who hold any of the roles at an organisation.
func roleHolders(ctx context.Context, tx *Tx, organisation, except string, at time.Time, roles ...Role) (int, error) {
	grants, err := tx.People.Grants(ctx, "", at)
	if err != nil {
		return 0, err
	}
	others := map[string]bool{}
	for _, g := range grants {
		for _, role := range roles {
			if g.Role == role && g.Organisation == organisation && g.Profile != except {
				others[g.Profile] = true
			}
		}
	}
	return len(others), nil
}
