// SPDX-License-Identifier: Apache-2.0

// Package openidtest is for tests of whoever writes a store of package openid: TestStore is the suite that every one
// passes.
//
//	func TestStore(t *testing.T) {
//		openidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) openid.Store { return open(t, now, wall) })
//	}
package openidtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// TestStore holds an openid.Store to its contract. open returns an empty one each time, on the clocks given.
func TestStore(t *testing.T, open func(t *testing.T, now, wall func() time.Time) openid.Store) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 999, time.UTC)
	wall := time.Date(2026, 1, 5, 9, 30, 0, 999, time.UTC)
	for name, run := range map[string]func(*storeTest){
		"transactions": (*storeTest).transactions,
		"requests":     (*storeTest).requests,
		"sessions":     (*storeTest).sessions,
		"grants":       (*storeTest).grants,
		"tokens":       (*storeTest).tokens,
		"revoked":      (*storeTest).revoked,
		"logouts":      (*storeTest).logouts,
		"assertions":   (*storeTest).assertions,
		"drops":        (*storeTest).drops,
		"audit":        (*storeTest).audit,
		"races":        (*storeTest).races,
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, func() time.Time { return now }, func() time.Time { return wall })
			run(&storeTest{T: t, store: store, now: now.Truncate(time.Second), wall: wall.Truncate(time.Second)})
		})
	}
}

// storeTest is one run of the suite; now and wall are what a Tx carries.
type storeTest struct {
	*testing.T
	store     openid.Store
	now, wall time.Time
}

func (s *storeTest) write(fn func(ctx context.Context, tx *openid.Tx) error) {
	s.Helper()
	require.NoError(s, s.store.Write(s.Context(), fn))
}

func (s *storeTest) read(fn func(ctx context.Context, tx *openid.Tx) error) {
	s.Helper()
	require.NoError(s, s.store.Read(s.Context(), fn))
}

var errUndo = errors.New("undo this")

func (s *storeTest) transactions() {
	var tx1 openid.Tx
	s.write(func(_ context.Context, tx *openid.Tx) error { tx1 = *tx; return nil })
	require.Equal(s, s.now, tx1.Now)
	require.Equal(s, s.wall, tx1.Wall)
	row := openid.RequestRow{Hash: hash("r"), Until: s.wall.Add(time.Hour)}
	err := s.store.Write(s.Context(), func(ctx context.Context, tx *openid.Tx) error {
		require.NoError(s, tx.Requests.AddRequest(ctx, row))
		got, err := tx.Requests.Request(ctx, row.Hash)
		require.NoError(s, err, "its own writes are seen")
		require.Equal(s, row.Hash, got.Hash)
		return errUndo
	})
	require.ErrorIs(s, err, errUndo)
	s.read(func(ctx context.Context, tx *openid.Tx) error {
		_, err := tx.Requests.Request(ctx, row.Hash)
		require.ErrorIs(s, err, openid.ErrNotFound)
		return nil
	})
}

// hash is a key of 32 bytes.
func hash(name string) []byte {
	key := make([]byte, 32)
	copy(key, name)
	return key
}

func (s *storeTest) requests() {
	age := int64(300)
	row := openid.RequestRow{Hash: hash("r"), Until: s.wall.Add(time.Minute), Request: openid.Request{
		Client: "c", RedirectURI: "https://c.example/cb?x=1", Scopes: []string{"openid", "profile"}, State: "ß\"'", Nonce: "n", Challenge: "ch",
		ACR: []string{"AAL3_ANY"}, MaxAge: &age, Fresh: true, Silent: true, Hint: "h", Started: s.now, Prior: "p",
	}}
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		require.NoError(s, tx.Requests.AddRequest(ctx, row))
		require.ErrorIs(s, tx.Requests.AddRequest(ctx, row), openid.ErrConflict)
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		got, err := tx.Requests.Request(ctx, row.Hash)
		require.NoError(s, err)
		require.Equal(s, row, got)
		_, err = tx.Requests.TakeRequest(ctx, row.Hash, row.Until)
		require.ErrorIs(s, err, openid.ErrNotFound, "its end is not in it")
		got, err = tx.Requests.TakeRequest(ctx, row.Hash, row.Until.Add(-time.Second))
		require.NoError(s, err)
		require.Equal(s, row, got)
		_, err = tx.Requests.TakeRequest(ctx, row.Hash, s.wall)
		require.ErrorIs(s, err, openid.ErrNotFound, "once")
		return nil
	})
}

func (s *storeTest) session(id string, ends, checked time.Time) openid.SessionRow {
	return openid.SessionRow{ID: id, Hash: hash(id), Profile: "012345678901", ExpiresAt: ends, CheckedAt: checked}
}

func (s *storeTest) sessions() {
	early, late := s.session("early", s.now, s.wall.Add(-time.Minute)), s.session("late", s.now.Add(time.Hour), s.wall)
	s.read(func(ctx context.Context, tx *openid.Tx) error {
		next, err := tx.Sessions.NextExpiry(ctx)
		require.NoError(s, err)
		require.True(s, next.IsZero())
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		for _, row := range []openid.SessionRow{late, early} {
			require.NoError(s, tx.Sessions.PutSession(ctx, row))
		}
		again := late
		again.Role, again.Profile, again.CheckedAt = "555", "other", s.wall.Add(time.Hour)
		require.NoError(s, tx.Sessions.PutSession(ctx, again))
		late.Role = "555" // and nothing else
		for range 2 {
			require.NoError(s, tx.Sessions.AddParticipant(ctx, openid.Participant{Session: "late", Client: "b", SID: "late"}))
		}
		require.NoError(s, tx.Sessions.AddParticipant(ctx, openid.Participant{Session: "late", Client: "a", SID: "older"}))
		return nil
	})
	s.read(func(ctx context.Context, tx *openid.Tx) error {
		got, err := tx.Sessions.Session(ctx, "late")
		require.NoError(s, err)
		require.Equal(s, late, got)
		over, err := tx.Sessions.Over(ctx, s.now.Add(-time.Second), 10)
		require.NoError(s, err)
		require.Empty(s, over)
		over, err = tx.Sessions.Over(ctx, s.now, 10)
		require.NoError(s, err)
		require.Equal(s, []openid.SessionRow{early}, over)
		over, err = tx.Sessions.Over(ctx, s.now.Add(2*time.Hour), 1)
		require.NoError(s, err)
		require.Len(s, over, 1)
		next, err := tx.Sessions.NextExpiry(ctx)
		require.NoError(s, err)
		require.Equal(s, s.now, next)
		unchecked, err := tx.Sessions.Unchecked(ctx, s.wall, 10)
		require.NoError(s, err)
		require.Equal(s, []openid.SessionRow{early}, unchecked)
		all, err := tx.Sessions.Participants(ctx, "late")
		require.NoError(s, err)
		require.Equal(s, []openid.Participant{{Session: "late", Client: "a", SID: "older"}, {Session: "late", Client: "b", SID: "late"}}, all)
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		require.NoError(s, tx.Sessions.SetChecked(ctx, "early", s.wall))
		unchecked, err := tx.Sessions.Unchecked(ctx, s.wall, 10)
		require.NoError(s, err)
		require.Empty(s, unchecked)
		for _, was := range []bool{true, false} {
			did, err := tx.Sessions.DropSession(ctx, "late")
			require.NoError(s, err)
			require.Equal(s, was, did)
		}
		all, err := tx.Sessions.Participants(ctx, "late")
		require.NoError(s, err)
		require.Empty(s, all)
		_, err = tx.Sessions.Session(ctx, "late")
		require.ErrorIs(s, err, openid.ErrNotFound)
		return nil
	})
}
