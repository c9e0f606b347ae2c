// SPDX-License-Identifier: Apache-2.0

package gateway

// EventName is one of the closed list below.
type EventName string

// What Observe is told, each after its commit.
const (
	EventTaken         EventName = "mail.taken"         // answered with 250
	EventRefused       EventName = "mail.refused"       // answered with 4xx or 5xx at the end of its content
	EventDelivered     EventName = "mail.delivered"     // the next hop took it
	EventFull          EventName = "mail.full"          // answered with 452: the Store has no room
	EventDeferred      EventName = "mail.deferred"      // to be tried again
	EventDelayed       EventName = "mail.delayed"       // its sender is told that it was not taken yet
	EventBounced       EventName = "mail.bounced"       // given up; its sender is told
	EventUndeliverable EventName = "mail.undeliverable" // given up, with no sender to tell
	EventWarned        EventName = "mail.warned"        // taken; its sender gets a mail that it seems to have lost its tag
	EventDamaged       EventName = "mail.damaged"       // what the store gave back is not what was sealed

	EventPasscode     EventName = "mail.pickup.passcode" // one was sent
	EventWrong        EventName = "mail.pickup.wrong"    // a wrong one was typed
	EventFetched      EventName = "mail.pickup.fetched"  // the right one was
	EventPasscodeLost EventName = "mail.pickup.lost"     // one could not be sent
	EventExpired      EventName = "mail.pickup.expired"  // deleted; its sender is told where nobody read it
)

// Event is one thing that happened. It names no person.
type Event struct {
	Name       EventName
	Recipients int
	Rule       string // EventRefused, where a rule refused
}
