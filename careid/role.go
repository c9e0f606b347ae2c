// SPDX-License-Identifier: Apache-2.0

package careid

import "fmt"

// Role is what a person may be at an organisation. Its text is kept in the store.
type Role string

// The roles of the service, and the holder of a card.
const (
	RAManager                   Role = "ra-manager"
	AdvancedRAAgent             Role = "advanced-ra-agent"
	RAAgent                     Role = "ra-agent"
	Sponsor                     Role = "sponsor"
	IDChecker                   Role = "id-checker"
	LocalSmartcardAdministrator Role = "local-smartcard-administrator"
	Holder                      Role = "holder"
)

// Roles lists them all.
func Roles() []Role {
	return []Role{RAManager, AdvancedRAAgent, RAAgent, Sponsor, IDChecker, LocalSmartcardAdministrator, Holder}
}

// ParseRole reads a role's text; an unknown one is an error.
func ParseRole(text string) (Role, error) {
	for _, r := range Roles() {
		if string(r) == text {
			return r, nil
		}
	}
	return "", fmt.Errorf("careid: %q is not a role", text)
}

// Actor is who asks for something: a live session, in one role, at one organisation. Service.Actor makes one; the zero
// Actor may do nothing. Each action looks again at the session and the role in its own transaction, so an Actor kept
// too long is refused, not believed.
type Actor struct {
	session      []byte // SHA-256 of the token
	profile      string
	card         string
	role         Role
	organisation string
	operator     string
}

// Operator is the program that runs the service, for pages of its own: it may view everything and change nothing.
// Only code that holds the Service can make one; never make one for a request from outside.
func Operator(name string) Actor { return Actor{operator: name} }

// name is how the audit calls the actor.
func (a Actor) name() string {
	switch {
	case a.operator != "":
		return "operator " + a.operator
	case a.profile == "":
		return "anonymous"
	case a.role == Holder:
		return a.profile
	}
	return a.profile + " " + string(a.role) + " " + a.organisation
}

// Profile is the user id of the person who acts.
func (a Actor) Profile() string { return a.profile }

// Role is the role acted in.
func (a Actor) Role() Role { return a.role }

// Organisation is the ODS code acted at.
func (a Actor) Organisation() string { return a.organisation }
