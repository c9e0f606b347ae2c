// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

// What may be used once, and what ends by the clock.

func (t *storeTest) code(request string) careid.Code {
	return careid.Code{Request: request, Card: "c1", Profile: "000000000001", Handle: []byte{1}, Salt: []byte{2}, Hash: []byte{3}, State: careid.CodeOpen, SentAt: t.at, ExpiresAt: t.at.Add(time.Minute)}
}

func (t *storeTest) codes() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		require.NoError(t, tx.Unlocks.AddCode(ctx, t.code("r1")))
		for range 2 {
			t.ok(tx.Unlocks.CountTry(ctx, "r1", "c1", 2, t.at))
		}
		t.not(tx.Unlocks.CountTry(ctx, "r1", "c1", 2, t.at))
		t.not(tx.Unlocks.CountTry(ctx, "r1", "c2", 9, t.at))
		t.ok(tx.Unlocks.CountTry(ctx, "r1", "c1", 9, t.at.Add(time.Minute-time.Second)))
		t.not(tx.Unlocks.CountTry(ctx, "r1", "c1", 9, t.at.Add(time.Minute)))
		require.NoError(t, tx.Unlocks.AddCode(ctx, t.code("r2")))
		t.not(tx.Unlocks.CountTry(ctx, "r1", "c1", 9, t.at))
		t.not(tx.Unlocks.UseCode(ctx, "r1"))
		t.ok(tx.Unlocks.UseCode(ctx, "r2"))
		t.not(tx.Unlocks.UseCode(ctx, "r2"))
		c, err := tx.Unlocks.Code(ctx, "r1")
		require.NoError(t, err)
		require.Equal(t, careid.CodeSuperseded, c.State)
		require.Equal(t, 3, c.Tries)
		sent, err := tx.Unlocks.LastSent(ctx, "000000000001", t.at.Add(-time.Hour))
		require.NoError(t, err)
		require.Equal(t, []time.Time{t.at, t.at}, sent)
		sent, err = tx.Unlocks.LastSent(ctx, "000000000001", t.at)
		require.NoError(t, err)
		require.Empty(t, sent)
		require.NoError(t, tx.Unlocks.AddCode(ctx, t.code("r3")))
		require.NoError(t, tx.Unlocks.EndCodes(ctx, "000000000002"))
		t.ok(tx.Unlocks.CountTry(ctx, "r3", "c1", 9, t.at))
		require.NoError(t, tx.Unlocks.EndCodes(ctx, "000000000001"))
		t.not(tx.Unlocks.UseCode(ctx, "r3"))

		day := 24 * time.Hour
		t.ok(tx.Unlocks.CountCardTry(ctx, "c1", 1, t.at.Add(-day), t.at))
		t.not(tx.Unlocks.CountCardTry(ctx, "c1", 1, t.at.Add(-day), t.at))
		t.ok(tx.Unlocks.CountCardTry(ctx, "c2", 1, t.at.Add(-day), t.at))
		t.not(tx.Unlocks.CountCardTry(ctx, "c1", 1, t.at.Add(-time.Second), t.at.Add(day-time.Second)))
		t.ok(tx.Unlocks.CountCardTry(ctx, "c1", 1, t.at, t.at.Add(day)))

		tries := func(card, profile string, since time.Time) int {
			n, err := tx.Unlocks.CardTries(ctx, card, profile, since)
			require.NoError(t, err)
			return n
		}
		require.Equal(t, 2, tries("c1", "000000000002", t.at.Add(-day)))
		require.Equal(t, 1, tries("c1", "000000000002", t.at))
		require.Equal(t, 1, tries("c1", "000000000001", t.at.Add(-day)), "r2 was used, and sent at the time of the first")
		require.Equal(t, 1, tries("c2", "000000000001", t.at.Add(-day)))
	})
}

// drops asks that what ended goes, and that what a limit still counts stays.
func (t *storeTest) drops() {
	day := 24 * time.Hour
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		issued := careid.Card{Serial: "c1", Profile: "000000000001", State: careid.CardActive, IssuedAt: t.at.Add(-10 * day)}
		t.ok(tx.Cards.UpdateCard(ctx, issued, careid.CardOrdered))
		try := func(at time.Time) { t.ok(tx.Unlocks.CountCardTry(ctx, "c1", 9, at.Add(-day), at)) }
		tries := func(since time.Time) int {
			n, err := tx.Unlocks.CardTries(ctx, "c1", "000000000001", since)
			require.NoError(t, err)
			return n
		}
		code := func(request string, sent time.Time) {
			c := t.code(request)
			c.SentAt, c.ExpiresAt = sent, sent.Add(time.Minute)
			require.NoError(t, tx.Unlocks.AddCode(ctx, c))
		}
		stale := func(day, reset time.Time) bool {
			is, err := tx.Unlocks.Stale(ctx, day, reset)
			require.NoError(t, err)
			return is
		}
		for _, at := range []time.Time{t.at.Add(-11 * day), t.at.Add(-9 * day), t.at.Add(-5 * day), t.at} {
			try(at)
		}
		code("used", t.at.Add(-7*day))
		t.ok(tx.Unlocks.UseCode(ctx, "used"))
		code("late", t.at.Add(-5*day))
		code("new", t.at)
		reset := careid.ResetAct{Token: []byte("1"), Card: "c1", Profile: "000000000001", Request: "used", AgentKey: []byte{1}, State: careid.ResetConfirmed, Next: 2, At: t.wall}
		require.NoError(t, tx.Unlocks.AddReset(ctx, reset))

		require.False(t, stale(t.at.Add(-7*day), t.wall.Add(-time.Second)))
		require.True(t, stale(t.at.Add(-7*day), t.wall))
		require.True(t, stale(t.at.Add(-7*day+time.Minute), t.wall.Add(-time.Second)))
		require.Equal(t, 2, tries(t.at.Add(-20*day)), "those since the code that was used")
		require.NoError(t, tx.Unlocks.Drop(ctx, t.at.Add(-day), t.wall.Add(-time.Second)))
		for _, gone := range []string{"used", "late"} {
			_, err := tx.Unlocks.Code(ctx, gone)
			require.ErrorIs(t, err, careid.ErrNotFound)
		}
		_, err := tx.Unlocks.Code(ctx, "new")
		require.NoError(t, err)
		require.Equal(t, 2, tries(t.at.Add(-20*day)), "the same, though that code is gone")
		_, err = tx.Unlocks.Reset(ctx, []byte("1"))
		require.NoError(t, err)
		require.NoError(t, tx.Unlocks.Drop(ctx, t.at.Add(-day), t.wall))
		_, err = tx.Unlocks.Reset(ctx, []byte("1"))
		require.ErrorIs(t, err, careid.ErrNotFound)
		require.False(t, stale(t.at.Add(-day), t.wall))

		issued.UnlockedAt = t.at.Add(-4 * day) // at a desk: what was tried before it goes with the next code that ends
		t.ok(tx.Cards.UpdateCard(ctx, issued, careid.CardActive))
		code("later", t.at.Add(-2*day))
		require.NoError(t, tx.Unlocks.Drop(ctx, t.at.Add(-day), t.wall))
		require.Equal(t, 1, tries(t.at.Add(-20*day)))

		for i, ended := range []string{"why", "", "why", "why"} {
			row := careid.SessionRow{Hash: []byte{byte(i)}, Profile: "1", Card: "c1", Presence: []byte("p"), Binding: careid.BindingEnd, ExpiresAt: t.at.Add(time.Duration(i) * time.Second), Ended: ended}
			require.NoError(t, tx.Sessions.AddSession(ctx, row))
		}
		has := func(i byte) bool {
			_, err := tx.Sessions.Session(ctx, []byte{i})
			if !errors.Is(err, careid.ErrNotFound) {
				require.NoError(t, err)
			}
			return err == nil
		}
		t.not(tx.Sessions.Stale(ctx, t.at.Add(-time.Second)))
		t.ok(tx.Sessions.Stale(ctx, t.at))
		require.NoError(t, tx.Sessions.Drop(ctx, t.at.Add(2*time.Second), 1))
		require.Equal(t, []bool{false, true, true, true}, []bool{has(0), has(1), has(2), has(3)})
		require.NoError(t, tx.Sessions.Drop(ctx, t.at.Add(2*time.Second), 9))
		require.Equal(t, []bool{true, false, true}, []bool{has(1), has(2), has(3)}, "one that has not ended stays")
	})
}

func (t *storeTest) resets() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		r := careid.ResetAct{Token: []byte("1"), Card: "c1", Profile: "000000000001", Request: "r1", AgentKey: []byte{1}, State: careid.ResetOpen, Next: 2, At: t.wall}
		require.NoError(t, tx.Unlocks.AddReset(ctx, r))
		r.State, r.Opened = careid.ResetHasOpened, 1
		t.ok(tx.Unlocks.UpdateReset(ctx, r, careid.ResetOpen))
		t.not(tx.Unlocks.UpdateReset(ctx, r, careid.ResetOpen))
		found, err := tx.Unlocks.Reset(ctx, []byte("1"))
		require.NoError(t, err)
		require.Equal(t, r, found)
		second := r
		second.Token, second.Request, second.State = []byte("2"), "r2", careid.ResetOpen
		require.NoError(t, tx.Unlocks.AddReset(ctx, second))
		found, err = tx.Unlocks.Reset(ctx, []byte("1"))
		require.NoError(t, err)
		require.Equal(t, careid.ResetEnded, found.State)
		_, err = tx.Unlocks.Reset(ctx, []byte("3"))
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
}

func (t *storeTest) proofs() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		until := t.wall.Add(time.Minute)
		for _, nonce := range []string{"n1", "n2", "n3"} {
			require.NoError(t, tx.Proofs.AddNonce(ctx, nonce, careid.SignIn, until))
		}
		t.not(tx.Proofs.TakeNonce(ctx, "n1", careid.StepUp, t.wall))
		t.not(tx.Proofs.TakeNonce(ctx, "n1", careid.SignIn, until))
		t.ok(tx.Proofs.TakeNonce(ctx, "n1", careid.SignIn, until.Add(-time.Second)))
		t.not(tx.Proofs.TakeNonce(ctx, "n1", careid.SignIn, t.wall))

		r := careid.Result{Hash: []byte("h"), Bind: []byte("b"), Purpose: careid.SignIn, Presence: []byte("p"), Certificate: [32]byte{1}, Card: "c1", Profile: "1", Until: until}
		require.NoError(t, tx.Proofs.AddResult(ctx, r))
		for _, wrong := range []func() (careid.Result, error){
			func() (careid.Result, error) { return tx.Proofs.TakeResult(ctx, []byte("x"), []byte("b"), t.wall) },
			func() (careid.Result, error) { return tx.Proofs.TakeResult(ctx, []byte("h"), []byte("x"), t.wall) },
			func() (careid.Result, error) { return tx.Proofs.TakeResult(ctx, []byte("h"), []byte("b"), until) },
		} {
			_, err := wrong()
			require.ErrorIs(t, err, careid.ErrNotFound)
		}
		taken, err := tx.Proofs.TakeResult(ctx, []byte("h"), []byte("b"), t.wall)
		require.NoError(t, err)
		require.Equal(t, r, taken)
		_, err = tx.Proofs.TakeResult(ctx, []byte("h"), []byte("b"), t.wall)
		require.ErrorIs(t, err, careid.ErrNotFound)

		p := careid.PresenceLease{Hash: []byte("p"), Card: "c1", Until: until}
		require.NoError(t, tx.Proofs.AddPresence(ctx, p))
		t.not(tx.Proofs.ExtendPresence(ctx, []byte("p"), until, until.Add(time.Hour)))
		p.Until = until.Add(time.Second)
		t.ok(tx.Proofs.ExtendPresence(ctx, []byte("p"), t.wall, p.Until))
		require.NoError(t, tx.Proofs.AddResult(ctx, r))
		require.NoError(t, tx.Sessions.AddSession(ctx, careid.SessionRow{Hash: r.Bind, Profile: "1", Card: "c1", Presence: []byte("p"), Ended: "signed out"}))
		taken, err = tx.Proofs.TakeResult(ctx, []byte("h"), []byte("b"), t.wall)
		require.NoError(t, err)
		r.Lease, r.OfSession = p.Until, true
		require.Equal(t, r, taken, "with the end of its presence, and bound to a session that has ended")
		t.not(tx.Proofs.Spent(ctx, t.wall))
		t.ok(tx.Proofs.Spent(ctx, until))
		require.NoError(t, tx.Proofs.Purge(ctx, until))
		t.not(tx.Proofs.TakeNonce(ctx, "n2", careid.SignIn, t.wall))
		ended, err := tx.Proofs.EndPresence(ctx, []byte("p"))
		require.NoError(t, err)
		require.Equal(t, p, ended)
		_, err = tx.Proofs.EndPresence(ctx, []byte("p"))
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
}

func (t *storeTest) sessions() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		lease := t.wall.Add(30 * time.Second)
		require.NoError(t, tx.Proofs.AddPresence(ctx, careid.PresenceLease{Hash: []byte("p"), Card: "c1", Until: lease}))
		row := careid.SessionRow{Hash: []byte("s1"), Profile: "1", Card: "c1", Certificate: [32]byte{1}, Presence: []byte("p"), Binding: careid.BindingClose, AuthTime: t.at, ExpiresAt: t.at.Add(time.Hour)}
		require.NoError(t, tx.Sessions.AddSession(ctx, row))
		keep := row
		keep.Hash, keep.Binding, keep.ExpiresAt = []byte("s2"), careid.BindingKeep, t.at.Add(2*time.Hour)
		require.NoError(t, tx.Sessions.AddSession(ctx, keep))
		read, err := tx.Sessions.Session(ctx, []byte("s1"))
		require.NoError(t, err)
		row.Lease = lease
		require.Equal(t, row, read)
		_, err = tx.Sessions.Session(ctx, []byte("s9"))
		require.ErrorIs(t, err, careid.ErrNotFound)

		overdue := func(now, wall time.Time) int {
			rows, err := tx.Sessions.Overdue(ctx, now, wall, 10)
			require.NoError(t, err)
			return len(rows)
		}
		require.Equal(t, []int{0, 1, 1, 2}, []int{overdue(t.at, t.wall), overdue(t.at, lease), overdue(row.ExpiresAt, t.wall), overdue(keep.ExpiresAt, lease)})
		next, err := tx.Sessions.NextExpiry(ctx)
		require.NoError(t, err)
		require.Equal(t, row.ExpiresAt, next)

		other := careid.SessionRow{Hash: []byte("s0"), Profile: "3", Binding: careid.BindingKeep, AuthTime: t.at, ExpiresAt: t.at.Add(2 * time.Hour), Used: []careid.Shown{{Kind: careid.KindSecurityKey}}}
		require.NoError(t, tx.Sessions.AddSession(ctx, other))
		withCard := func(after []byte, limit int) (found []string) {
			rows, err := tx.Sessions.WithCard(ctx, after, limit)
			require.NoError(t, err)
			for _, r := range rows {
				found = append(found, string(r.Hash))
			}
			return found
		}
		require.Equal(t, []string{"s1", "s2"}, withCard(nil, 9))
		require.Equal(t, []string{"s1"}, withCard(nil, 1))
		require.Equal(t, []string{"s2"}, withCard([]byte("s1"), 9))
		require.Empty(t, withCard([]byte("s2"), 9))

		end := func(f careid.SessionFilter) int {
			rows, err := tx.Sessions.EndSessions(ctx, f, "why")
			require.NoError(t, err)
			return len(rows)
		}
		require.Equal(t, 1, end(careid.SessionFilter{Profile: "3"}))
		require.Equal(t, 0, end(careid.SessionFilter{}), "no filter ends nothing")
		require.Equal(t, 0, end(careid.SessionFilter{Card: "c1", Profile: "2"}))
		require.Equal(t, 1, end(careid.SessionFilter{Presence: []byte("p"), Bound: true}))
		require.Equal(t, 0, end(careid.SessionFilter{Hash: []byte("s1")}))
		require.Equal(t, 1, end(careid.SessionFilter{Profile: "1"}))
		read, err = tx.Sessions.Session(ctx, []byte("s1"))
		require.NoError(t, err)
		require.Equal(t, "why", read.Ended)
		require.Empty(t, withCard(nil, 9))
		next, err = tx.Sessions.NextExpiry(ctx)
		require.NoError(t, err)
		require.True(t, next.IsZero())
	})
}

// races asks that of many callers at once each single-use thing goes to one.
func (t *storeTest) races() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		require.NoError(t, tx.Unlocks.AddCode(ctx, t.code("r1")))
		require.NoError(t, tx.Proofs.AddNonce(ctx, "n1", careid.SignIn, t.wall.Add(time.Minute)))
		require.NoError(t, tx.Proofs.AddResult(ctx, careid.Result{Hash: []byte("h"), Bind: []byte("b"), Presence: []byte("p"), Until: t.wall.Add(time.Minute)}))
	})
	takers := map[string]func(context.Context, *careid.Tx) (bool, error){
		"code": func(ctx context.Context, tx *careid.Tx) (bool, error) { return tx.Unlocks.UseCode(ctx, "r1") },
		"nonce": func(ctx context.Context, tx *careid.Tx) (bool, error) {
			return tx.Proofs.TakeNonce(ctx, "n1", careid.SignIn, tx.Wall)
		},
		"result": func(ctx context.Context, tx *careid.Tx) (bool, error) {
			_, err := tx.Proofs.TakeResult(ctx, []byte("h"), []byte("b"), tx.Wall)
			if errors.Is(err, careid.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		},
		"act": func(ctx context.Context, tx *careid.Tx) (bool, error) {
			act, err := tx.Acts.Act(ctx, "a1")
			act.State = careid.ActIssued
			if err != nil {
				return false, err
			}
			return tx.Acts.UpdateAct(ctx, act, careid.ActOpen)
		},
	}
	for name, take := range takers {
		var taken atomic.Int64
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				var done bool
				err := t.store.Write(context.Background(), func(ctx context.Context, tx *careid.Tx) (err error) {
					done, err = take(ctx, tx)
					return err
				})
				if err == nil && done {
					taken.Add(1)
				}
			})
		}
		wait.Wait()
		require.Equal(t, int64(1), taken.Load(), name)
	}
}

// held reads a card with its holder, and a certificate with both, while an act is open on the card and then not.
func (t *storeTest) held(ctx context.Context, tx *careid.Tx, on careid.Certificate) {
	for _, state := range []careid.ActState{careid.ActOpen, careid.ActIssued, careid.ActConfirmed} {
		act, err := tx.Acts.Act(ctx, "a1")
		require.NoError(t, err)
		from := act.State
		act.State = state
		t.ok(tx.Acts.UpdateAct(ctx, act, from))
		person, err := tx.People.Profile(ctx, act.Profile)
		require.NoError(t, err)

		card, err := tx.Cards.Card(ctx, "c1")
		require.NoError(t, err)
		open := "a1"
		if state == careid.ActConfirmed {
			open = ""
		}
		require.Equal(t, open, card.OpenAct)
		of, err := tx.Cards.CardsOf(ctx, person.ID)
		require.NoError(t, err)
		require.Equal(t, []careid.Card{card}, of)
		held, holder, err := tx.Cards.CardHolder(ctx, "c1")
		require.NoError(t, err)
		require.Equal(t, card, held)
		require.Equal(t, person, holder)
		cert, held, holder, err := tx.Cards.CardOf(ctx, on.Fingerprint)
		require.NoError(t, err)
		require.Equal(t, on, cert)
		require.Equal(t, card, held)
		require.Equal(t, person, holder)
	}
	_, _, err := tx.Cards.CardHolder(ctx, "c9")
	require.ErrorIs(t, err, careid.ErrNotFound)
	_, _, _, err = tx.Cards.CardOf(ctx, [32]byte{9})
	require.ErrorIs(t, err, careid.ErrNotFound)
}
