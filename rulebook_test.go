// SPDX-License-Identifier: Apache-2.0

package wardkey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
)

const bookText = `{
 "sources": {"A": {"document": "First page", "date": "2024-01-31"}, "B": {"document": "Second page"}},
 "rules": [
  {"id": "old.unlock", "value": true, "unit": "flag", "from": "2020-01-01", "zone": "Europe/London", "source": "A", "tighter": "lower"},
  {"id": "old.unlock", "value": false, "unit": "flag", "from": "2024-05-01", "zone": "Europe/London", "source": "A", "tighter": "lower", "supersedes": "unlocking in the old service"},
  {"id": "code.life", "value": 15, "unit": "minutes", "from": "2020-01-01", "source": "A", "tighter": "lower"},
  {"id": "code.life", "value": 12, "unit": "minutes", "from": "2030-01-01", "source": "A", "tighter": "lower"},
  {"id": "domains", "value": ["nhs.net", "nhs.uk"], "unit": "list", "from": "2020-01-01", "source": "A", "tighter": "subset"},
  {"id": "digits", "value": 6, "unit": "digits", "from": "2020-01-01", "source": "A", "tighter": "higher"},
  {"id": "new.page", "value": true, "unit": "flag", "from": "", "source": "B", "tighter": "never"},
  {"id": "url", "value": "https://example.org", "unit": "text", "from": "2020-01-01", "source": "B", "tighter": "never"}
 ],
 "refusals": [{"id": "cert.expired", "status": 403, "source": "A", "public": "It ended on {notAfter}.", "fixer": "ra-agent", "next": ["Visit your Registration Authority."], "inPerson": true}]
}`

func book(t *testing.T) *wardkey.Rulebook {
	t.Helper()
	b, err := wardkey.ParseRulebook([]byte(bookText))
	require.NoError(t, err)
	return b
}

func TestRuleChangesAtMidnightWhereItApplies(t *testing.T) {
	b := book(t)
	// 1 May 2024 begins in London at 23:00 UTC of the day before.
	midnight := time.Date(2024, 4, 30, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want bool
	}{{midnight.Add(-time.Second), true}, {midnight, false}, {midnight.Add(time.Second), false}} {
		got, err := b.Bool("old.unlock", c.at)
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.at)
	}
	_, ok := b.At("old.unlock", time.Date(2019, 12, 31, 23, 59, 59, 0, time.UTC))
	require.False(t, ok, "nothing is in force before the first day")
	require.Len(t, b.History("old.unlock"), 2, "what was superseded is still told")

	changes := b.Diff(midnight.Add(-time.Second), midnight)
	require.Len(t, changes, 1)
	require.Equal(t, "old.unlock", changes[0].ID)
	require.Equal(t, "true", string(changes[0].Before.Value))
	require.Equal(t, "false", string(changes[0].After.Value))
}

func TestUndatedRuleNeverGates(t *testing.T) {
	b := book(t)
	_, ok := b.At("new.page", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	require.False(t, ok)
	_, err := b.Bool("new.page", time.Now())
	require.Error(t, err)
	require.Len(t, b.History("new.page"), 1)
}

func TestValuesHaveTheirUnits(t *testing.T) {
	b, now := book(t), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	life, err := b.Duration("code.life", now)
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, life)
	list, err := b.Strings("domains", now)
	require.NoError(t, err)
	require.Equal(t, []string{"nhs.net", "nhs.uk"}, list)
	text, err := b.Text("url", now)
	require.NoError(t, err)
	require.Equal(t, "https://example.org", text)
	_, err = b.Duration("digits", now)
	require.Error(t, err, "digits are no time")
	_, err = b.Int("code.life", now)
	require.Error(t, err, "minutes are no count")
}

func TestOverlayOnlyTightens(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	overlay := func(rule string) (*wardkey.Rulebook, error) {
		return book(t).Overlay([]byte(`{"sources": {"O": {"document": "Trust policy 7"}}, "rules": [` + rule + `], "refusals": []}`))
	}
	b, err := overlay(`{"id": "code.life", "value": 10, "unit": "minutes", "from": "2026-01-01", "source": "O", "tighter": "lower"}`)
	require.NoError(t, err)
	life, err := b.Duration("code.life", now)
	require.NoError(t, err)
	require.Equal(t, 10*time.Minute, life)
	life, err = b.Duration("code.life", now.AddDate(-1, 0, 0))
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, life, "not before its first day")
	life, err = b.Duration("code.life", now.AddDate(10, 0, 0))
	require.NoError(t, err)
	require.Equal(t, 10*time.Minute, life, "the base's later, looser value does not come back")

	for name, rule := range map[string]string{
		"longer":             `{"id": "code.life", "value": 20, "unit": "minutes", "from": "2026-01-01", "source": "O", "tighter": "lower"}`,
		"longer than later":  `{"id": "code.life", "value": 13, "unit": "minutes", "from": "2026-01-01", "source": "O", "tighter": "lower"}`,
		"other unit":         `{"id": "code.life", "value": 1, "unit": "hours", "from": "2026-01-01", "source": "O", "tighter": "lower"}`,
		"other direction":    `{"id": "code.life", "value": 10, "unit": "minutes", "from": "2026-01-01", "source": "O", "tighter": "higher"}`,
		"more domains":       `{"id": "domains", "value": ["nhs.net", "gmail.com"], "unit": "list", "from": "2026-01-01", "source": "O", "tighter": "subset"}`,
		"fewer digits":       `{"id": "digits", "value": 4, "unit": "digits", "from": "2026-01-01", "source": "O", "tighter": "higher"}`,
		"flag back on":       `{"id": "old.unlock", "value": true, "unit": "flag", "from": "2026-01-01", "source": "O", "tighter": "lower"}`,
		"what never changes": `{"id": "url", "value": "https://evil.example", "unit": "text", "from": "2026-01-01", "source": "O", "tighter": "never"}`,
		"no such rule":       `{"id": "other", "value": 1, "unit": "count", "from": "2026-01-01", "source": "O", "tighter": "lower"}`,
		"undated":            `{"id": "code.life", "value": 1, "unit": "minutes", "from": "", "source": "O", "tighter": "lower"}`,
		"before the base":    `{"id": "code.life", "value": 1, "unit": "minutes", "from": "2019-01-01", "source": "O", "tighter": "lower"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := overlay(rule)
			require.Error(t, err)
		})
	}
	_, err = book(t).Overlay([]byte(`{"sources": {"A": {"document": "Mine"}}, "rules": [], "refusals": []}`))
	require.Error(t, err, "the base's sources are the base's")
}

func TestBookIsReadStrictly(t *testing.T) {
	for name, change := range map[string][2]string{
		"unknown member":  {`"tighter": "subset"`, `"tighter": "subset", "extra": 1`},
		"unknown unit":    {`"unit": "digits"`, `"unit": "furlongs"`},
		"unknown source":  {`"source": "B", "tighter": "never"}`, `"source": "Z", "tighter": "never"}`},
		"no such day":     {`2024-05-01`, `2024-02-30`},
		"no such zone":    {`Europe/London`, `Europe/Lunnon`},
		"same day twice":  {`2030-01-01`, `2020-01-01`},
		"negative":        {`"value": 12`, `"value": -12`},
		"not its unit":    {`"value": 12`, `"value": "12"`},
		"no sentence":     {`"It ended on {notAfter}."`, `""`},
		"no next step":    {`["Visit your Registration Authority."]`, `[]`},
		"unknown fixer":   {`"fixer": "ra-agent"`, `"fixer": "wizard"`},
		"success status":  {`"status": 403`, `"status": 200`},
		"unnamed source":  {`"document": "Second page"`, `"document": ""`},
		"fraction":        {`"value": 12`, `"value": 1.5`},
		"something after": {`"inPerson": true}]`, `"inPerson": true}]} {"x": [1]`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(bookText, change[0], change[1], 1)
			require.NotEqual(t, bookText, text)
			_, err := wardkey.ParseRulebook([]byte(text))
			require.Error(t, err)
		})
	}
}
