// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Known is an answer that may be missing.
type Known string

// The zero value is unknown; what unknown does is said where the answer is used.
const (
	Unknown Known = ""
	Yes     Known = "yes"
	No      Known = "no"
)

// The systems of the published matrix; what it does not name is unknown.
const (
	Windows7     = "windows-7"
	Windows81    = "windows-8.1"
	Windows10    = "windows-10"
	Windows11    = "windows-11"
	ChromeOS     = "chromeos"
	MacOS        = "macos"
	Linux        = "linux"
	WindowsPhone = "windows-phone"
	IPadOS       = "ipados"
	IOS          = "ios"
	// Tablets by their makers.
	SamsungTablet = "samsung-tablet"
	LenovoTablet  = "lenovo-tablet"
	NexusTablet   = "nexus-tablet"
	SonyTablet    = "sony-tablet"
	HTCTablet     = "htc-tablet"
	NvidiaTablet  = "nvidia-tablet"
)

// The browsers of the published matrix.
const (
	InternetExplorer11 = "internet-explorer-11"
	Chrome             = "chrome"
	Edge               = "edge" // the Chromium version
	Firefox            = "firefox"
	Safari             = "safari"
)

// The programs that people sign in with.
const (
	ClientBrowser    = "browser"
	ClientOutlook    = "outlook" // the desktop program, like the next four
	ClientTeams      = "teams"
	ClientWord       = "word"
	ClientExcel      = "excel"
	ClientPowerPoint = "powerpoint"
	ClientOffice     = "office" // any other program of Microsoft Office
	ClientMobile     = "mobile" // mail on a phone
)

// The networks that services ask for.
const (
	NetworkHSCN     = "hscn" // the Health and Social Care Network
	NetworkInternet = "internet"
)

// Workstation is what the agent or the caller declares about the machine a person sits at. Nothing here is guessed
// from a User-Agent, and nothing is proof: it explains refusals, it never grants anything that a proof must.
//
// The zero value of each field is unknown. What unknown does is a rule, "workstation.unknown." and the field's name: a
// flag that says whether it passes, which an organisation may tighten. A value that no rule knows is unknown too.
type Workstation struct {
	System               string         // such as Windows11
	Build                string         // the system's build, as the system tells it
	SetUpOn              string         // the build on which the workstation was last set up for Care Identity
	Browser              string         // such as Edge
	Client               string         // such as ClientBrowser
	Network              string         // such as NetworkHSCN
	Private              Known          // a private window
	Shared               Known          // several people use it; unknown counts as not shared, and nothing is refused for it
	CredentialManagement Known          // the agent answers
	Card                 Known          // a card is in the reader
	ClockSkew            *time.Duration // the machine's clock minus ours; nil unknown
}

// unknownPasses reads what an unknown field does. Without a rule it does not pass.
func unknownPasses(book *wardkey.Rulebook, field string, t time.Time) (Ground, bool) {
	id := "workstation.unknown." + field
	passes, err := book.Bool(id, t)
	g, _ := ground(book, id, t)
	return g, err == nil && passes
}

// knownWords lists facts for a person: "a", "a or b", "a, b or c".
func knownWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
