// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Action is something that an Actor asks for.
type Action string

// The actions of the role table.
const (
	ActionView       Action = "view"
	ActionInvite     Action = "invite"
	ActionCheck      Action = "check identity"
	ActionApprove    Action = "approve"
	ActionRole       Action = "change roles"
	ActionContact    Action = "change contact details"
	ActionRename     Action = "change name"
	ActionClose      Action = "close profile"
	ActionReopen     Action = "reopen profile"
	ActionIssue      Action = "issue card"
	ActionBind       Action = "bind a card of an outside issuer"
	ActionRenew      Action = "renew card"
	ActionRepair     Action = "repair card"
	ActionMove       Action = "move between organisations"
	ActionPasscode   Action = "change passcode"
	ActionClear      Action = "clear card"
	ActionCancel     Action = "cancel card"
	ActionHandleLoss Action = "handle a lost card"
	ActionLost       Action = "report card lost"
	ActionReturn     Action = "take card back"
	ActionLink       Action = "link mail account"

	// ActionAuthenticator is to register or remove an authenticator other than a card.
	ActionAuthenticator Action = "change authenticators"
)

// Term is how a card's certificates stand to their end; some actions depend on it.
type Term string

// AnyTerm is a row that holds whatever the term.
const (
	AnyTerm Term = ""
	Early   Term = "early"   // before the renewal window
	InTime  Term = "due"     // in the window, both ends included
	Ended   Term = "expired" // after it
)

// Permission is one row of the role table: who may do what, in which term of the card's certificates, and which
// evidence of the holder's presence is accepted. No evidence listed means that none is asked for.
type Permission struct {
	Action   Action
	Term     Term
	Roles    []Role
	Evidence []EvidenceKind
}

// Permissions is the role table. It is the published one (Care Identity Management user guides) with these readings:
// a sponsor's requests (r there) are not actions; a sponsor assigns the positions that are marked so (p there) and
// makes none, or they could give anything; nobody changes roles but an RA manager; the local administrator
// who may report a loss for somebody is the one for smartcards; and the ID checker's right to make
// profiles is the right to record checks, since new profiles come from Apply for Care ID alone. To bind a card of an outside
// issuer is not published: it is who issues cards.
func Permissions() []Permission {
	ra := []Role{RAManager, AdvancedRAAgent, RAAgent}
	unlockers := []Role{RAManager, AdvancedRAAgent, RAAgent, Sponsor, LocalSmartcardAdministrator}
	all := []Role{RAManager, AdvancedRAAgent, RAAgent, Sponsor, IDChecker, LocalSmartcardAdministrator, Holder}
	byCard := []EvidenceKind{ByCard}
	return []Permission{
		{ActionView, AnyTerm, all, nil},
		{ActionInvite, AnyTerm, []Role{RAManager, AdvancedRAAgent, RAAgent, Sponsor, IDChecker}, nil},
		{ActionCheck, AnyTerm, []Role{RAManager, AdvancedRAAgent, RAAgent, IDChecker}, nil},
		{ActionApprove, AnyTerm, []Role{RAManager}, nil},
		{ActionRole, AnyTerm, []Role{RAManager}, nil},
		{ActionContact, AnyTerm, []Role{RAManager, AdvancedRAAgent, RAAgent, IDChecker, Holder}, nil},
		{ActionRename, AnyTerm, ra, []EvidenceKind{Attested}},
		{ActionClose, AnyTerm, ra, nil},
		{ActionReopen, AnyTerm, ra, nil},
		{ActionRunReports, AnyTerm, append(slices.Clone(ra), Sponsor), nil},
		{ActionMove, AnyTerm, ra, nil},
		{ActionAssignPosition, AnyTerm, append(slices.Clone(ra), Sponsor), nil},
		{ActionChangePositions, AnyTerm, ra, nil},
		{ActionAssignWorkgroups, AnyTerm, ra, nil},
		{ActionChangeWorkgroups, AnyTerm, ra, nil},
		{ActionIssue, AnyTerm, ra, []EvidenceKind{Attested}},
		{ActionBind, AnyTerm, ra, byCard}, // and a document: openBind
		{ActionRenew, InTime, append(slices.Clone(unlockers), Holder), byCard},
		{ActionRenew, Ended, ra, byCard},
		{ActionUnlock, AnyTerm, unlockers, []EvidenceKind{Attested}},
		{ActionPasscode, AnyTerm, ra, byCard},
		{ActionRepair, AnyTerm, ra, []EvidenceKind{ByCard, Attested}},
		{ActionClear, AnyTerm, ra, nil},
		{ActionCancel, AnyTerm, ra, nil},
		{ActionLost, AnyTerm, append(slices.Clone(ra), LocalSmartcardAdministrator, Holder), nil},
		{ActionHandleLoss, AnyTerm, ra, nil},
		{ActionReturn, AnyTerm, []Role{RAManager, AdvancedRAAgent, RAAgent, Sponsor}, nil},
		{ActionLink, AnyTerm, []Role{Holder}, nil},
		{ActionAuthenticator, AnyTerm, append(slices.Clone(ra), Holder), nil},
	}
}

// permission finds the row for an action in a term, or refuses and names who could.
func (s *Service) permission(a Actor, action Action, term Term) (Permission, error) {
	var could []string
	for _, row := range Permissions() {
		if row.Action != action || row.Term != AnyTerm && row.Term != term {
			continue
		}
		if slices.Contains(row.Roles, a.role) {
			return row, nil
		}
		for _, role := range row.Roles {
			could = append(could, string(role))
		}
	}
	role := string(a.role)
	if a.operator != "" {
		role = "The operator"
	}
	return Permission{}, s.no("role.action", "role", role, "action", string(action), "who", strings.Join(could, ", "))
}

// authorize proves, as of tx, that the actor's session lives, that the role is held, that the table allows the action
// in that term, and that the person concerned is in the organisation's care and not the actor. For a Holder the person
// must be the actor. The operator of the program may view, and nothing else.
func (s *Service) authorize(ctx context.Context, tx *Tx, a Actor, action Action, term Term, person Profile) (Permission, error) {
	row, err := s.authorized(ctx, tx, a, action, term, person)
	return row, s.reach(err, a.organisation)
}

func (s *Service) authorized(ctx context.Context, tx *Tx, a Actor, action Action, term Term, person Profile) (Permission, error) {
	if a.operator != "" && action == ActionView {
		return Permission{}, nil
	}
	if a.session == nil && a.operator == "" {
		return Permission{}, s.no("session.none")
	}
	if a.operator != "" {
		return s.permission(a, action, term) // no row is the operator's
	}
	if err := s.stands(ctx, tx, a); err != nil {
		return Permission{}, err
	}
	row, err := s.permission(a, action, term)
	switch { // what is another's is told before what the role may not: no role learns what is there
	case a.role == Holder && person.ID != a.profile, a.role != Holder && person.Organisation != a.organisation:
		return Permission{}, s.no("org.scope")
	case err != nil:
		return Permission{}, err
	case a.role != Holder && person.ID == a.profile && action != ActionView:
		return Permission{}, s.no("own.record")
	}
	return row, s.strongEnough(ctx, tx, a, action)
}

// strongEnough asks a session without a card for the level of actor.aal. A holder may look, report a loss and come to
// ActionAuthenticator, which asks for itself, with what signed them in.
func (s *Service) strongEnough(ctx context.Context, tx *Tx, a Actor, action Action) error {
	if a.role == Holder && a.card == "" && action == ActionContact { // with the card unlocked, as published
		return WithoutCard(s.book, nil, tx.Now)
	}
	if a.card != "" || a.role == Holder && (action == ActionView || action == ActionLost || action == ActionAuthenticator) {
		return nil
	}
	row, err := tx.Sessions.Session(ctx, a.session)
	if err != nil {
		return err
	}
	policy, err := s.policy(tx.Now)
	if err != nil {
		return err
	}
	level, err := s.level(row, tx.Now)
	if err == nil && level < policy.ActorAAL {
		return s.no("signin.weaker", "level", levelText(policy.ActorAAL))
	}
	return err
}

// stands proves that the actor's session lives and that the role is held.
func (s *Service) stands(ctx context.Context, tx *Tx, a Actor) error {
	row, err := s.live(ctx, tx, a.session)
	if err != nil {
		return err
	}
	if row.Profile != a.profile {
		return s.no("session.ended")
	}
	if a.role == Holder {
		return nil
	}
	grants, err := tx.People.Grants(ctx, a.profile, tx.Now)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if g.Role == a.role && g.Organisation == a.organisation {
			return nil
		}
	}
	return s.no("role.missing", "role", string(a.role), "organisation", a.organisation)
}

// person reads a profile; one that is not there is refused like one of another organisation.
func (s *Service) person(ctx context.Context, tx *Tx, a Actor, id string) (Profile, error) {
	p, err := tx.People.Profile(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Profile{}, s.absent(ctx, tx, a)
	}
	return p, err
}

// view reads what there is of a person, for an actor who may see it.
func (s *Service) view(ctx context.Context, a Actor, profile string, read func(context.Context, *Tx) error) error {
	return s.read(ctx, func(ctx context.Context, tx *Tx) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionView, AnyTerm, p); err != nil {
			return err
		}
		return read(ctx, tx)
	})
}

// absent is what authorize would say about something of another organisation.
func (s *Service) absent(ctx context.Context, tx *Tx, a Actor) error {
	if a.operator == "" {
		if err := s.stands(ctx, tx, a); err != nil {
			return err
		}
	}
	return s.reach(s.no("org.scope"), a.organisation)
}

// cardOf reads a card and its holder, refused alike.
func (s *Service) cardOf(ctx context.Context, tx *Tx, a Actor, serial string) (Card, Profile, error) {
	c, err := tx.Cards.Card(ctx, serial)
	if errors.Is(err, ErrNotFound) {
		return Card{}, Profile{}, s.absent(ctx, tx, a)
	}
	if err != nil {
		return Card{}, Profile{}, err
	}
	p, err := s.person(ctx, tx, a, c.Profile)
	return c, p, err
}

// evidence checks what the act offers against what the row accepts.
func (s *Service) evidence(row Permission, e Evidence) error {
	if len(row.Evidence) == 0 {
		return nil
	}
	var wanted []string
	for _, kind := range row.Evidence {
		wanted = append(wanted, kind.shown())
	}
	if !slices.Contains(row.Evidence, e.Kind) || e.Kind == Attested && e.Document == "" {
		return s.no("evidence.missing", "wanted", strings.Join(wanted, ", or by "))
	}
	return nil
}
