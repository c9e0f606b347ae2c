// SPDX-License-Identifier: Apache-2.0

package careid

import "time"

// LinkState is where a link between a card and a mail account is.
type LinkState string

// A suspended link signs nobody in to mail; the password still does. A replacement card is linked afresh.
const (
	LinkActive    LinkState = "active"
	LinkSuspended LinkState = "suspended"
	LinkEnded     LinkState = "ended"
)

// Link joins one card to one mail account.
type Link struct {
	ID      string
	Card    string
	Profile string
	Address string
	State   LinkState
	At      time.Time
}

// LinkRequest asks to link the card of the actor's own session.
type LinkRequest struct {
	Address     string
	Workstation Workstation
}
