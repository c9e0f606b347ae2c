// SPDX-License-Identifier: Apache-2.0

package careid

import "time"

// ApplicationState is a step of Apply for Care ID.
type ApplicationState string

// An application moves forward only.
const (
	ApplicationInvited   ApplicationState = "invited"
	ApplicationSubmitted ApplicationState = "submitted"
	ApplicationChecked   ApplicationState = "checked"
	ApplicationApproved  ApplicationState = "approved"
)

// Application is one person's way to a profile: invited, submitted, checked, approved.
type Application struct {
	ID            string // 128 random bits, hex
	Organisation  string // ODS code
	State         ApplicationState
	Given, Family string
	Email, Mobile string
	InvitedBy     string    // user id
	InvitedAt     time.Time // the invitation's life runs from here
	Check         *Check    // nil until an identity check is recorded
	Profile       string    // user id, once approved
}

// Invitation names the person to be invited, and nothing more: an applicant has nothing to prepare.
type Invitation struct {
	Given, Family string
	Email, Mobile string // at least one
}

// Submission is what the applicant confirms. Empty fields keep what the invitation said.
type Submission struct {
	Given, Family string
}

// CheckMethod is how the person's identity was checked.
type CheckMethod string

// The two ways that the service publishes.
const (
	FaceToFace    CheckMethod = "face-to-face"
	ByApplication CheckMethod = "by-application"
)

// Document is one document seen. Kind is a word of the rule identity.photo or identity.address. At least one
// document carries its number.
type Document struct {
	Kind   string `json:"kind"`
	Number string `json:"number,omitempty"`
}

// Check is a recorded identity check.
type Check struct {
	Method    CheckMethod `json:"method"`
	Documents []Document  `json:"documents"`
	By        string      `json:"by"` // user id of the checker; filled in by RecordCheck
	At        time.Time   `json:"at"` // filled in by RecordCheck
}
