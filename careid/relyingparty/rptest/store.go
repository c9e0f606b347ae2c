// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// TestStore holds a store to the contract of relyingparty.Store. open gives an
// empty one each time.
func TestStore(t *testing.T, open func(t *testing.T) relyingparty.Store) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	record := relyingparty.Record{
		Key: "session:a", Groups: []string{"sub:x", "sid:1"}, Until: now.Add(time.Hour), Used: now, Value: []byte{0, 1, 0xff},
	}
	like := func(key string, groups ...string) relyingparty.Record {
		r := record
		r.Key, r.Groups = key, groups
		return r
	}
	kept := func(t *testing.T, s relyingparty.Store, key string, want error) relyingparty.Record {
		r, err := s.Load(t.Context(), key)
		require.ErrorIs(t, err, want)
		return r
	}

	t.Run("what is added is read", func(t *testing.T) {
		s := open(t)
		kept(t, s, record.Key, relyingparty.ErrNotFound)
		require.NoError(t, s.Add(t.Context(), record, now))
		got := kept(t, s, record.Key, nil)
		require.Equal(t, record.Value, got.Value)
		require.True(t, got.Used.Equal(record.Used))
		require.True(t, got.Until.Equal(record.Until))
		require.Zero(t, got.Version)
	})
	t.Run("a key is taken until its end", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Add(t.Context(), record, now))
		require.ErrorIs(t, s.Add(t.Context(), record, now), relyingparty.ErrTaken)
		require.ErrorIs(t, s.Add(t.Context(), record, record.Until.Add(-time.Second)), relyingparty.ErrTaken)
		later := record
		later.Until = record.Until.Add(time.Hour)
		require.NoError(t, s.Add(t.Context(), later, record.Until))
	})
	t.Run("one of many adds it", func(t *testing.T) {
		s := open(t)
		require.Equal(t, 1, count(func() bool { return s.Add(t.Context(), record, now) == nil }))
	})
	t.Run("an update needs the version that was read", func(t *testing.T) {
		s := open(t)
		require.ErrorIs(t, s.Update(t.Context(), record), relyingparty.ErrNotFound)
		require.NoError(t, s.Add(t.Context(), record, now))
		was := kept(t, s, record.Key, nil)
		changed := was
		changed.Value, changed.Used, changed.Until = []byte("new"), now.Add(time.Minute), now.Add(2*time.Hour)
		require.NoError(t, s.Update(t.Context(), changed))
		got := kept(t, s, record.Key, nil)
		require.Equal(t, []byte("new"), got.Value)
		require.True(t, got.Used.Equal(changed.Used))
		require.True(t, got.Until.Equal(changed.Until))
		require.ErrorIs(t, s.Update(t.Context(), was), relyingparty.ErrChanged)
		require.ErrorIs(t, s.Add(t.Context(), record, record.Until), relyingparty.ErrTaken, "its end was moved")
		require.NoError(t, s.Update(t.Context(), got))
	})
	t.Run("one of many updates it", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Add(t.Context(), record, now))
		was := kept(t, s, record.Key, nil)
		require.Equal(t, 1, count(func() bool { return s.Update(t.Context(), was) == nil }))
	})
	t.Run("a record may have no groups and no value yet", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Add(t.Context(), relyingparty.Record{Key: "jti:a", Until: now.Add(time.Minute)}, now))
		got := kept(t, s, "jti:a", nil)
		require.Empty(t, got.Value)
		got.Value = []byte("done")
		require.NoError(t, s.Update(t.Context(), got))
		require.Equal(t, "done", string(kept(t, s, "jti:a", nil).Value))
	})
	t.Run("what was removed stays away", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Add(t.Context(), record, now))
		was := kept(t, s, record.Key, nil)
		removed, err := s.Remove(t.Context(), record.Key)
		require.NoError(t, err)
		require.Len(t, removed, 1)
		require.Equal(t, record.Value, removed[0].Value)
		require.ErrorIs(t, s.Update(t.Context(), was), relyingparty.ErrNotFound)
		removed, err = s.Remove(t.Context(), record.Key)
		require.NoError(t, err)
		require.Empty(t, removed)
		removed, err = s.Remove(t.Context(), "sub:x")
		require.NoError(t, err)
		require.Empty(t, removed)
	})
	t.Run("a group goes together and alone", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Add(t.Context(), like("session:a", "sub:x", "sid:1"), now))
		require.NoError(t, s.Add(t.Context(), like("session:b", "sub:x", "sid:2"), now))
		require.NoError(t, s.Add(t.Context(), like("session:c", "sub:y"), now))
		removed, err := s.Remove(t.Context(), "sid:2")
		require.NoError(t, err)
		require.Len(t, removed, 1)
		require.Equal(t, "session:b", removed[0].Key)
		kept(t, s, "session:a", nil)
		_, err = s.Remove(t.Context(), "sub:x")
		require.NoError(t, err)
		kept(t, s, "session:a", relyingparty.ErrNotFound)
		kept(t, s, "session:c", nil)
	})
	t.Run("one of many removes it", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Add(t.Context(), record, now))
		require.Equal(t, 1, count(func() bool {
			removed, err := s.Remove(t.Context(), record.Key)
			return err == nil && len(removed) == 1
		}))
	})
	t.Run("what it gave is the caller's", func(t *testing.T) {
		s := open(t)
		mine := record
		mine.Value = []byte("value")
		require.NoError(t, s.Add(t.Context(), mine, now))
		mine.Value[0] = 'X'
		kept(t, s, record.Key, nil).Value[1] = 'X'
		require.Equal(t, "value", string(kept(t, s, record.Key, nil).Value))
	})
	t.Run("many at once", func(t *testing.T) {
		s := open(t)
		require.Equal(t, 20, count(func() bool {
			for i := range 20 {
				key := fmt.Sprintf("session:%d", i)
				_ = s.Add(t.Context(), like(key, "sub:x"), now) // one of the twenty adds it
			}
			return true
		}))
		removed, err := s.Remove(t.Context(), "sub:x")
		require.NoError(t, err)
		require.Len(t, removed, 20)
	})
}

// count runs twenty at once and says how many succeed.
func count(try func() bool) int {
	var mu sync.Mutex
	var all sync.WaitGroup
	succeeded := 0
	for range 20 {
		all.Go(func() {
			if try() {
				mu.Lock()
				succeeded++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return succeeded
}
