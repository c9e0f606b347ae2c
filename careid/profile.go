// SPDX-License-Identifier: Apache-2.0

package careid

import "time"

// ProfileState says whether a profile may be used.
type ProfileState string

// A profile is opened by an approved application and closed when its holder leaves care.
const (
	ProfileOpen   ProfileState = "open"
	ProfileClosed ProfileState = "closed"
)

// Profile is one person's care identity. Its ID is the 12-digit user id: digits only, a leading zero is a digit
// like any other, and no check digit is published.
type Profile struct {
	ID            string // 12 digits
	Given, Family string
	Organisation  string // ODS code of the organisation whose Registration Authority looks after it
	Email         string // "" when none; always on an approved domain
	Mobile        string // "" when none; always +447 and nine digits
	State         ProfileState
	OpenedAt      time.Time
}

// Name is the person's name as printed on a card.
func (p Profile) Name() string { return p.Given + " " + p.Family }

// Grant is a role that a person holds at one organisation. From is inclusive, To exclusive; a zero To has no end.
type Grant struct {
	Profile      string
	Role         Role
	Organisation string
	From, To     time.Time
	By           string // user id of the RA manager who gave it, or "bootstrap"
}

// Founder describes the first RA manager.
type Founder struct {
	Given, Family string
	Organisation  string // ODS code
	Email, Mobile string
	Card          string // serial of the blank card that Bootstrap opens the issue act for
}

// Founded is what Bootstrap hands back. Act.Handle goes to the agent that has the card in its reader.
type Founded struct {
	Profile Profile
	Act     Act
}

// NewProfile is what a direct opening of a profile would need.
type NewProfile struct {
	Given, Family string
	Organisation  string
	Email, Mobile string
}

// Contact is one change of contact details. Both fields are set; an empty one removes that contact.
type Contact struct {
	Email  string
	Mobile string
}
