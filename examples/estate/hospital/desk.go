// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Starter is somebody who is to get a care identity: a name and a contact, and
// nothing more.
type Starter struct {
	GivenName  string `json:"givenName"`
	FamilyName string `json:"familyName"`
	Email      string `json:"email,omitempty"`
	Mobile     string `json:"mobile,omitempty"`
}

// Document is one that was seen at an identity check.
type Document struct {
	Kind   string `json:"kind"`
	Number string `json:"number,omitempty"`
}

// Presence shows that the holder is at the desk: by the card in HolderReader,
// which signs with Passcode, or by the RA's word for the document Attested. The
// zero Presence shows nothing.
type Presence struct {
	HolderReader int
	Passcode     string
	Attested     string
}

// Invite begins an application as a sponsor, RA agent or RA manager and
// returns its id. The person gets a message with a link.
func (b *Browser) Invite(ctx context.Context, s Starter) (string, error) {
	var out struct {
		Application string `json:"application"`
	}
	err := b.web(ctx, http.MethodPost, "/desk/invitations", s, &out)
	return out.Application, err
}

// OpenProfile asks for a profile without an application.
func (b *Browser) OpenProfile(ctx context.Context, s Starter) error {
	return b.web(ctx, http.MethodPost, "/desk/profiles", s, nil)
}

// Apply follows the link of an invitation and submits the application.
func (h *Hospital) Apply(ctx context.Context, link string) error {
	path, ours := strings.CutPrefix(link, h.config.Web)
	if !ours || !strings.HasPrefix(path, "/apply/") {
		return fmt.Errorf("hospital: the invitation leads to %q and not to this estate", link)
	}
	return h.control(ctx, http.MethodPost, path, struct{}{}, nil)
}

// Check records that the person's identity was checked face to face with these
// documents.
func (b *Browser) Check(ctx context.Context, application string, seen ...Document) error {
	in := map[string]any{"method": "face-to-face", "documents": seen}
	return b.web(ctx, http.MethodPost, "/desk/applications/"+application+"/check", in, nil)
}

// Approve opens the profile of a checked application and returns its 12-digit
// user id.
func (b *Browser) Approve(ctx context.Context, application string) (string, error) {
	var out struct {
		UserID string `json:"userID"`
	}
	err := b.web(ctx, http.MethodPost, "/desk/applications/"+application+"/approve", struct{}{}, &out)
	return out.UserID, err
}

// GrantRole gives a person a role at an organisation.
func (b *Browser) GrantRole(ctx context.Context, userID, role, organisation string) error {
	in := map[string]string{"role": role, "organisation": organisation}
	return b.web(ctx, http.MethodPost, "/desk/profiles/"+userID+"/roles", in, nil)
}

// Founder is the first RA manager of a new estate.
type Founder struct {
	Starter
	Organisation string `json:"organisation"` // ODS code
	Card         string `json:"card"`         // serial of a blank card
}

// Bootstrap makes the first RA manager and opens the issue of the card, which
// TakeUpIssue finishes. It is refused once there is one.
func (h *Hospital) Bootstrap(ctx context.Context, f Founder) (userID string, t Ticket, err error) {
	var out struct {
		UserID string `json:"userID"`
		Ticket Ticket `json:"ticket"`
	}
	err = h.control(ctx, http.MethodPost, "/api/bootstrap", f, &out)
	return out.UserID, out.Ticket, err
}

// act asks for work on a card.
type act struct {
	Kind     string         `json:"kind"`
	Card     string         `json:"card"`
	UserID   string         `json:"userID,omitempty"`
	Locked   bool           `json:"locked,omitempty"`
	Presence map[string]any `json:"presence,omitempty"`
}

// openAct opens the act and, where the holder's card is the evidence, has it
// prove for this act and this session that its holder is here.
func (b *Browser) openAct(ctx context.Context, a act, p Presence) (Ticket, error) {
	byCard := p.HolderReader != 0 && p.Attested == ""
	switch {
	case p.Attested != "":
		a.Presence = map[string]any{"attested": p.Attested}
	case byCard:
		a.Presence = map[string]any{"card": true}
	}
	t := Ticket{}
	if err := b.web(ctx, http.MethodPost, "/desk/acts", a, &t); err != nil {
		return t, err
	}
	if byCard {
		witness := Ticket{}
		if err := b.web(ctx, http.MethodPost, "/desk/presence", map[string]string{"act": t.Act}, &witness); err != nil {
			return t, err
		}
		if _, err := b.perform(ctx, witness, p.HolderReader, map[string]string{"passcode": p.Passcode}); err != nil {
			return t, err
		}
	}
	return Ticket{Kind: a.Kind, Server: t.Server, Handle: t.Handle}, nil
}

// Issue is a card to be made for a person.
type Issue struct {
	UserID   string
	Card     string // serial of a blank one
	Reader   int    // where it is
	Passcode string // the holder's choice
	Presence Presence
}

// IssueCard makes two keys on a blank card and has them certified. The holder
// types the passcode of the new card.
func (b *Browser) IssueCard(ctx context.Context, i Issue) error {
	t, err := b.openAct(ctx, act{Kind: "issue", Card: i.Card, UserID: i.UserID}, i.Presence)
	if err != nil {
		return err
	}
	return b.h.TakeUpIssue(ctx, t, i.Reader, i.Passcode)
}

// TakeUpIssue hands the ticket of an issue act to the agent with the blank card
// in a reader. It is for tickets that come from elsewhere than the desk: the
// first RA manager's, from the bootstrap command.
func (h *Hospital) TakeUpIssue(ctx context.Context, t Ticket, reader int, passcode string) error {
	_, err := h.Browser().perform(ctx, t, reader, map[string]string{"newPasscode": passcode, "newPasscode2": passcode})
	return err
}

// RenewFor renews another person's card at the desk. The holder types the
// passcode of that card, which is in Presence.HolderReader.
func (b *Browser) RenewFor(ctx context.Context, serial string, p Presence) error {
	t, err := b.openAct(ctx, act{Kind: "renew", Card: serial}, p)
	if err != nil {
		return err
	}
	_, err = b.perform(ctx, t, p.HolderReader, map[string]string{"passcode": p.Passcode})
	return err
}

// ReportLost reports a card as lost.
func (b *Browser) ReportLost(ctx context.Context, serial string) error {
	return b.web(ctx, http.MethodPost, "/desk/cards/"+serial+"/lost", nil, nil)
}

// UnlockFor unlocks another person's card at the desk, in a reader there, on the
// word for the document that was seen. The holder types the new passcode.
func (b *Browser) UnlockFor(ctx context.Context, serial string, reader int, document, passcode string) error {
	t := Ticket{}
	a := act{Kind: "unlock", Card: serial, Presence: map[string]any{"attested": document}}
	if err := b.web(ctx, http.MethodPost, "/desk/acts", a, &t); err != nil {
		return err
	}
	fields := map[string]string{"newPasscode": passcode, "newPasscode2": passcode}
	_, err := b.perform(ctx, Ticket{Kind: t.Kind, Server: t.Server, Handle: t.Handle, Act: t.Act}, reader, fields)
	return err
}

// ChangePasscodeFor changes the passcode of another person's card at the desk, in
// a reader there. The holder types the old one and the new one.
func (b *Browser) ChangePasscodeFor(ctx context.Context, serial string, reader int, old, fresh string) error {
	t := Ticket{}
	a := act{Kind: "passcode", Card: serial, Presence: map[string]any{"card": true}}
	if err := b.web(ctx, http.MethodPost, "/desk/acts", a, &t); err != nil {
		return err
	}
	fields := map[string]string{"passcode": old, "newPasscode": fresh, "newPasscode2": fresh}
	_, err := b.perform(ctx, Ticket{Kind: t.Kind, Server: t.Server, Bind: t.Bind, Act: t.Act}, reader, fields)
	return err
}

// Position is one that the hospital has; national systems call it a role.
type Position struct {
	ID   string
	Name string
	Role struct{ Code, Name string }
}

// Positions are all of the organisation, as the desk sees them.
func (b *Browser) Positions(ctx context.Context) ([]Position, error) {
	var out struct{ Positions []Position }
	err := b.web(ctx, http.MethodGet, "/desk/positions", nil, &out)
	return out.Positions, err
}

// CreatePosition makes a position with a role's code and name.
func (b *Browser) CreatePosition(ctx context.Context, name, code, role string) error {
	return b.web(ctx, http.MethodPost, "/desk/positions", map[string]string{"name": name, "role": code + " " + role}, nil)
}

// AssignPosition gives a person a position from now on.
func (b *Browser) AssignPosition(ctx context.Context, userID, position string) error {
	return b.web(ctx, http.MethodPost, "/desk/people/"+userID+"/positions", map[string]string{"position": position}, nil)
}
