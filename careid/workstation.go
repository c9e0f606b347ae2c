// SPDX-License-Identifier: Apache-2.0

package careid

import "time"

// Known is an answer that may be missing.
type Known string

// The zero value is unknown; what unknown does is said where the answer is used.
const (
	Unknown Known = ""
	Yes     Known = "yes"
	No      Known = "no"
)

// Workstation is what the agent or the caller declares about the machine a person sits at. Nothing here is guessed
// from a User-Agent, and nothing is proof: it explains refusals, it never grants anything that a proof must.
type Workstation struct {
	System               string         // "windows-11"; "" unknown
	Browser              string         // "chrome", "edge", …; "" unknown, and refused where a browser matters
	Client               string         // "browser", "outlook", …; "" unknown
	Network              string         // "hscn", "internet"; "" unknown
	Private              Known          // a private window; unknown passes, for no browser tells
	Shared               Known          // unknown counts as not shared
	CredentialManagement Known          // the agent answers; unknown counts as missing
	ClockSkew            *time.Duration // the machine's clock minus ours; nil unknown, and passes: each proof measures it again
}
