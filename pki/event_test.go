// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
)

func TestWatched(t *testing.T) {
	var seen []pki.Event
	var log bytes.Buffer
	h := newHouse(t, func(c *pki.Config) {
		c.Observe = func(_ context.Context, e pki.Event) { seen = append(seen, e) }
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	last := func() pki.Event { return seen[len(seen)-1] }
	pair := h.issue("first")
	require.Equal(t, pki.Event{Name: pki.EventIssued, Act: "first"}, last())
	_, err := h.renew(pair)
	require.ErrorIs(t, err, pki.ErrTooEarly)
	require.Equal(t, pki.EventRefused, last().Name)
	require.Equal(t, "renewal.early", last().Rule)
	require.NoError(t, h.Revoke(t.Context(), pair[0], 1, time.Time{}))
	require.Equal(t, pki.EventRevoked, last().Name)
	require.Equal(t, pair[0].SerialNumber, last().Serial)
	n := len(seen)
	require.NoError(t, h.Revoke(t.Context(), pair[0], 1, time.Time{}))
	require.Len(t, seen, n, "nothing was changed")
	require.NotNil(t, h.listed(pair[0]))
	require.Equal(t, pki.EventCRL, last().Name)
	h.answer(pair[0].SerialNumber, crypto.SHA1)
	require.Equal(t, pki.EventResponder, last().Name)

	left := h.reopen(func(c *pki.Config) { c.Signer = h.failing(0) })
	_, err = left.Issue(t.Context(), "left", person(), requests(t))
	require.ErrorIs(t, err, pki.ErrSignerUnavailable)
	h.reopen()
	require.Equal(t, pki.Event{Name: pki.EventRecovered, Act: "left"}, last())

	h = h.reopen(func(c *pki.Config) { c.Remind = (&reminded{}).send })
	h.clock.Set(pair[1].NotAfter.Add(-time.Hour))
	_, err = h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, pki.Event{Name: pki.EventReminded, Serial: h.act("left").Records[0].Serial}, last())
	require.NotContains(t, log.String(), "Osei")
	require.Contains(t, log.String(), "the token was pulled")
}
