// SPDX-License-Identifier: Apache-2.0

package careid

import "time"

// Binding says what pulling the card does to the session that it opened.
type Binding string

// Close ends the session and has the agent close the browser, End ends the session, Keep leaves it.
const (
	BindingClose Binding = "close"
	BindingEnd   Binding = "end"
	BindingKeep  Binding = "keep"
)

// Answered is the server's answer to a good proof. Presence is the agent's token for Lease and Removed. Result is
// redeemed once, by the browser whose cookie the proof is bound to, within 60 seconds by Wall. A proof for an act
// (Presence, Renew) has neither: it is recorded with its act. Result of a StepUp is redeemed like a sign-in's.
type Answered struct {
	Presence   string
	Result     string
	LeaseEvery time.Duration
	LeaseFor   time.Duration
	OpenAct    string // a handle of the act left unfinished on this card, or "": any agent that sees the card goes on with it
}

// Session is a person at work, for at most 8 hours of the calendar.
type Session struct {
	ID        string // public; not the token
	Profile   string
	Name      string
	Card      string
	AuthTime  time.Time
	ExpiresAt time.Time // exclusive: at this second it is gone
	Binding   Binding
	AMR       []string // what the person really used
	ACR       string
	OpenAct   string
}

// SignedIn is a fresh session. Token is the session cookie's value; the store keeps its SHA-256.
type SignedIn struct {
	Token   string
	Session Session
	Alerts  []Alert
}

// Alert tells at a sign-in that the card's certificates end soon. DaysLeft counts begun days: 90 from the first
// second of the window, 1 on the last day, 0 at the very end.
type Alert struct {
	Rule     string // cert.alert
	Card     string
	DaysLeft int
	NotAfter time.Time // inclusive
}
