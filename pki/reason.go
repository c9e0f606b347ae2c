// SPDX-License-Identifier: Apache-2.0

package pki

// The reasons that Revoke takes, RFC 5280 §5.3.1. 7 is not assigned.
const (
	Unspecified          = 0
	KeyCompromise        = 1
	CACompromise         = 2
	AffiliationChanged   = 3
	Superseded           = 4
	CessationOfOperation = 5
	CertificateHold      = 6 // can be released
	RemoveFromCRL        = 8 // releases a hold; never on a list of ours
	PrivilegeWithdrawn   = 9
	AACompromise         = 10
)

// CardEvent is what happens to a card or its holder, in the words of those who
// issue cards.
type CardEvent string

// The events that revoke, hold or release certificates.
const (
	CardLost      CardEvent = "lost"      // its holder doesn't know where it is
	CardStolen    CardEvent = "stolen"    // another has it
	CardDamaged   CardEvent = "damaged"   // it is destroyed, and so are its keys
	CardReplaced  CardEvent = "replaced"  // a new card works
	NameChanged   CardEvent = "renamed"   // a new card carries the new name
	HolderLeft    CardEvent = "leaver"    // the holder left the organisation
	RoleEnded     CardEvent = "role"      // the holder stays, without a need for a card
	AccessRevoked CardEvent = "withdrawn" // the organisation takes the card away
	CardMislaid   CardEvent = "mislaid"   // perhaps at home: held until it is found
	CardFound     CardEvent = "found"     // a mislaid one is back
)

// reasons is the one place that says what an event means on a list. A card out of
// its holder's hands counts as a compromised key, since its PIN may have been seen;
// RFC 5280 §5.3.1 leaves the choice to the CA's policy.
var reasons = map[CardEvent]int{
	CardLost:      KeyCompromise,
	CardStolen:    KeyCompromise,
	CardDamaged:   CessationOfOperation,
	CardReplaced:  Superseded,
	NameChanged:   AffiliationChanged, // "the subject's name or other information … has been modified"
	HolderLeft:    CessationOfOperation,
	RoleEnded:     CessationOfOperation,
	AccessRevoked: PrivilegeWithdrawn,
	CardMislaid:   CertificateHold,
	CardFound:     RemoveFromCRL,
}

// Reason returns the code to give to Revoke, false for an event that isn't one of
// those above.
func (e CardEvent) Reason() (int, bool) {
	code, ok := reasons[e]
	return code, ok
}

// validReason refuses everything that Revoke doesn't take.
func validReason(code int) bool {
	return code >= Unspecified && code <= AACompromise && code != 7
}
