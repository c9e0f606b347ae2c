// SPDX-License-Identifier: Apache-2.0

// Package gatewaytest is for tests of what stands behind a mail gateway: the
// suite that every gateway.Store passes.
//
//	func TestStore(t *testing.T) {
//		gatewaytest.TestStore(t, func(t *testing.T, wall func() time.Time) gateway.Store { return open(t, wall) })
//	}
package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

// TestStore runs the suite. open returns an empty store for the test it is
// given, whose machine's clock is wall, and cleans up after it.
func TestStore(t *testing.T, open func(t *testing.T, wall func() time.Time) gateway.Store) {
	for name, test := range map[string]func(*testing.T, *site){
		"rows come back":      rowsComeBack,
		"missing and twice":   missingAndTwice,
		"an error rolls back": errorRollsBack,
		"what is due":         whatIsDue,
		"what is broken":      whatIsBroken,
		"pieces":              pieces,
		"the key's check":     keyCheck,
		"claimed once":        claimedOnce,
		"parcels":             parcels,
		"marks":               marks,
		"what is held":        whatIsHeld,
		"audit":               audit,
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{now: time.Unix(1_800_000_000, 500).UTC()}
			s.store = open(t, func() time.Time { return s.now })
			test(t, s)
		})
	}
}

type site struct {
	store gateway.Store
	now   time.Time
}

func (s *site) write(t *testing.T, fn func(ctx context.Context, tx gateway.StoreTx) error) {
	t.Helper()
	require.NoError(t, s.store.Write(t.Context(), fn))
}

func (s *site) read(t *testing.T, fn func(ctx context.Context, tx gateway.StoreTx) error) {
	t.Helper()
	require.NoError(t, s.store.Read(t.Context(), fn))
}

func at(seconds int64) time.Time { return time.Unix(1_800_000_000+seconds, 0).UTC() }

func one(id string) gateway.Copy {
	return gateway.Copy{ID: id, Envelope: []byte{0, 1, 0xff}, Whole: true, Begun: at(-5), Try: at(0), Tries: 3, Bytes: 1 << 40}
}

func rowsComeBack(t *testing.T, s *site) {
	c := one("a")
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		require.Equal(t, at(0), tx.Wall())
		require.Zero(t, tx.Now().Nanosecond())
		require.Equal(t, time.UTC, tx.Now().Location())
		return tx.InsertCopy(ctx, c)
	})
	changed := gateway.Copy{ID: "a", Envelope: []byte("other"), Begun: at(9), Try: at(10), Tries: 4, Parked: true, Bytes: 7}
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		got, err := tx.Copy(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, c, got)
		return tx.UpdateCopy(ctx, changed)
	})
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		require.Equal(t, at(0), tx.Wall())
		got, err := tx.Copy(ctx, "a")
		require.Equal(t, changed, got)
		return err
	})
}

func missingAndTwice(t *testing.T, s *site) {
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		_, err := tx.Copy(ctx, "a")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.Piece(ctx, "a", 0)
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.KeyCheck(ctx)
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		return nil
	})
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		require.NoError(t, tx.DeleteCopy(ctx, "a"))
		require.ErrorIs(t, tx.UpdateCopy(ctx, one("a")), mailpolicy.ErrNotFound)
		return tx.InsertCopy(ctx, one("a"))
	})
	require.ErrorIs(t, s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertCopy(ctx, one("a"))
	}), mailpolicy.ErrExists)
	require.Error(t, s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertPiece(ctx, "b", 0, []byte("of no copy"))
	}))
}

func errorRollsBack(t *testing.T, s *site) {
	broken := errors.New("broken")
	require.ErrorIs(t, s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return errors.Join(tx.InsertCopy(ctx, one("a")), tx.InsertPiece(ctx, "a", 0, []byte("x")), tx.SetKeyCheck(ctx, []byte("k")), broken)
	}), broken)
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		_, err := tx.Copy(ctx, "a")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.KeyCheck(ctx)
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		return nil
	})
}

func whatIsDue(t *testing.T, s *site) {
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		var errs []error
		for id, try := range map[string]int64{"later": 1, "now": 0, "earlier": -1, "earliest": -2} {
			c := one(id)
			c.Try = at(try)
			errs = append(errs, tx.InsertCopy(ctx, c))
		}
		part, parked := one("not whole"), one("parked")
		part.Whole, parked.Parked = false, true
		return errors.Join(append(errs, tx.InsertCopy(ctx, part), tx.InsertCopy(ctx, parked))...)
	})
	due := func(limit int) (ids []string) {
		s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
			copies, err := tx.DueCopies(ctx, limit)
			for _, c := range copies {
				ids = append(ids, c.ID)
				require.Equal(t, []byte{0, 1, 0xff}, c.Envelope)
			}
			return err
		})
		return ids
	}
	require.Equal(t, []string{"earliest", "earlier"}, due(2))
	require.Equal(t, []string{"earliest", "earlier", "now"}, due(9))
	s.now = at(1)
	require.Equal(t, []string{"earliest", "earlier", "now", "later"}, due(9))
	s.now = at(-2).Add(-gateway.MaxPause)
	require.Equal(t, []string{"earlier", "now", "later"}, due(9), "the clock was put back")
}

func whatIsBroken(t *testing.T, s *site) {
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		var errs []error
		for _, c := range []gateway.Copy{
			{ID: "old", Envelope: []byte{1}, Begun: at(-1)}, {ID: "edge", Envelope: []byte{1}, Begun: at(0)}, {ID: "whole", Envelope: []byte{1}, Begun: at(-9), Whole: true},
		} {
			errs = append(errs, tx.InsertCopy(ctx, c), tx.InsertPiece(ctx, c.ID, 0, []byte("x")))
		}
		return errors.Join(append(errs, tx.DeleteBroken(ctx, at(0)))...)
	})
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		_, err := tx.Copy(ctx, "old")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.Piece(ctx, "old", 0)
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		for _, id := range []string{"edge", "whole"} {
			_, err = tx.Copy(ctx, id)
			require.NoError(t, err)
		}
		return nil
	})
}

func pieces(t *testing.T, s *site) {
	long := []byte(strings.Repeat("\x00\xff long", 30_000))
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		return errors.Join(tx.InsertCopy(ctx, one("a")), tx.InsertCopy(ctx, one("b")),
			tx.InsertPiece(ctx, "a", 0, long), tx.InsertPiece(ctx, "a", 1, []byte{}), tx.InsertPiece(ctx, "b", 0, []byte("other")))
	})
	require.ErrorIs(t, s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertPiece(ctx, "a", 0, []byte("again"))
	}), mailpolicy.ErrExists)
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		got, err := tx.Piece(ctx, "a", 0)
		require.NoError(t, err)
		require.Equal(t, long, got)
		got, err = tx.Piece(ctx, "a", 1)
		require.NoError(t, err)
		require.Empty(t, got)
		empty, err := tx.Empty(ctx)
		require.NoError(t, err)
		require.False(t, empty)
		return tx.DeleteCopy(ctx, "a")
	})
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		_, err := tx.Piece(ctx, "a", 0)
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		got, err := tx.Piece(ctx, "b", 0)
		require.NoError(t, err)
		require.Equal(t, "other", string(got))
		return tx.DeleteCopy(ctx, "b")
	})
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		empty, err := tx.Empty(ctx)
		require.True(t, empty)
		return err
	})
}

func keyCheck(t *testing.T, s *site) {
	for _, check := range []string{"one", "two"} {
		s.write(t, func(ctx context.Context, tx gateway.StoreTx) error { return tx.SetKeyCheck(ctx, []byte(check)) })
		s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
			got, err := tx.KeyCheck(ctx)
			require.Equal(t, check, string(got))
			return err
		})
	}
}

// claimedOnce: what one transaction read to be due, no other may take as well.
func claimedOnce(t *testing.T, s *site) {
	const copies = 20
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		var errs []error
		for i := range copies {
			errs = append(errs, tx.InsertCopy(ctx, one(fmt.Sprint(i))))
		}
		return errors.Join(errs...)
	})
	var mu sync.Mutex
	claimed := map[string]int{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range copies {
				var mine []gateway.Copy
				err := s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) (err error) {
					if mine, err = tx.DueCopies(ctx, 1); err != nil || len(mine) == 0 {
						return err
					}
					mine[0].Try = at(60)
					return tx.UpdateCopy(ctx, mine[0])
				})
				mu.Lock()
				if err != nil {
					t.Error(err)
				}
				for _, c := range mine {
					claimed[c.ID]++
				}
				mu.Unlock()
				if err != nil || len(mine) == 0 {
					return
				}
			}
		})
	}
	workers.Wait()
	require.Len(t, claimed, copies)
	for id, times := range claimed {
		require.Equal(t, 1, times, id)
	}
}

func marks(t *testing.T, s *site) {
	var now time.Time
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		now = tx.Now()
		return errors.Join(tx.Remember(ctx, []byte("a"), now), tx.Remember(ctx, []byte("b"), now.Add(time.Hour)), tx.Remember(ctx, []byte("a"), now.Add(-time.Second)),
			tx.Remember(ctx, []byte("twice"), now.Add(-time.Hour)), tx.Remember(ctx, []byte("twice"), now.Add(time.Hour)))
	})
	for mark, want := range map[string]bool{"a": false, "b": true, "twice": true, "none": false} {
		s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
			got, err := tx.Remembered(ctx, []byte(mark))
			require.Equal(t, want, got, mark)
			return err
		})
	}
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		empty, err := tx.Empty(ctx)
		require.True(t, empty, "marks are no mail")
		return err
	})
}

func parcels(t *testing.T, s *site) {
	require.Error(t, s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertParcel(ctx, gateway.Parcel{ID: "of no copy", Address: []byte{1}})
	}))
	p := gateway.Parcel{
		ID: "a", Address: []byte{0, 0xff}, Expires: at(50), Read: true, Passcode: []byte("mac"), PasscodeExpires: at(51), PasscodeSent: at(52),
		Passcodes: 3, Tries: 4, Reader: []byte("hash"), ReaderExpires: at(53),
	}
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		var errs []error
		for id, expires := range map[string]int64{"a": 50, "first": 10, "last": 90} {
			one, copied := one(id), p
			copied.ID, copied.Expires = id, at(expires)
			errs = append(errs, tx.InsertCopy(ctx, one), tx.InsertParcel(ctx, copied))
		}
		return errors.Join(errs...)
	})
	changed := gateway.Parcel{ID: "a", Address: []byte("x"), Expires: at(60), Passcode: []byte{}, PasscodeExpires: at(0), PasscodeSent: at(0), Reader: []byte{}, ReaderExpires: at(0)}
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		got, err := tx.Parcel(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, p, got)
		_, err = tx.Parcel(ctx, "none")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		require.ErrorIs(t, tx.UpdateParcel(ctx, gateway.Parcel{ID: "none", Address: []byte{1}}), mailpolicy.ErrNotFound)
		nothing := changed
		nothing.Passcode, nothing.Reader = nil, nil
		return tx.UpdateParcel(ctx, nothing)
	})
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		got, err := tx.Parcel(ctx, "a")
		require.NoError(t, err)
		require.Empty(t, got.Passcode)
		require.Empty(t, got.Reader)
		got.Passcode, got.Reader = []byte{}, []byte{}
		require.Equal(t, changed, got)
		oldest, err := tx.OldestParcels(ctx, 2)
		require.NoError(t, err)
		require.Len(t, oldest, 2)
		require.Equal(t, "first", oldest[0].ID)
		require.Equal(t, "a", oldest[1].ID)
		return tx.DeleteCopy(ctx, "first")
	})
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		_, err := tx.Parcel(ctx, "first")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound, "it goes with its copy")
		return nil
	})
}

func whatIsHeld(t *testing.T, s *site) {
	requireHeld := func(want int64) {
		s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
			held, err := tx.Held(ctx)
			require.Equal(t, want, held)
			return err
		})
	}
	requireHeld(0)
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		part, parked := one("not whole"), one("parked")
		part.Whole, parked.Parked, parked.Bytes = false, true, 5
		return errors.Join(tx.InsertCopy(ctx, one("a")), tx.InsertCopy(ctx, part), tx.InsertCopy(ctx, parked))
	})
	requireHeld(2<<40 + 5)
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		less := one("a")
		less.Bytes = 3
		return errors.Join(tx.UpdateCopy(ctx, less), tx.DeleteCopy(ctx, "not whole"))
	})
	requireHeld(8)
}

func audit(t *testing.T, s *site) {
	var now time.Time
	s.write(t, func(ctx context.Context, tx gateway.StoreTx) error {
		now = tx.Now()
		return errors.Join(tx.Audit(ctx, "a", "one", "x", "d"), tx.Audit(ctx, "b", "two", "y", ""), tx.Audit(ctx, "c", "three", "", ""))
	})
	require.Error(t, s.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return errors.Join(tx.Audit(ctx, "d", "never", "", ""), errors.New("taken back"))
	}))
	s.read(t, func(ctx context.Context, tx gateway.StoreTx) error {
		rows, err := tx.AuditRows(ctx, 0, 2)
		require.NoError(t, err)
		require.Equal(t, []gateway.AuditRow{{Seq: 1, At: now, Actor: "a", Action: "one", Subject: "x", Detail: "d"}, {Seq: 2, At: now, Actor: "b", Action: "two", Subject: "y"}}, rows)
		rows, err = tx.AuditRows(ctx, 2, 9)
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, "three", rows[0].Action)
		n, err := tx.VerifyAudit(ctx)
		require.Equal(t, int64(3), n)
		return err
	})
}
