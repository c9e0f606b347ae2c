// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

func kinds(l relyingparty.PromptList) []relyingparty.PromptKind {
	var all []relyingparty.PromptKind
	for _, p := range l {
		all = append(all, p.Kind)
	}
	return all
}

func TestPrompts(t *testing.T) {
	end := time.Date(2026, 10, 27, 11, 59, 59, 0, time.UTC) // two days after summer time ends
	pages := relyingparty.Pages{Renew: "/renew", Unlock: "/unlock"}
	alert := []relyingparty.Alert{{Rule: "cert.alert", DaysLeft: 77, NotAfter: end}}
	reader := func(state string, renewal bool) *relyingparty.AgentStatus {
		return &relyingparty.AgentStatus{Version: 1, Readers: []relyingparty.AgentReader{{State: state, RenewalOpen: renewal, NotAfter: &end}}}
	}
	at := func(before time.Duration) time.Time { return end.Add(-before) }
	type list = []relyingparty.PromptKind

	for name, c := range map[string]struct {
		s    relyingparty.Situation
		want list
	}{
		"nothing is known":               {relyingparty.Situation{Now: at(0)}, nil},
		"an alert":                       {relyingparty.Situation{Alerts: alert, Now: at(24 * time.Hour)}, list{"renew"}},
		"an alert of another rule":       {relyingparty.Situation{Alerts: []relyingparty.Alert{{Rule: "other", NotAfter: end}}, Now: at(0)}, nil},
		"the agent says renew":           {relyingparty.Situation{Agent: reader("present", true), Now: at(24 * time.Hour)}, list{"renew"}},
		"both say so":                    {relyingparty.Situation{Alerts: alert, Agent: reader("present", true), Now: at(24 * time.Hour)}, list{"renew"}},
		"a card with time left":          {relyingparty.Situation{Agent: reader("present", false), Now: at(2000 * time.Hour)}, nil},
		"locked":                         {relyingparty.Situation{Agent: reader("locked", false), Now: at(2000 * time.Hour)}, list{"unlock"}},
		"locked, and renewal is due":     {relyingparty.Situation{Alerts: alert, Agent: reader("locked", false), Now: at(time.Hour)}, list{"unlock", "renew"}},
		"expired wins over locked":       {relyingparty.Situation{Agent: reader("locked", false), Now: at(-time.Second)}, list{"expired"}},
		"expired by the alert":           {relyingparty.Situation{Alerts: alert, Now: at(-time.Second)}, list{"expired"}},
		"at the last second it has not":  {relyingparty.Situation{Alerts: alert, Now: at(0)}, list{"renew"}},
		"one try left":                   {relyingparty.Situation{Agent: reader("finalTry", false), Now: at(2000 * time.Hour)}, list{"finalTry"}},
		"an empty reader":                {relyingparty.Situation{Agent: &relyingparty.AgentStatus{Readers: []relyingparty.AgentReader{{State: "absent"}}}, Now: at(0)}, nil},
		"somebody else's card beside it": {relyingparty.Situation{Agent: &relyingparty.AgentStatus{Readers: []relyingparty.AgentReader{{State: "locked"}, {State: "present", SignedIn: true}}}, Now: at(0)}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, kinds(relyingparty.Prompts(c.s, pages))) })
	}
	t.Run("row069", func(t *testing.T) { // begun days, also across a change of the clocks
		for before, want := range map[time.Duration]int{
			90 * 24 * time.Hour: 90, 90*24*time.Hour - time.Second: 90, 89 * 24 * time.Hour: 89, 24*time.Hour + time.Second: 2, 24 * time.Hour: 1, time.Second: 1, 0: 0,
		} {
			got := relyingparty.Prompts(relyingparty.Situation{Alerts: alert, Now: at(before).In(time.FixedZone("BST", 3600))}, pages)
			require.Len(t, got, 1)
			require.Equal(t, want, got[0].DaysLeft, before)
			require.Equal(t, end, *got[0].NotAfter)
			require.Contains(t, got[0].Text, "27 October 2026")
		}
	})
	t.Run("row118", func(t *testing.T) { // a security key: no alert, no card
		require.Empty(t, relyingparty.Prompts(relyingparty.Situation{Agent: &relyingparty.AgentStatus{}, Now: at(0)}, pages))
	})
	t.Run("row065", func(t *testing.T) {
		got := relyingparty.Prompts(relyingparty.Situation{Alerts: alert, Now: at(-time.Hour)}, pages)
		require.True(t, got[0].InPerson)
		require.Empty(t, got[0].URL, "there is no page that would help")
		require.Contains(t, got[0].Text, "Registration Authority")
	})
}

// The list as JSON, and as a fragment that no address or text can break out of.
func TestPromptsAsJSONAndHTML(t *testing.T) {
	empty := relyingparty.Prompts(relyingparty.Situation{}, relyingparty.Pages{})
	text, err := json.Marshal(empty)
	require.NoError(t, err)
	require.Equal(t, "[]", string(text))
	fragment, err := empty.HTML()
	require.NoError(t, err)
	require.Empty(t, fragment)

	locked := relyingparty.Situation{Agent: &relyingparty.AgentStatus{Readers: []relyingparty.AgentReader{{State: "locked"}}}}
	for address, want := range map[string]string{
		"/unlock":                     `<a href="/unlock">Unlock it here</a>`,
		"":                            "",
		"javascript:alert(1)":         `<a href="#ZgotmplZ">`,
		`"><script>alert(1)</script>`: `<a href="%22%3e%3cscript%3ealert%281%29%3c/script%3e">`,
	} {
		fragment, err := relyingparty.Prompts(locked, relyingparty.Pages{Unlock: address}).HTML()
		require.NoError(t, err)
		require.Contains(t, string(fragment), want)
		require.NotContains(t, string(fragment), "<script>")
		require.Contains(t, string(fragment), `<li class="wardkey-unlock">`)
	}
}

// AgentStatus reads what package card/agent documents, and what may be added to it
// does no harm.
func TestTheAgentsStatusIsRead(t *testing.T) {
	const text = `{"version":1,"readers":[
		{"reader":0,"name":"Reader 00 00","state":"locked","signedIn":true,"notAfter":"2026-10-27T11:59:59Z","daysLeft":3,"renewalOpen":true,"mend":"unlock"},
		{"reader":1,"name":"Reader 01 00","state":"blank","serial":"WK000007","mend":"ra-agent"},
		{"reader":2,"name":"Reader 02 00","state":"absent"}],"further":{}}`
	var status relyingparty.AgentStatus
	require.NoError(t, json.Unmarshal([]byte(text), &status))
	end := time.Date(2026, 10, 27, 11, 59, 59, 0, time.UTC)
	require.Equal(t, relyingparty.AgentStatus{Version: 1, Readers: []relyingparty.AgentReader{
		{State: "locked", SignedIn: true, NotAfter: &end, RenewalOpen: true}, {State: "blank"}, {State: "absent"},
	}}, status)
	got := relyingparty.Prompts(relyingparty.Situation{Agent: &status, Now: end.AddDate(0, 0, -3)}, relyingparty.Pages{})
	require.Equal(t, []relyingparty.PromptKind{"unlock", "renew"}, kinds(got), "unlock first; renewal is open, too")
}
