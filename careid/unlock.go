// SPDX-License-Identifier: Apache-2.0

package careid

// Channel is a way to a person. Its text is what Sender gets.
type Channel string

// Codes and invitations leave by e-mail or by text.
const (
	ByEmail Channel = "email"
	ByText  Channel = "text"
)

// UnlockStart asks for a code to be sent to the contact on the card's profile.
type UnlockStart struct {
	Handle  string // from OpenUnlock
	Card    string
	Channel Channel
}

// UnlockStarted names the request that a code belongs to. It is filled in beside a Refusal too, with a Request that
// opens nothing, so that a page for strangers has one answer for all.
type UnlockStarted struct {
	Request string
}

// UnlockCode redeems a code. AgentKey is the agent's ephemeral X25519 public key, 32 bytes.
type UnlockCode struct {
	Request  string
	Card     string
	Code     []byte
	AgentKey []byte
}

// Reset is an opened reset act: the agent's token for it, and the security officer PINs to try, at most two.
type Reset struct {
	Token      string
	Candidates []SealedSOPIN
}
