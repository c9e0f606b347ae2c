// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"html/template"
	"time"
)

// words are what templates call.
func words() template.FuncMap {
	return template.FuncMap{"short": short, "stamp": stamp, "fixer": fixer, "setting": setting}
}

func short(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// fixer is a role as a sentence begins with it.
func fixer(role string) string {
	if name, ok := map[string]string{
		"holder": "You yourself", "local-administrator": "A Local Administrator of your organisation", "helpdesk": "The help desk",
		"ra-agent": "A Registration Authority agent", "system": "The people who run this portal",
	}[role]; ok {
		return name
	}
	return role
}

// setting is a line of the checkup as people call it.
func setting(name string) string {
	if words, ok := map[string]string{
		"system": "System", "browser": "Browser", "client": "Program", "network": "Network", "set-up": "Set-up", "private": "Private window",
		"credential-management": "Card service", "card": "Card", "clock": "Clock", "shared": "Shared workstation",
	}[name]; ok {
		return words
	}
	return name
}
