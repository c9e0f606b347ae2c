// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ApplicationState is a step of Apply for Care ID.
type ApplicationState string

// An application moves forward only.
const (
	ApplicationInvited   ApplicationState = "invited"
	ApplicationSubmitted ApplicationState = "submitted"
	ApplicationChecked   ApplicationState = "checked"
	ApplicationApproved  ApplicationState = "approved"
)

// Application is one person's way to a profile: invited, submitted, checked, approved.
type Application struct {
	ID            string // 128 random bits, hex
	Organisation  string // ODS code
	State         ApplicationState
	Given, Family string
	Email, Mobile string
	InvitedBy     string    // user id
	InvitedAt     time.Time // the invitation's life runs from here
	Check         *Check    // nil until an identity check is recorded
	Profile       string    // user id, once approved
	Person        []byte    // the store's alone: what Submission's number and date come to until a profile has it, or nil
}

// Invitation names the person to be invited, and nothing more: an applicant has nothing to prepare.
type Invitation struct {
	Given, Family string
	Email, Mobile string // at least one
}

// Submission is what the applicant confirms. Empty names keep what the invitation said.
type Submission struct {
	Given, Family string
	// NINumber, the National Insurance number, and Born, of which the date counts, tell whether this person has a profile
	// already. Who has no number leaves both out, and then it is for those who check to look. Neither is kept.
	NINumber string
	Born     time.Time
}

// CheckMethod is how the person's identity was checked.
type CheckMethod string

// The two ways that the service publishes.
const (
	FaceToFace    CheckMethod = "face-to-face"
	ByApplication CheckMethod = "by-application"
)

// Document is one document seen. Kind is a word of the rule identity.photo or identity.address. At least one
// document carries its number.
type Document struct {
	Kind   string `json:"kind"`
	Number string `json:"number,omitempty"`
}

// Check is a recorded identity check.
type Check struct {
	Method    CheckMethod `json:"method"`
	Documents []Document  `json:"documents"`
	By        string      `json:"by"` // user id of the checker; filled in by RecordCheck
	At        time.Time   `json:"at"` // filled in by RecordCheck
}

// Invite begins Apply for Care ID for a person who is not there yet: a name and a contact are all it takes. The
// invitation's token leaves by message and is kept as its SHA-256.
func (s *Service) Invite(ctx context.Context, a Actor, in Invitation) (*Application, error) {
	app := Application{ID: newID(), State: ApplicationInvited, Organisation: a.organisation, Given: in.Given, Family: in.Family, InvitedBy: a.profile}
	token := newSecret()
	err := s.change(ctx, a.name(), "invite", app.ID, func(ctx context.Context, tx *Tx, rec *record) error {
		if _, err := s.authorize(ctx, tx, a, ActionInvite, AnyTerm, Profile{Organisation: a.organisation}); err != nil {
			return err
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		if err := s.checkName(in.Given, in.Family); err != nil {
			return err
		}
		if app.Email, app.Mobile, err = s.checkContact(policy, in.Email, in.Mobile); err != nil {
			return err
		}
		if app.Email == "" && app.Mobile == "" {
			return s.no("contact.needed")
		}
		app.InvitedAt = tx.Now
		channel, to := Profile{Email: app.Email, Mobile: app.Mobile}.contact()
		rec.tell(channel, to, "Apply for your Care Identity", "You have been invited to apply for a Care Identity. You have nothing to prepare. Continue here: "+s.applyURL+token)
		return tx.Applications.AddApplication(ctx, app, digest(token))
	})
	if err != nil {
		return nil, err
	}
	return &app, nil
}

// Submit is the applicant's answer to an invitation, once and within 28 days. It does not say whether the person has a
// profile: RecordCheck and Approve do. Refusals: application.token, name.invalid, identity.person, identity.unavailable
// (a number or date without Config.AuthenticatorKey).
func (s *Service) Submit(ctx context.Context, token string, sub Submission) (*Application, error) {
	var app Application
	err := s.change(ctx, "applicant", "submit application", "", func(ctx context.Context, tx *Tx, rec *record) error {
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		app, err = tx.Applications.ApplicationByToken(ctx, digest(token))
		if errors.Is(err, ErrNotFound) {
			return s.no("application.token")
		}
		if err != nil {
			return err
		}
		rec.Subject = app.ID
		if app.State != ApplicationInvited || !tx.Now.Before(app.InvitedAt.Add(policy.InvitationLife)) {
			return s.no("application.token")
		}
		if sub.Given != "" {
			app.Given = sub.Given
		}
		if sub.Family != "" {
			app.Family = sub.Family
		}
		if err := s.checkName(app.Given, app.Family); err != nil {
			return err
		}
		if app.Person, err = s.personMark(sub, tx.Now); err != nil {
			return err
		}
		return s.advance(ctx, tx, &app, ApplicationSubmitted)
	})
	if err != nil {
		return nil, err
	}
	app.Person = nil
	return &app, nil
}

// RecordCheck records that the applicant's identity was checked, and by which documents. What is missing is listed in
// the refusal identity.documents. Until the application is approved a colleague may check again: the newest check
// counts, and the audit keeps both. A person who has a profile gets no second one: identity.duplicate says where it is.
func (s *Service) RecordCheck(ctx context.Context, a Actor, application string, c Check) (*Application, error) {
	return s.step(ctx, a, "check identity", ActionCheck, application, func(ctx context.Context, tx *Tx, rec *record, app *Application) error {
		if app.State != ApplicationSubmitted && app.State != ApplicationChecked {
			return s.no("application.state", "state", string(app.State))
		}
		if c.Method != FaceToFace && c.Method != ByApplication {
			return s.no("identity.method")
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		if missing := missingDocuments(policy, c.Documents); len(missing) > 0 {
			return s.no("identity.documents", "missing", strings.Join(missing, ", "))
		}
		if err := s.unknownYet(ctx, tx, a, *app); err != nil {
			return err
		}
		c.By, c.At = a.profile, tx.Now
		app.Check = &c
		rec.Detail = string(c.Method)
		return s.advance(ctx, tx, app, ApplicationChecked)
	})
}

// missingDocuments says in words what the rule still asks for. A number shown twice is one document.
func missingDocuments(p Policy, docs []Document) []string {
	var photo, address, numbered int
	for i, d := range docs {
		switch {
		case d.Number != "" && slices.Contains(docs[:i], d):
		case slices.Contains(p.PhotoKinds, d.Kind):
			photo++
		case slices.Contains(p.AddressKinds, d.Kind):
			address++
		}
		if d.Number != "" {
			numbered++
		}
	}
	var missing []string
	if photo == 0 {
		missing = append(missing, "one with a photo")
	}
	if address == 0 {
		missing = append(missing, "one with an address")
	}
	if more := p.Documents - max(photo, 1) - max(address, 1); more > 0 {
		missing = append(missing, fmt.Sprintf("%d more of either", more))
	}
	if numbered == 0 {
		missing = append(missing, "the number of one")
	}
	return missing
}

// Approve opens the profile: the RA manager's word, on a checked identity. Who recorded the check doesn't approve,
// unless nobody else at the organisation could have checked or could approve, which the audit then says. Of two
// applications of one person, by Submission's number and date, one is approved: identity.duplicate.
func (s *Service) Approve(ctx context.Context, a Actor, application string) (*Profile, error) {
	var profile Profile
	_, err := s.step(ctx, a, "approve application", ActionApprove, application, func(ctx context.Context, tx *Tx, rec *record, app *Application) error {
		if app.Check == nil {
			return s.no("identity.unverified")
		}
		if app.State != ApplicationChecked {
			return s.no("application.state", "state", string(app.State))
		}
		if app.Check.By == a.profile {
			others, err := roleHolders(ctx, tx, a.organisation, a.profile, tx.Now, RAManager, AdvancedRAAgent, RAAgent, IDChecker)
			if err != nil {
				return err
			}
			if others > 0 {
				return s.no("approval.alone")
			}
			rec.Detail = "alone, "
		}
		var err error
		profile, err = s.newProfile(ctx, tx, NewProfile{Given: app.Given, Family: app.Family, Organisation: app.Organisation, Email: app.Email, Mobile: app.Mobile})
		if err != nil {
			return err
		}
		if err := s.takeIdentity(ctx, tx, a, app, profile.ID); err != nil {
			return err
		}
		app.Profile = profile.ID
		rec.Detail += "profile " + profile.ID
		channel, to := profile.contact()
		rec.tell(channel, to, "Your Care Identity", "Your Care Identity profile is open. Your user id is "+profile.ID+". Your Registration Authority will issue your smartcard.")
		return s.advance(ctx, tx, app, ApplicationApproved)
	})
	if err != nil {
		return nil, err
	}
	return &profile, nil
}

// step runs one step of an application of the actor's organisation.
func (s *Service) step(ctx context.Context, a Actor, name string, action Action, id string, fn func(context.Context, *Tx, *record, *Application) error) (*Application, error) {
	var app Application
	err := s.change(ctx, a.name(), name, id, func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		app, err = tx.Applications.Application(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return s.absent(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, action, AnyTerm, Profile{Organisation: app.Organisation}); err != nil {
			return err
		}
		return fn(ctx, tx, rec, &app)
	})
	if err != nil {
		return nil, err
	}
	app.Person = nil
	return &app, nil
}

// advance writes the application's next state, if nobody was faster.
func (s *Service) advance(ctx context.Context, tx *Tx, app *Application, to ApplicationState) error {
	from := app.State
	app.State = to
	done, err := tx.Applications.UpdateApplication(ctx, *app, from)
	if err == nil && !done {
		return s.no("application.state", "state", string(from))
	}
	return err
}

// Applications lists those of the actor's organisation, oldest first; for the operator, all.
func (s *Service) Applications(ctx context.Context, a Actor) ([]Application, error) {
	var apps []Application
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if a.operator == "" {
			if _, err := s.authorize(ctx, tx, a, ActionInvite, AnyTerm, Profile{Organisation: a.organisation}); err != nil {
				return err
			}
		}
		var err error
		apps, err = tx.Applications.ApplicationsOf(ctx, a.organisation)
		for i := range apps { // who can answer an invitation of their own would compare with others'
			apps[i].Person = nil
		}
		return err
	})
	return apps, err
}
