// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
)

func collect(t *testing.T, walk iter.Seq2[pki.Record, error]) []pki.Record {
	t.Helper()
	var out []pki.Record
	for r, err := range walk {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func TestWalks(t *testing.T) {
	h := newHouse(t)
	first := h.issue("first")
	h.clock.Add(24 * time.Hour)
	second := h.issue("second")
	all := collect(t, h.Issued(t.Context()))
	require.Len(t, all, 4)
	require.Equal(t, second[1].Raw, all[3].DER)
	require.Equal(t, "555000000017", all[0].UserID)
	require.Equal(t, start, all[0].Opened)

	t.Run("expiring", func(t *testing.T) {
		h.clock.Set(first[0].NotAfter)
		require.Len(t, collect(t, h.Expiring(t.Context(), 0)), 2, "ends in this second")
		require.Len(t, collect(t, h.Expiring(t.Context(), 24*time.Hour-time.Second)), 2)
		require.Len(t, collect(t, h.Expiring(t.Context(), 24*time.Hour)), 4)
		require.NoError(t, h.Revoke(t.Context(), second[0], pki.Superseded, time.Time{}))
		require.Len(t, collect(t, h.Expiring(t.Context(), 24*time.Hour)), 3)
		h.clock.Add(time.Second)
		require.Len(t, collect(t, h.Expiring(t.Context(), 24*time.Hour)), 1)
		h.clock.Set(first[0].NotAfter)
	})
	t.Run("lineage", func(t *testing.T) {
		renewed, err := h.renew(first)
		require.NoError(t, err)
		line := collect(t, h.Lineage(t.Context(), renewed[1].SerialNumber))
		require.Len(t, line, 4)
		require.Equal(t, first[0].Raw, line[0].DER)
		require.Equal(t, renewed[0].Raw, line[2].DER)
		turns := 0
		for _, err := range h.Lineage(t.Context(), big.NewInt(77)) {
			require.ErrorIs(t, err, pki.ErrUnknownCertificate)
			turns++
		}
		require.Equal(t, 1, turns)
	})
	t.Run("taken up again", func(t *testing.T) {
		for walked := range 6 {
			var last pki.Record
			n := 0
			for r, err := range h.Issued(t.Context()) {
				require.NoError(t, err)
				if n == walked {
					break
				}
				last, n = r, n+1
			}
			rest := collect(t, h.reopen().IssuedAfter(t.Context(), last))
			require.Len(t, rest, 6-walked)
		}
		within := 2 * 24 * time.Hour
		whole := collect(t, h.Expiring(t.Context(), within))
		require.Len(t, collect(t, h.ExpiringAfter(t.Context(), within, whole[0])), len(whole)-1)
	})
	t.Run("while others issue, revoke and renew", walksMeanwhile)
	t.Run("longer than a page", walksOfPages)
}

// What was there before a walk began is seen once, whatever happens meanwhile.
func walksMeanwhile(t *testing.T) {
	h := newHouse(t)
	want := map[string]bool{}
	var first []*x509.Certificate
	for i := range 300 {
		pair := h.issue(fmt.Sprint("act-", i))
		if first == nil {
			first = pair
		}
		want[pair[0].SerialNumber.String()], want[pair[1].SerialNumber.String()] = true, true
	}
	h.clock.Set(first[0].NotAfter.Add(-time.Hour))
	for name, walk := range map[string]iter.Seq2[pki.Record, error]{
		"issued": h.Issued(t.Context()), "expiring": h.Expiring(t.Context(), 4*365*24*time.Hour),
	} {
		seen := map[string]bool{}
		for r, err := range walk {
			require.NoError(t, err)
			require.False(t, seen[r.Serial.String()], "%s: twice", name)
			seen[r.Serial.String()] = true
			switch len(seen) {
			case 100, 499, 500, 501: // at the end of a page, and just behind
				h.issue(fmt.Sprint(name, "-", len(seen)))
			case 200:
				require.NoError(t, h.Revoke(t.Context(), first[0], pki.CertificateHold, time.Time{}))
				require.NoError(t, h.Revoke(t.Context(), first[0], pki.RemoveFromCRL, time.Time{}))
			}
		}
		for serial := range want {
			require.True(t, seen[serial], "%s: one was missed", name)
		}
	}
}

// A walk goes on behind its first page.
func walksOfPages(t *testing.T) {
	h := newHouse(t)
	for i := range 251 {
		h.issue(fmt.Sprint("act-", i))
	}
	require.Len(t, collect(t, h.Issued(t.Context())), 502)
	require.Len(t, collect(t, h.Expiring(t.Context(), 4*365*24*time.Hour)), 502)
}

// reminded keeps what was sent.
type reminded struct {
	sent []string
	fail error
}

func (r *reminded) send(_ context.Context, m pki.Reminder) error {
	if r.fail != nil {
		return r.fail
	}
	r.sent = append(r.sent, fmt.Sprint(m.UserID, " ", m.Days))
	return nil
}

func TestReminders(t *testing.T) {
	var out reminded
	h := newHouse(t, func(c *pki.Config) { c.Remind = out.send })
	pair := h.issue("first")
	end := pair[0].NotAfter
	due := func(at time.Time) (next time.Time) {
		t.Helper()
		h.clock.Set(at)
		for range 3 { // again, and after a restart
			var err error
			next, err = h.Due(t.Context())
			require.NoError(t, err)
			h = h.reopen()
		}
		return next
	}
	before := func(days int) time.Time { return end.Add(-time.Duration(days) * 24 * time.Hour) }
	due(before(90).Add(-time.Second))
	require.Empty(t, out.sent)
	for i, days := range []int{90, 30, 7, 1} {
		due(before(days))
		require.Len(t, out.sent, i+1)
		require.Equal(t, fmt.Sprint("555000000017 ", days), out.sent[i])
		due(before(days).Add(time.Second))
		require.Len(t, out.sent, i+1)
	}
	due(end.Add(48 * time.Hour))
	require.Len(t, out.sent, 4)

	t.Run("the calendar says when", remindersSayWhen)
	t.Run("only the last of several that passed", remindersThatPassed)
	t.Run("not of what was renewed, revoked or has ended", remindersOfNothing)
	t.Run("a crash during the call", remindersAfterACrash)
	t.Run("many servers send one", remindersOfServers)
	t.Run("that failed is sent again", remindersThatFailed)
	t.Run("those who can't be reached hold up nobody", remindersUnreachable)
}

// Due tells when the next reminder is due.
func remindersSayWhen(t *testing.T) {
	var out reminded
	h := newHouse(t, func(c *pki.Config) { c.Remind, c.CRLLife, c.OCSPLife = out.send, 365*24*time.Hour, time.Hour })
	at := h.issue("first")[0].NotAfter.Add(-90 * 24 * time.Hour)
	h.clock.Set(at.Add(-10 * time.Minute))
	next, err := h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, at, next)
}

// Of several thresholds that passed unseen, the last counts.
func remindersThatPassed(t *testing.T) {
	var out reminded
	h := newHouse(t, func(c *pki.Config) { c.Remind = out.send })
	end := h.issue("first")[0].NotAfter
	h.clock.Set(end.Add(-5 * 24 * time.Hour))
	_, err := h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"555000000017 7"}, out.sent)
}

// Nobody is reminded of what doesn't matter any more.
func remindersOfNothing(t *testing.T) {
	var out reminded
	h := newHouse(t, func(c *pki.Config) { c.Remind = out.send })
	renewed, revoked, held, ended := h.issue("a"), h.issue("b"), h.issue("c"), h.issue("d")
	require.NoError(t, h.Revoke(t.Context(), held[0], pki.CertificateHold, time.Time{}))
	h.clock.Set(ended[0].NotAfter.Add(-24 * time.Hour))
	_, err := h.renew(renewed)
	require.NoError(t, err)
	require.NoError(t, h.Revoke(t.Context(), revoked[0], pki.KeyCompromise, time.Time{}))
	require.NoError(t, h.Revoke(t.Context(), ended[0], pki.CertificateHold, time.Time{}))
	_, err = h.Due(t.Context())
	require.NoError(t, err)
	require.Empty(t, out.sent, "renewed, revoked, held: on their last day")
	require.NoError(t, h.Revoke(t.Context(), held[0], pki.RemoveFromCRL, time.Time{}))
	_, err = h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"555000000017 1"}, out.sent, "once it is released")
	h.clock.Set(ended[0].NotAfter.Add(time.Second))
	require.NoError(t, h.Revoke(t.Context(), ended[0], pki.RemoveFromCRL, time.Time{}))
	_, err = h.Due(t.Context())
	require.NoError(t, err)
	require.Len(t, out.sent, 1, "it has ended")
}

// Nobody knows how the call ended, so it comes again.
func remindersAfterACrash(t *testing.T) {
	var out reminded
	var calls []pki.Reminder
	h := newHouse(t, func(c *pki.Config) {
		c.Remind = func(ctx context.Context, m pki.Reminder) error {
			calls = append(calls, m)
			if len(calls) == 1 {
				panic("the process dies here")
			}
			return out.send(ctx, m)
		}
	})
	end := h.issue("first")[0].NotAfter
	h.clock.Set(end.Add(-7 * 24 * time.Hour))
	require.Panics(t, func() { _, _ = h.Due(t.Context()) })
	h = h.reopen()
	h.clock.Add(10*time.Minute - time.Second)
	next, err := h.Due(t.Context())
	require.NoError(t, err)
	require.Empty(t, out.sent, "another server may be sending it")
	require.Equal(t, h.clock.Now().Add(time.Second), next)
	h.clock.Add(time.Second)
	for range 2 {
		_, err = h.Due(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, []string{"555000000017 7"}, out.sent)
	require.Equal(t, calls[0], calls[1], "the sender can tell that it is the same")
	h.clock.Set(end.Add(-24 * time.Hour))
	_, err = h.Due(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"555000000017 7", "555000000017 1"}, out.sent)
}

// Servers of one ledger take turns.
func remindersOfServers(t *testing.T) {
	var sent atomic.Int64
	h := newHouse(t, func(c *pki.Config) {
		c.Remind = func(context.Context, pki.Reminder) error {
			sent.Add(1)
			return nil
		}
	})
	var end time.Time
	for i := range 5 {
		end = h.issue(fmt.Sprint("act-", i))[0].NotAfter
	}
	servers := []*house{h, h.reopen(), h.reopen(), h.reopen()}
	for n, days := range []int{30, 7, 1} {
		h.clock.Set(end.Add(-time.Duration(days) * 24 * time.Hour))
		var wg sync.WaitGroup
		for _, server := range servers {
			wg.Go(func() {
				for range 3 {
					_, err := server.Due(t.Context())
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 5*(n+1), sent.Load())
	}
}

// A failure is told, and not the end.
func remindersThatFailed(t *testing.T) {
	out := reminded{fail: errors.New("no mail today")}
	h := newHouse(t, func(c *pki.Config) { c.Remind = out.send })
	h.clock.Set(h.issue("first")[0].NotAfter.Add(-30 * 24 * time.Hour))
	for range 2 {
		_, err := h.Due(t.Context())
		require.ErrorIs(t, err, out.fail)
		h.clock.Add(10 * time.Minute)
	}
	out.fail = nil
	for range 2 {
		_, err := h.Due(t.Context())
		require.NoError(t, err)
		h.clock.Add(10 * time.Minute)
	}
	require.Equal(t, []string{"555000000017 30"}, out.sent)
}

// Failures stand behind what others wait for.
func remindersUnreachable(t *testing.T) {
	var out reminded
	unreachable := errors.New("no such mailbox")
	asked := 0
	h := newHouse(t, func(c *pki.Config) {
		c.Remind = func(ctx context.Context, m pki.Reminder) error {
			if asked++; m.UserID == person().SerialNumber {
				return unreachable
			}
			return out.send(ctx, m)
		}
	})
	for i := range 110 { // more than one call of Due takes
		h.issue(fmt.Sprint("unreachable-", i))
	}
	h.clock.Add(time.Hour)
	certs, err := h.Issue(t.Context(), "other", pkix.Name{CommonName: "Ben Ho", SerialNumber: "555000000033"}, requests(t))
	require.NoError(t, err)
	h.clock.Set(certs[0].NotAfter.Add(-30 * 24 * time.Hour))
	for range 3 {
		_, _ = h.Due(t.Context())
		h.clock.Add(time.Second)
	}
	require.Equal(t, []string{"555000000033 30"}, out.sent)
	require.Equal(t, 111, asked)
}
