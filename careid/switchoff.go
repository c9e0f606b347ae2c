// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// What moved from the old service to the new ones, beside the actions of the role table.
const (
	ActionSignIn           Action = "sign in"
	ActionUnlock           Action = "unlock card"
	ActionCreateProfile    Action = "create profile"
	ActionAssignPosition   Action = "assign position"
	ActionChangePositions  Action = "change positions" // to create, edit or remove them
	ActionRunReports       Action = "run reports"
	ActionAssignWorkgroups Action = "assign workgroups"
	ActionChangeWorkgroups Action = "change workgroups" // to create, edit or delete them
)

// moved are the actions of the side by side table, in the order in which the old service lost them.
func moved() []Action {
	return []Action{
		ActionUnlock, ActionCreateProfile, ActionAssignPosition, ActionChangePositions, ActionRunReports,
		ActionAssignWorkgroups, ActionChangeWorkgroups, ActionContact, ActionSignIn,
	}
}

// canRule is the id of the rule that lists who may do something in a service.
func canRule(service NationalService, action Action) string {
	return string(service) + ".can." + strings.ReplaceAll(string(action), " ", "-")
}

// usersRule is the id of the rule that lists who uses a service at all; without one, everybody may.
func usersRule(service NationalService) string { return string(service) + ".users" }

// CapabilityAt says whether a service lets a role do something at t, and on what ground. The rulebook lists the roles
// by service and action with the day on which the list changed: an empty list is a switched off feature. A day begins
// at midnight in London.
//
// Nothing is let through that no dated rule lets through. It speaks of the published services only: what a role may do
// in this one is the role table's ([Permissions]) to say, and whether somebody holds the role the store's.
//
// Refusals, with the ground beside them where a rule gave the answer: service.unknown, role.unknown,
// capability.unpublished, capability.left (the role no longer uses the service), capability.ended (the feature is
// off), capability.role (it is another role's). The next step of the middle two names the service that does it at t.
func CapabilityAt(book *wardkey.Rulebook, service NationalService, action Action, role Role, t time.Time) (Ground, error) {
	name, err := ServiceName(book, service, t)
	if err != nil {
		return Ground{}, err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return Ground{}, book.Refuse("role.unknown", "role", string(role)).Because(err)
	}
	facts := []string{"service", name, "action", string(action), "role", string(role)}
	users, g, limited := groundList(book, usersRule(service), t)
	if limited && !slices.Contains(users, string(role)) {
		return g, refuseBy(book, g, "capability.left", append(facts, "instead", instead(book, service, action, role, t))...)
	}
	roles, g, ok := groundList(book, canRule(service, action), t)
	switch {
	case !ok:
		return Ground{}, book.Refuse("capability.unpublished", facts...)
	case len(roles) == 0:
		return g, refuseBy(book, g, "capability.ended", append(facts, "instead", instead(book, service, action, role, t))...)
	case !slices.Contains(roles, string(role)):
		return g, refuseBy(book, g, "capability.role", append(facts, "who", strings.Join(roles, ", "))...)
	}
	return g, nil
}

// instead is the next step of somebody whose service no longer does something: the one that does it for the role, else
// the one that does it for others.
func instead(book *wardkey.Rulebook, not NationalService, action Action, role Role, t time.Time) string {
	others := ""
	for _, service := range NationalServices() {
		roles, _, ok := groundList(book, canRule(service, action), t)
		name, err := ServiceName(book, service, t)
		if service == not || !ok || len(roles) == 0 || err != nil {
			continue
		}
		if slices.Contains(roles, string(role)) {
			return "Use " + name + addressOf(book, service, action, t)
		}
		if others == "" {
			others = "Ask one of these, who do it in " + name + ": " + strings.Join(roles, ", ") + "."
		}
	}
	if others == "" {
		return "Ask your RA manager which service does it now."
	}
	return others
}

// addressOf is a service's page for an action, else the service's own.
func addressOf(book *wardkey.Rulebook, service NationalService, action Action, t time.Time) string {
	page := "service." + string(service) + ".url"
	for _, id := range []string{page + "." + strings.ReplaceAll(string(action), " ", "-"), page} {
		if url, err := book.Text(id, t); err == nil {
			return ": " + url // no full stop: it would be taken for part of the address
		}
	}
	return "."
}

// CapabilityLine is one row of the side by side table of a day: which roles may do something in which service. A
// service without a published rule for it is not in Roles; one that has it switched off is, with no role.
type CapabilityLine struct {
	Action Action
	Roles  map[NationalService][]Role
}

// CapabilitiesAt is the side by side table of t, for pages that show the switch-off. It says what CapabilityAt says.
func CapabilitiesAt(book *wardkey.Rulebook, t time.Time) []CapabilityLine {
	var lines []CapabilityLine
	for _, action := range moved() {
		lines = append(lines, CapabilityLine{Action: action, Roles: map[NationalService][]Role{}})
	}
	for _, service := range NationalServices() {
		if _, err := ServiceName(book, service, t); err != nil {
			continue
		}
		users, _, limited := groundList(book, usersRule(service), t)
		for _, line := range lines {
			allowed, _, published := groundList(book, canRule(service, line.Action), t)
			if !published {
				continue
			}
			line.Roles[service] = []Role{}
			for _, role := range Roles() {
				if slices.Contains(allowed, string(role)) && (!limited || slices.Contains(users, string(role))) {
					line.Roles[service] = append(line.Roles[service], role)
				}
			}
		}
	}
	return lines
}

// SwitchDays lists the days (2006-01-02) on which CapabilitiesAt changes or has changed, oldest first.
func SwitchDays(book *wardkey.Rulebook) []string {
	var days []string
	for _, service := range NationalServices() {
		rules := book.History(usersRule(service))
		for _, action := range moved() {
			rules = append(rules, book.History(canRule(service, action))...)
		}
		for _, rule := range rules {
			if rule.From != "" {
				days = append(days, rule.From)
			}
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// Ready reports whether somebody is ready for the switch to Care Identity Management: they have signed in to it before
// t. A zero firstUse is never. The page asks people to try it before they must, so t is the day they must, or now.
// Refusals: service.unknown, readiness.untried.
func Ready(book *wardkey.Rulebook, firstUse, t time.Time) error {
	name, err := ServiceName(book, CIM, t)
	if err != nil {
		return err
	}
	if firstUse.IsZero() || !firstUse.Before(t) {
		url, err := ServiceURL(book, CIM, t)
		if err != nil {
			return err
		}
		return book.Refuse("readiness.untried", "service", name, "url", url)
	}
	return nil
}

// Errand is something that a person wants done and for which steps are published.
type Errand string

// The errands that the rulebook has steps for.
const (
	AddEmail        Errand = "add-email"
	UnlockStaffCard Errand = "unlock-staff-card"
	SigningOut      Errand = "sign-out" // what to do when the work is done
)

// Route is the published way on a day, step by step. What it was before stays in the rulebook's history of
// "route." and the errand. Refusal: route.unknown.
func Route(book *wardkey.Rulebook, errand Errand, t time.Time) ([]string, Ground, error) {
	steps, g, ok := groundList(book, "route."+string(errand), t)
	if !ok {
		return nil, Ground{}, book.Refuse("route.unknown", "errand", string(errand))
	}
	return steps, g, nil
}
