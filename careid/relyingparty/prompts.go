// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	_ "embed"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// Alert is one of a sign-in's answer, as careid/cardhttp gives it and as the claim
// wardkey_alerts has it: the card's certificates end soon.
type Alert struct {
	Rule     string    `json:"rule"`
	DaysLeft int       `json:"daysLeft"`
	NotAfter time.Time `json:"notAfter"`
}

// AgentStatus is GET /v1/status of the workstation's agent, which the
// application's page asked and sent on. It is what a browser says, so it decides
// nothing but what that browser's person is told.
type AgentStatus struct {
	Version int           `json:"version"`
	Readers []AgentReader `json:"readers"`
}

// AgentReader is one reader and the card in it; package card/agent says what its
// members mean.
type AgentReader struct {
	State       string     `json:"state"`
	SignedIn    bool       `json:"signedIn"`
	NotAfter    *time.Time `json:"notAfter"`
	RenewalOpen bool       `json:"renewalOpen"`
}

// Situation is what is known of a signed-in person's card: Alerts of the sign-in's
// answer, the Agent's status where the page could ask it, and the time.
type Situation struct {
	Alerts []Alert
	Agent  *AgentStatus
	Now    time.Time
}

// Pages are where a person goes on: addresses of pages, "" for none.
type Pages struct{ Renew, Unlock string }

// PromptKind is what a prompt is about.
type PromptKind string

// In the order in which they are shown.
const (
	PromptExpired  PromptKind = "expired"  // only the RA can renew, with the holder there
	PromptUnlock   PromptKind = "unlock"   // the card is locked
	PromptFinalTry PromptKind = "finalTry" // one wrong passcode more locks it
	PromptRenew    PromptKind = "renew"    // the certificates end soon
)

// Prompt is one thing that a person should do about their card.
type Prompt struct {
	Kind PromptKind `json:"kind"`
	Text string     `json:"text"`
	// URL is the page for it, "" where there is none.
	URL string `json:"url,omitempty"`
	// DaysLeft counts begun days, as alerts do: 1 on the last day. 0 where it
	// isn't about an end.
	DaysLeft int        `json:"daysLeft,omitempty"`
	NotAfter *time.Time `json:"notAfter,omitempty"`
	// InPerson: the holder has to be there.
	InPerson bool `json:"inPerson,omitempty"`
}

// PromptList is in the order in which it is to be shown. Its JSON is an array.
type PromptList []Prompt

// Prompts says what a person should do about their card: of the reader whose card
// they signed in with where the agent tells which, else of any card that is in a
// reader. Somebody who signed in without a card, and has none in a reader, gets
// none. Renewal is prompted for by an alert, or by the agent; the day is reckoned
// from NotAfter at Situation.Now, and not taken from either.
func Prompts(s Situation, pages Pages) PromptList {
	list := PromptList{} // an empty array in JSON, not null
	add := func(p Prompt) {
		for _, had := range list {
			if had.Kind == p.Kind {
				return
			}
		}
		list = append(list, p)
	}
	for _, r := range s.readers() {
		switch {
		case r.NotAfter != nil && s.Now.After(*r.NotAfter):
			add(expired(*r.NotAfter))
		case r.State == "locked":
			add(Prompt{Kind: PromptUnlock, Text: "Your smartcard is locked. You can unlock it yourself with a code, or have it unlocked by your Registration Authority.", URL: pages.Unlock})
		case r.State == "finalTry":
			add(Prompt{Kind: PromptFinalTry, Text: "One passcode try is left. If you don't know the passcode, unlock the smartcard now and choose a new one.", URL: pages.Unlock})
		}
		if r.RenewalOpen && r.NotAfter != nil && !s.Now.After(*r.NotAfter) {
			add(renewSoon(*r.NotAfter, s.Now, pages))
		}
	}
	for _, a := range s.Alerts {
		switch {
		case a.Rule != "cert.alert":
		case s.Now.After(a.NotAfter):
			add(expired(a.NotAfter))
		default:
			add(renewSoon(a.NotAfter, s.Now, pages))
		}
	}
	return list.ordered()
}

// readers are those whose cards may be this person's.
func (s Situation) readers() []AgentReader {
	if s.Agent == nil {
		return nil
	}
	for _, r := range s.Agent.Readers {
		if r.SignedIn {
			return []AgentReader{r}
		}
	}
	return s.Agent.Readers
}

func expired(end time.Time) Prompt {
	end = end.UTC()
	return Prompt{
		Kind: PromptExpired, NotAfter: &end, InPerson: true,
		Text: "The certificates on your smartcard ended on " + day(end) + ". Only your Registration Authority can renew them, and you must be there in person.",
	}
}

func renewSoon(end, now time.Time, pages Pages) Prompt {
	end = end.UTC()
	left := begunDays(end.Sub(now))
	text := "Renew your smartcard: its certificates end on " + day(end) + ", in " + strconv.Itoa(left) + " days."
	if left <= 1 {
		text = "Renew your smartcard now: its certificates end on " + day(end) + " at " + end.Format("15:04") + " UTC."
	}
	return Prompt{Kind: PromptRenew, Text: text, URL: pages.Renew, DaysLeft: left, NotAfter: &end}
}

func day(t time.Time) string { return t.Format("2 January 2006") }

// begunDays counts a day that has begun as a whole one.
func begunDays(left time.Duration) int {
	return int((left + 24*time.Hour - 1) / (24 * time.Hour))
}

func (l PromptList) ordered() PromptList {
	ordered := PromptList{}
	for _, kind := range []PromptKind{PromptExpired, PromptUnlock, PromptFinalTry, PromptRenew} {
		for _, p := range l {
			if p.Kind == kind {
				ordered = append(ordered, p)
			}
		}
	}
	return ordered
}

//go:embed prompts.html
var promptsHTML string

// HTML is a fragment for the application's own page: a section with a list, whose
// classes begin with wardkey-, without style or script. It is empty where there is
// nothing to say. An address in Pages that is no web address loses its link.
func (l PromptList) HTML() (template.HTML, error) {
	if len(l) == 0 {
		return "", nil
	}
	fragment, err := template.New("prompts").Parse(promptsHTML)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	if err := fragment.Execute(&text, l); err != nil {
		return "", err
	}
	return template.HTML(text.String()), nil // html/template wrote it
}
