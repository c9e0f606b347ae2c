// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
)

// A passcode opens once, however many type it at the same moment, and no more
// than five tries are looked at, however many come at once to however many servers.
func TestPasscodeRace(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { passcodeRace(t, startPickup(t, nil)) })
	t.Run("postgres", func(t *testing.T) {
		db := postgrestest.Open(t)
		var clock relay
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Wall: clock.wall})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		r := startPickup(t, func(c *gateway.Config) { c.Store = store })
		passcodeRaceWith(t, r, &clock)
	})
}

func passcodeRace(t *testing.T, r *relay) { passcodeRaceWith(t, r, r) }

func passcodeRaceWith(t *testing.T, r, clock *relay) {
	link := r.parked(mailTo("[secure] x", aunt))
	other, err := gateway.New(r.config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	second := httptest.NewServer(other.PickupHandler())
	t.Cleanup(second.Close)
	links := []string{link, second.URL + "/pickup" + link[len(link)-65:]}
	atOnce := func(passcode func(i int) string) (opened, wrong int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				answer, err := client.PostForm(links[i%2]+"/open", url.Values{"passcode": {passcode(i)}})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = answer.Body.Close() }()
				mu.Lock()
				defer mu.Unlock()
				switch answer.StatusCode {
				case http.StatusSeeOther:
					opened++
				case http.StatusForbidden:
					wrong++
				default:
					t.Error(answer.Status)
				}
			})
		}
		all.Wait()
		return opened, wrong
	}
	p := newPerson(t)
	passcode := r.ask(p, link)
	opened, wrong := atOnce(func(int) string { return passcode })
	require.Equal(t, 1, opened)
	require.Equal(t, 19, wrong)

	clock.wait(time.Minute)
	passcode = r.ask(p, link)
	opened, _ = atOnce(func(i int) string { return wrongOf(passcode)[:7] + string(rune('0'+i%10)) })
	require.Zero(t, opened)
	require.Equal(t, 5, r.count(gateway.EventWrong), "looked at")
	status, body := p.try(link, passcode)
	require.Equal(t, 403, status)
	require.Contains(t, body, "Ask for a new one")

	clock.wait(time.Minute)
	status, body = p.try(link, r.ask(p, link))
	require.Equal(t, 200, status)
	require.Contains(t, body, secret)
}

func TestPasscodeLimits(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(mailTo("[secure] x", aunt))
	p := newPerson(t)
	first := r.ask(p, link)
	status, body := p.post(link+"/passcode", nil)
	require.Equal(t, 429, status)
	require.Contains(t, body, "less than a minute ago")
	answer, err := p.PostForm(link+"/passcode", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	when, err := http.ParseTime(answer.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.WithinDuration(t, r.wall().Add(time.Minute), when, time.Minute)
	r.turn(15 * time.Minute)
	status, _ = p.try(link, first)
	require.Equal(t, 403, status, "too old by the calendar")
	r.wait(-24 * time.Hour)
	for range 9 {
		r.ask(p, link)
		r.wait(time.Minute)
	}
	status, _ = p.try(link, first)
	require.Equal(t, 403, status, "not the last one")
	r.wait(time.Hour)
	status, body = p.post(link+"/passcode", nil)
	require.Equal(t, 429, status)
	require.Contains(t, body, "No more passcodes")
}
