// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

var pages = agent.Pages{
	Unlock: "https://care.example/#/self-service/unlock-authenticator",
	Renew:  "https://care.example/renew", Help: "https://care.example/ra",
}

// calendar is a clock that a test moves.
type calendar struct{ at atomic.Int64 }

func (c *calendar) now() time.Time   { return time.Unix(c.at.Load(), 0).UTC() }
func (c *calendar) set(at time.Time) { c.at.Store(at.Unix()) }

// What a page learns of a card without a passcode, from the day of its issue to the
// day after its end, and where it is mended.
func TestStatus(t *testing.T) {
	clock := new(calendar)
	end := time.Date(2029, 1, 5, 8, 59, 59, 0, time.UTC) // of certify
	clock.set(end.AddDate(-1, 0, 0))
	d := newDesk(t, func(c *agent.Config) { c.Pages, c.Now = pages, clock.now })
	ctx := t.Context()
	d.personalised(0)
	reader := func() agent.ReaderStatus {
		t.Helper()
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Nil(t, s.Refusal)
		return s.Readers[0]
	}
	for _, c := range []struct {
		before     time.Duration
		days       int
		open       bool
		mend, page string
	}{
		{before: 91 * 24 * time.Hour, days: 91},
		{before: 90*24*time.Hour + time.Second, days: 90},
		{before: 90 * 24 * time.Hour, days: 90, open: true, mend: "renew", page: pages.Renew},
		{before: 0, days: 0, open: true, mend: "renew", page: pages.Renew},
		{before: -time.Second, days: -1, mend: "ra-agent", page: pages.Help},
	} {
		clock.set(end.Add(-c.before))
		r := reader()
		require.Equal(t, agent.CardPresent, r.State)
		require.Equal(t, end, r.NotAfter.UTC())
		require.Equal(t, c.days, *r.DaysLeft, c.before)
		require.Equal(t, c.open, r.RenewalOpen, c.before)
		require.Equal(t, c.mend, r.Mend, c.before)
		require.Equal(t, c.page, r.MendPage, c.before)
	}
	clock.set(end.AddDate(-1, 0, 0))
	wrong := func() agent.Task {
		task, err := d.Run(ctx, agent.Request{Kind: agent.Passcode}, map[string]string{"passcode": "000000", "newPasscode": "314159", "newPasscode2": "314159"})
		require.NoError(t, err)
		return task
	}
	wrong()
	wrong()
	require.Equal(t, agent.CardFinalTry, reader().State)
	task := wrong()
	require.Equal(t, "card.locked", rule(nil, task))
	require.Equal(t, pages.Unlock, task.Refusal.Facts["page"])
	require.Contains(t, d.page(t, agent.Opened{ID: task.ID, Page: d.http.URL + "/v1/tasks/" + task.ID + "/page"}),
		`<a href="`+pages.Unlock+`" rel="noreferrer">Unlock the smartcard</a>`)
	r := reader()
	require.Equal(t, agent.CardLocked, r.State)
	require.Equal(t, "unlock", r.Mend)
	require.Equal(t, pages.Unlock, r.MendPage)
	require.Equal(t, end, r.NotAfter.UTC(), "told of a locked card too")
	clock.set(end.Add(time.Second))
	r = reader()
	require.Equal(t, "ra-agent", r.Mend, "its end wins over its lock")
	require.Equal(t, pages.Help, r.MendPage)

	t.Run("the workstation", func(t *testing.T) {
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, s.Version)
		require.Equal(t, runtime.GOOS, s.System)
		require.NotEmpty(t, s.Build)
		require.Equal(t, agent.CardAbsent, s.Readers[1].State)
	})
	t.Run("nobody is named", func(t *testing.T) {
		serial := d.personalised(1)
		_, body := d.ask(t, http.MethodGet, "/v1/status", "", "Origin", origin)
		for _, told := range []string{"Nurse", "555000000001", serial} {
			require.NotContains(t, body, told)
		}
	})
}

// A blank card, one that signs nobody in, and one that can't be read.
func TestStatusOfOtherCards(t *testing.T) {
	d, are := newQuirkyDesk(t, func(c *agent.Config) { c.Pages = pages })
	ctx := t.Context()
	serial, err := d.tray.Blank()
	require.NoError(t, err)
	require.NoError(t, d.tray.Insert(0, serial))
	_, err = d.tray.Personalised(1, cardtest.Personal{Certify: forDocuments})
	require.NoError(t, err)
	s, err := d.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, agent.CardBlank, s.Readers[0].State)
	require.Equal(t, serial, s.Readers[0].Serial)
	require.Equal(t, pages.Help, s.Readers[0].MendPage)
	require.Equal(t, "cert.none", s.Readers[1].Refusal.Rule)
	require.Equal(t, "ra-agent", s.Readers[1].Mend)
	t.Run("threat038", func(t *testing.T) {
		reader := 1
		r := d.signin()
		r.Reader = &reader
		task, err := d.Run(ctx, r, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, "cert.none", rule(nil, task), "a key for documents signs nobody in")
		require.Empty(t, d.server.proofs)
	})
	are("fail C_GetTokenInfo 30")
	s, err = d.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, agent.CardUnknown, s.Readers[0].State)
	require.Equal(t, "card.failed", s.Readers[0].Refusal.Rule)
}

// forDocuments certifies of a card only the key that signs documents.
func forDocuments(keys []*card.Key) ([]*x509.Certificate, error) {
	all, err := certify(keys)
	if err != nil {
		return nil, err
	}
	return all[1:], nil
}

// The doctor says for each thing whether it is right.
func TestDoctor(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	config := func(change func(*agent.Config)) agent.Config {
		c := agent.Config{
			Module: d.module, Servers: []string{d.server.URL}, Origins: []string{origin, "https://other.example"},
			Now: func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) },
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	wrong := func(r agent.Report) map[string]string {
		all := map[string]string{}
		for _, c := range r.Checks {
			if c.Refusal != nil {
				name, _, _ := strings.Cut(c.Name, " ")
				all[name] = c.Refusal.Rule
			}
		}
		return all
	}
	healthy := agent.Doctor(ctx, config(nil), nil)
	require.True(t, healthy.OK, healthy)
	status, err := d.Status(ctx)
	require.NoError(t, err)

	t.Run("row075", func(t *testing.T) {
		text := healthy.String()
		for _, line := range []string{
			"ok    module: ", "ok    reader 0 (", "card present, its certificate ends on 2029-01-05, days left: 735", "ok    reader 1 (", "card absent",
			"ok    server " + d.server.URL, "ok    clock by " + d.server.URL, "these pages may ask: " + origin + ", https://other.example",
			"connections of other users are refused", "LoopbackNetworkAllowedForUrls", "people are sent to no page for: unlock, renew, ra-agent",
		} {
			require.Contains(t, text, line)
		}
		require.NotContains(t, text, "WRONG")
		require.NotContains(t, text, "Nurse")

		gone := newServer(t)
		gone.Close()
		for name, c := range map[string]struct {
			change func(*agent.Config)
			opened error
			want   map[string]string
		}{
			"no module":     {func(c *agent.Config) { c.Module = nil }, card.ErrUntrusted, map[string]string{"module": "module.untrusted"}},
			"no reason":     {func(c *agent.Config) { c.Module = nil }, nil, map[string]string{"module": "module.failed"}},
			"no reader":     {func(c *agent.Config) { c.Readers = []uint{} }, nil, map[string]string{"readers": "reader.none"}},
			"a server away": {func(c *agent.Config) { c.Servers = []string{gone.URL} }, nil, map[string]string{"server": "server.unreachable"}},
			"the clock":     {func(c *agent.Config) { c.Wall = func() time.Time { return time.Now().Add(time.Hour) } }, nil, map[string]string{"clock": "device.clock"}},
			"expired":       {func(c *agent.Config) { c.Now = func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) } }, nil, map[string]string{"reader": "cert.expired"}},
			"addresses":     {func(c *agent.Config) { c.Origins = nil }, nil, map[string]string{"configuration": "config.invalid"}},
			"a page":        {func(c *agent.Config) { c.Pages.Help = "/ra" }, nil, map[string]string{"configuration": "config.invalid"}},
		} {
			r := agent.Doctor(ctx, config(c.change), c.opened)
			require.False(t, r.OK, name)
			require.Equal(t, c.want, wrong(r), name)
			require.Contains(t, r.String(), "WRONG", name)
			for _, check := range r.Checks {
				if check.Refusal != nil {
					require.NotEmpty(t, check.Refusal.Next, name)
				}
			}
		}
	})
	t.Run("row094", func(t *testing.T) {
		same := agent.Doctor(ctx, config(func(c *agent.Config) { c.SetUpOn = status.Build }), nil)
		require.True(t, same.OK)
		updated := agent.Doctor(ctx, config(func(c *agent.Config) { c.SetUpOn = "10.0.19045" }), nil)
		require.Equal(t, map[string]string{"set-up": "device.changed"}, wrong(updated))
		require.Contains(t, updated.String(), "it was set up on 10.0.19045 and is "+status.Build+" now")
	})
	t.Run("a page hears of itself alone", func(t *testing.T) {
		other := newDesk(t, func(c *agent.Config) { c.Origins = append(c.Origins, "https://secret.example") })
		report, err := other.Doctor(ctx)
		require.NoError(t, err)
		text, err := json.Marshal(report)
		require.NoError(t, err)
		require.Contains(t, string(text), origin)
		require.NotContains(t, string(text), "secret.example")
	})
	t.Run("nothing is changed", func(t *testing.T) {
		require.Equal(t, status, func() agent.Status { s, err := d.Status(ctx); require.NoError(t, err); return s }())
		require.Empty(t, d.server.proofs)
	})
}
