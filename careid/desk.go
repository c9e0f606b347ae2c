// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// DeskPurpose is what a person turns to a desk for. Numbers belong to purposes: three of the published ones differ by one
// group of digits.
type DeskPurpose string

// The first three are each organisation's own desks, the others are published.
const (
	DeskHR                 DeskPurpose = "human-resources"
	DeskRA                 DeskPurpose = "registration-authority"
	DeskLocalAdministrator DeskPurpose = "local-administrator"
	DeskMail               DeskPurpose = "mail-helpdesk"
	DeskCompatibility      DeskPurpose = "compatibility" // of systems and browsers
	DeskODS                DeskPurpose = "ods"           // codes of organisations
)

// Desk is somebody who can be reached. Of Phone, Email and Tool at least one is set.
type Desk struct {
	Purpose DeskPurpose
	Name    string
	Phone   string // as it is published
	Email   string
	Tool    string // "" also where the workstation's network does not lead to it
	Ground  Ground // of a published desk
}

func (d Desk) reachable() bool { return d.Phone != "" || d.Email != "" || d.Tool != "" }

// String is the desk in one line, for Refusal.Contact.
func (d Desk) String() string {
	var ways []string
	for _, way := range []string{d.Phone, d.Email, d.Tool} {
		if way != "" {
			ways = append(ways, way)
		}
	}
	return d.Name + ": " + knownWords(ways)
}

// PublishedDesk finds a desk that the rulebook publishes. Its tool is told only on the network that leads there.
// Refusal: desk.unknown.
func PublishedDesk(book *wardkey.Rulebook, purpose DeskPurpose, w Workstation, t time.Time) (Desk, error) {
	id := "desk." + string(purpose)
	text := func(what string) string {
		value, err := book.Text(id+"."+what, t)
		if err != nil {
			return "" // not published
		}
		return value
	}
	d := Desk{Purpose: purpose, Name: text("name"), Phone: text("phone"), Email: text("email"), Tool: text("tool")}
	if network := text("tool.network"); network != "" && w.Network != network {
		d.Tool = ""
	}
	if !d.reachable() {
		return Desk{}, book.Refuse("desk.unknown", "organisation", "this service")
	}
	d.Ground, _ = ground(book, id+".name", t)
	return d, nil
}

// OrganisationDesks are the desks that an organisation enters for its people.
type OrganisationDesks struct {
	HumanResources        Desk
	RegistrationAuthority Desk
	LocalAdministrator    Desk
}

// Desks are the desks of organisations, by ODS code.
type Desks map[string]OrganisationDesks

// FindRA is the way to the Registration Authority of an organisation: its HR team first, as published, then the
// Registration Authority itself where the organisation has entered it. Refusal: desk.unknown, where neither is.
func (d Desks) FindRA(book *wardkey.Rulebook, organisation string, t time.Time) ([]Desk, error) {
	return d.listed(book, "escalation.ra-agent", organisation, Workstation{}, t)
}

// Escalation lists who can help with a refusal, in the order in which to ask them: by the refusal's own rule, else by
// its fixer. For what the holder or sender mends alone there is nobody, and no error.
// Refusal: desk.unknown, where none of them can be reached.
func (d Desks) Escalation(book *wardkey.Rulebook, no *wardkey.Refusal, organisation string, w Workstation, t time.Time) ([]Desk, error) {
	for _, id := range []string{"escalation.of." + no.Rule, "escalation." + no.Fixer} {
		if _, _, ok := groundList(book, id, t); ok {
			return d.listed(book, id, organisation, w, t)
		}
	}
	return nil, nil
}

// Resolve fills in whom a refusal's fixer resolves to, in order; a refusal that nobody can be found for, or
// that names somebody already, stays as it is.
func (d Desks) Resolve(book *wardkey.Rulebook, no *wardkey.Refusal, organisation string, w Workstation, t time.Time) *wardkey.Refusal {
	if no.Contact != "" {
		return no
	}
	desks, err := d.Escalation(book, no, organisation, w, t)
	if err != nil || len(desks) == 0 {
		return no
	}
	var lines []string
	for _, desk := range desks {
		lines = append(lines, desk.String())
	}
	return no.ResolvedTo(strings.Join(lines, "; then "))
}

// AfterLoss lists whom to tell that a card is lost or stolen, in order, all of them. Refusal: desk.unknown.
func (d Desks) AfterLoss(book *wardkey.Rulebook, organisation string, t time.Time) ([]Desk, error) {
	return d.listed(book, "lost.desks", organisation, Workstation{}, t)
}

// listed are the desks whose purposes a rule lists, those that can be reached.
func (d Desks) listed(book *wardkey.Rulebook, id, organisation string, w Workstation, t time.Time) ([]Desk, error) {
	purposes, g, _ := groundList(book, id, t)
	own := d[organisation]
	var desks []Desk
	for _, purpose := range purposes {
		desk := map[DeskPurpose]Desk{
			DeskHR: own.HumanResources, DeskRA: own.RegistrationAuthority, DeskLocalAdministrator: own.LocalAdministrator,
		}[DeskPurpose(purpose)]
		if !slices.Contains([]DeskPurpose{DeskHR, DeskRA, DeskLocalAdministrator}, DeskPurpose(purpose)) {
			published, err := PublishedDesk(book, DeskPurpose(purpose), w, t)
			if err != nil {
				return nil, err
			}
			desk = published
		}
		if desk.reachable() {
			desk.Purpose, desk.Ground = DeskPurpose(purpose), g
			desks = append(desks, desk)
		}
	}
	if len(desks) == 0 {
		return nil, book.Refuse("desk.unknown", "organisation", organisation)
	}
	return desks, nil
}
