// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"crypto/x509"
	"time"
)

// Purpose is what a proof, a nonce or an act is for. Its text is part of the card protocol.
type Purpose string

// The first four are what a proof can be for: Renew is the holder's own consent to a renewal, and the word of a new
// key that it is in place, whatever the kind of its act. Renew and those after it are the kinds of act; Unlock and
// Passcode are help at a desk on a card that keeps its certificates, and Bind takes in a card that an OutsideIssuer made.
const (
	SignIn   Purpose = "signin"
	StepUp   Purpose = "stepup"
	Presence Purpose = "presence"
	Renew    Purpose = "renew"
	Issue    Purpose = "issue"
	Repair   Purpose = "repair"
	Clear    Purpose = "clear"
	Unlock   Purpose = "unlock"
	Passcode Purpose = "passcode"
	Bind     Purpose = "bind"
)

// ActState is where an act is in its life.
type ActState string

// An open act has no certificates yet. One card has at most one act that is open or issued.
const (
	ActOpen       ActState = "open"
	ActIssued     ActState = "issued"     // certificates are made, the card has not yet proven the new key
	ActAbandoning ActState = "abandoning" // given up; its unconfirmed pair is still to be revoked
	ActConfirmed  ActState = "confirmed"
	ActAbandoned  ActState = "abandoned"
)

// EvidenceKind says how the holder's presence is shown.
type EvidenceKind string

// Presence is evidence, never a flag. ByCard is a presence proof of the holder's card within 60 seconds, naming the
// RA's session and the act. Attested is the RA's word with the document seen, for a card that can't sign.
const (
	NoEvidence EvidenceKind = ""
	ByCard     EvidenceKind = "presence"
	Attested   EvidenceKind = "attested"
)

// shown says in words how somebody shows it.
func (k EvidenceKind) shown() string {
	if k == ByCard {
		return "the holder's card in the reader and its passcode"
	}
	return "a document of the holder's that you see and write down"
}

// Evidence of the holder's presence, as the role table asks for it.
type Evidence struct {
	Kind     EvidenceKind
	Document string // the document seen, when Attested, and for a Bind beside ByCard
}

// ActRequest asks for an act on a card.
type ActRequest struct {
	Kind     Purpose // Issue, Renew, Repair, Clear, Unlock, Passcode or Bind
	Card     string  // the token's serial
	Profile  string  // user id; needed for Issue and Bind, else the card's holder
	Replaces string  // Issue: serial of the card that this one takes the place of
	Locked   bool    // Issue: the card starts locked, and its holder's first unlock sets the passcode
	Evidence Evidence
}

// Act is a piece of work on one card, opened by the server before the card is touched, and done when the card proves
// its new key. Handle is set only by OpenAct and Bootstrap and works for an hour of the calendar, and no longer than the
// session that opened it, its role, and until somebody else takes the act up, unless it is confirmed; the store keeps its
// SHA-256. Opening the act again gives another handle.
type Act struct {
	ID           string // 128 random bits, hex; the idempotency key towards the CA
	Kind         Purpose
	Card         string
	Profile      string
	State        ActState
	Actor        string // user id, or "bootstrap"
	Role         Role
	Organisation string
	Session      []byte // SHA-256 of the actor's session token: what a presence proof binds to
	Evidence     Evidence
	PresentAt    time.Time // Wall time of the holder's proof for this act, zero when none
	Opened       bool      // an agent has taken the act up, after its evidence was good
	Renews       string    // Renew: the act that made the pair to be replaced
	Expired      bool      // Renew: an expired pair, renewed through CA.Issue
	Locked       bool
	Replaces     string
	OpenedAt     time.Time
	Requests     [][]byte // the two CSRs, DER: authentication, signing
	Handle       string   // never stored
}

// KeyPlan names one key that the agent makes: its use, and the CKA_ID it goes under, derived from the act.
type KeyPlan struct {
	Use       KeyUse
	ID        []byte // 16 bytes
	Algorithm string // "" is P-256
}

// SealedSOPIN is one security officer PIN, sealed to the agent's ephemeral X25519 key (RFC 9180: DHKEM(X25519,
// HKDF-SHA256), HKDF-SHA256, AES-128-GCM, info "wardkey/so-pin/v1"; the encapsulated key first).
type SealedSOPIN struct {
	Generation int64
	Sealed     []byte
}

// ActView is what an agent is told about the act it holds the handle of.
type ActView struct {
	Act          string
	Kind         Purpose
	Card         string
	Holder       string // user id and name, for the agent's own page
	Locked       bool   // Issue: leave the card without a passcode that anybody knows
	Keys         []KeyPlan
	SOPINs       []SealedSOPIN       // the candidates, at most two; Issue and Clear only, and only with an agentKey
	Certificates []*x509.Certificate // once made: authentication, signing
}
