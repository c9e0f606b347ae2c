// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// words are what templates call.
func words() template.FuncMap {
	return template.FuncMap{
		"long": long, "short": short, "day": day, "stamp": stamp,
		"fixer": fixer, "fixers": func() map[string]string { return fixerNames }, "roleName": RoleName, "stateWord": stateWord,
		"first": firstLine, "capital": capital, "lines": pieces,
	}
}

// told is the line that a page shows once after something was done; only these
// words can be asked for.
func told(r *http.Request) string {
	return map[string]string{
		"signed-out": "You are signed out.",
		"ended":      "Your session has ended, because the card left its reader or its time was over.",
		"unlocked":   "The card is unlocked and has its new passcode.",
		"passcode":   "The passcode is changed.",
		"renewed":    "The card has new certificates.",
		"issued":     "The card is issued.",
		"done":       "Done.",
		"sent":       "The message is on its way: see the inbox for what arrived.",
		"invited":    "The invitation is sent.",
		"submitted":  "Thank you. Your application is with the Registration Authority.",
		"renamed":    "The name is changed, and a card in it is ordered: see the desk.",
		"released":   "Another organisation may take the person over now, or no longer.",
		"registered": "The app is registered. It signs you in together with your mail account.",
		"key":        "It is registered, and signs you in from now on.",
		"account":    "The mail account is registered. It signs you in together with an authenticator app.",
		"moved":      "The person is in your care now.",
		"left":       "The Care Identity has ended.",
		"linked":     "Your card is linked to the mail account.",
		"unlinked":   "The link is ended.",
	}[r.URL.Query().Get("told")]
}

// Zone is where the days of care identities begin.
func Zone() *time.Location {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return time.UTC
	}
	return london
}

func long(t time.Time) string  { return t.In(Zone()).Format("Monday 2 January 2006, 15:04:05") }
func short(t time.Time) string { return t.In(Zone()).Format("2 Jan 2006, 15:04") }
func day(t time.Time) string   { return t.In(Zone()).Format("2 Jan 2006") }
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

var fixerNames = map[string]string{
	"holder": "You yourself", "ra-manager": "An RA manager", "ra-agent": "A Registration Authority agent", "sponsor": "A sponsor",
	"local-administrator": "A Local Administrator of your organisation", "helpdesk": "The help desk", "sender": "The sender",
	"system": "The people who run this service",
}

func fixer(role string) string {
	if name, ok := fixerNames[role]; ok {
		return name
	}
	return role
}

var roleNames = map[string]string{
	"ra-manager": "RA manager", "advanced-ra-agent": "Advanced RA agent", "ra-agent": "RA agent", "sponsor": "Sponsor",
	"id-checker": "ID checker", "local-smartcard-administrator": "Local Smartcard Administrator", "holder": "Card holder",
}

// RoleName is a role as people call it.
func RoleName(role string) string {
	if name, ok := roleNames[role]; ok {
		return name
	}
	return role
}

var stateWords = map[string]string{
	"present": "in the reader", "finalTry": "one try left", "ends-soon": "ends soon", "ordered": "being issued",
	"verified": "unbroken", "broken": "broken",
}

func stateWord(state any) string {
	text := toText(state)
	if word, ok := stateWords[text]; ok {
		return word
	}
	return text
}

func toText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case careid.CardState:
		return string(v)
	case careid.Action:
		return string(v)
	}
	return ""
}

// capital begins a line of its own.
func capital(text any) string {
	words := toText(text)
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// piece is a stretch of a message, a link where it is an address of a web page.
type piece struct{ Text, Link string }

// addressAt is where the first web address of a demonstration begins, at the number
// or at the name of this machine, -1 for nowhere.
func addressAt(text string) int {
	number, name := strings.Index(text, "http://127.0.0.1:"), strings.Index(text, "http://localhost:")
	if number < 0 || name < 0 {
		return max(number, name)
	}
	return min(number, name)
}

// pieces cuts a message at its web addresses.
func pieces(body string) []piece {
	var out []piece
	for body != "" {
		i := addressAt(body)
		if i < 0 {
			return append(out, piece{Text: body})
		}
		if i > 0 {
			out = append(out, piece{Text: body[:i]})
		}
		link := body[i:]
		if end := strings.IndexAny(link, " \n\t<>\""); end >= 0 {
			link = link[:end]
		}
		out = append(out, piece{Text: link, Link: link})
		body = body[i+len(link):]
	}
	return out
}
