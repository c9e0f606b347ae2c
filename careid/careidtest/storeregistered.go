// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

// What is registered beside cards.

func (t *storeTest) registered(id string, credential []byte) careid.Authenticator {
	return careid.Authenticator{
		ID: id, Profile: "000000000001", Kind: careid.KindSecurityKey, Name: "Grün", Credential: credential,
		State: careid.AuthenticatorActive, RegisteredAt: t.at, RegisteredBy: "000000000002",
	}
}

func (t *storeTest) authenticators() {
	app := t.registered("app", nil)
	app.Kind, app.State, app.RegisteredAt = careid.KindAuthenticatorApp, careid.AuthenticatorPending, t.at.Add(time.Second)
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		key := t.registered("key", []byte{0, 1})
		key.Key = careid.CredentialKey{Public: []byte{0xa5, 0}, AAGUID: [16]byte{15: 1}, Attested: true, Counter: 1}
		require.NoError(t, tx.Authenticators.AddAuthenticator(ctx, key, nil))
		require.ErrorIs(t, tx.Authenticators.AddAuthenticator(ctx, t.registered("copy", []byte{0, 1}), nil), careid.ErrConflict)
		require.NoError(t, tx.Authenticators.AddAuthenticator(ctx, app, []byte("sealed")))
		require.NoError(t, tx.Authenticators.AddAuthenticator(ctx, t.registered("none", nil), nil), "no credential is not a shared one")
		t.ok(tx.Authenticators.EndAuthenticator(ctx, "none"))
		of, err := tx.Authenticators.AuthenticatorsOf(ctx, "000000000001")
		require.NoError(t, err)
		require.Equal(t, []string{"key", "none", "app"}, []string{of[0].ID, of[1].ID, of[2].ID})
		require.Equal(t, key, of[0])
		found, err := tx.Authenticators.AuthenticatorBy(ctx, []byte{0, 1})
		require.NoError(t, err)
		require.Equal(t, key, found)
		_, err = tx.Authenticators.AuthenticatorBy(ctx, nil)
		require.ErrorIs(t, err, careid.ErrNotFound)
		_, err = tx.Authenticators.Authenticator(ctx, "nobody")
		require.ErrorIs(t, err, careid.ErrNotFound)

		later := t.at.Add(time.Hour)
		plain := t.registered("plain", []byte{2})
		require.NoError(t, tx.Authenticators.AddAuthenticator(ctx, plain, nil))
		t.ok(tx.Authenticators.CountUse(ctx, "plain", 0, later)) // it keeps no counter
		t.ok(tx.Authenticators.CountUse(ctx, "plain", 0, later))
		for _, back := range []uint32{0, 1} {
			t.not(tx.Authenticators.CountUse(ctx, "key", back, later))
		}
		t.ok(tx.Authenticators.CountUse(ctx, "key", 2, later))
		t.ok(tx.Authenticators.CountUse(ctx, "key", 1<<32-1, later))
		for _, back := range []uint32{0, 1, 1<<32 - 1} {
			t.not(tx.Authenticators.CountUse(ctx, "key", back, later.Add(time.Hour)))
		}
		found, err = tx.Authenticators.Authenticator(ctx, "key")
		require.NoError(t, err)
		require.Equal(t, later, found.LastUsed)
		require.Equal(t, uint32(1<<32-1), found.Key.Counter)
		t.not(tx.Authenticators.CountUse(ctx, "app", 0, later))
		t.ok(tx.Authenticators.ConfirmAuthenticator(ctx, "app"))
		t.not(tx.Authenticators.ConfirmAuthenticator(ctx, "app"))

		t.ok(tx.Authenticators.EndAuthenticator(ctx, "key"))
		t.not(tx.Authenticators.EndAuthenticator(ctx, "key"))
		found, err = tx.Authenticators.Authenticator(ctx, "key")
		require.NoError(t, err)
		require.Empty(t, found.Key.Public)
		require.Empty(t, found.Credential)
		t.not(tx.Authenticators.CountUse(ctx, "key", 0, later))
		_, err = tx.Authenticators.AuthenticatorBy(ctx, []byte{0, 1})
		require.ErrorIs(t, err, careid.ErrNotFound)
		require.NoError(t, tx.Authenticators.AddAuthenticator(ctx, t.registered("again", []byte{0, 1}), nil))
	})
	t.names()
	t.userHandles()
	t.codeTries()
	t.usedSessions()
}

func (t *storeTest) names() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		before, err := tx.Authenticators.Authenticator(ctx, "again")
		require.NoError(t, err)
		t.ok(tx.Authenticators.RenameAuthenticator(ctx, "again", "Rot"))
		after, err := tx.Authenticators.Authenticator(ctx, "again")
		require.NoError(t, err)
		before.Name = "Rot"
		require.Equal(t, before, after, "and nothing else")
		t.not(tx.Authenticators.RenameAuthenticator(ctx, "key", "Rot")) // removed
		t.not(tx.Authenticators.RenameAuthenticator(ctx, "nobody", "Rot"))
	})
}

// userHandles asks that of many who propose one at once, in transactions of their own, all get the same.
func (t *storeTest) userHandles() {
	const racers = 20
	kept := make([][]byte, racers)
	var wait sync.WaitGroup
	for i := range racers {
		wait.Go(func() {
			_ = t.store.Write(context.Background(), func(ctx context.Context, tx *careid.Tx) (err error) {
				kept[i], err = tx.Authenticators.KeepUserHandle(ctx, "000000000001", []byte{byte(i), 0})
				return err
			})
		})
	}
	wait.Wait()
	require.Len(t, kept[0], 2)
	for _, one := range kept {
		require.Equal(t, kept[0], one)
	}
	t.write(func(ctx context.Context, tx *careid.Tx) {
		other := careid.Profile{ID: "000000000003", Given: "C", Family: "D", Organisation: "RBA", State: careid.ProfileOpen, OpenedAt: t.at}
		require.NoError(t, tx.People.AddProfile(ctx, other))
		own, err := tx.Authenticators.KeepUserHandle(ctx, other.ID, []byte{99})
		require.NoError(t, err)
		require.Equal(t, []byte{99}, own)
		own, err = tx.Authenticators.KeepUserHandle(ctx, other.ID, []byte{98})
		require.NoError(t, err)
		require.Equal(t, []byte{99}, own)
	})
}

// codeTries looks at the window of tries, the tries in a row and the steps of the app.
func (t *storeTest) codeTries() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		const quarter = 15 * time.Minute
		try := func(at time.Time) bool {
			done, err := tx.Authenticators.CountCodeTry(ctx, "app", 2, 5, at.Add(-quarter), at)
			require.NoError(t, err)
			return done
		}
		end := t.at.Add(quarter)
		require.Equal(t, []bool{true, true, false, false, true, true, false},
			[]bool{try(t.at), try(end.Add(-time.Second)), try(t.at), try(end.Add(-time.Second)), try(end), try(end), try(end)})
		kept, err := tx.Authenticators.AppSecret(ctx, "app")
		require.NoError(t, err)
		require.Equal(t, careid.AppSecret{Sealed: []byte("sealed"), Tries: 4, WindowAt: end}, kept)
		t.ok(tx.Authenticators.SealAgain(ctx, "app", []byte("sealed"), []byte("anew")))
		t.not(tx.Authenticators.SealAgain(ctx, "app", []byte("sealed"), []byte("late")))
		kept, err = tx.Authenticators.AppSecret(ctx, "app")
		require.NoError(t, err)
		require.Equal(t, []byte("anew"), kept.Sealed)
		require.Equal(t, []bool{true, false, false}, []bool{try(end.Add(quarter)), try(end.Add(quarter)), try(end.Add(9 * quarter))}, "five in a row")

		t.ok(tx.Authenticators.TakeStep(ctx, "app", 7, t.at))
		for _, step := range []int64{7, 6, 0, -1} {
			t.not(tx.Authenticators.TakeStep(ctx, "app", step, t.at))
		}
		t.ok(tx.Authenticators.TakeStep(ctx, "app", 8, t.at))
		require.True(t, try(end.Add(9*quarter)), "a good code begins anew")
		_, err = tx.Authenticators.AppSecret(ctx, "nobody")
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
	var taken atomic.Int64
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			var done bool
			err := t.store.Write(context.Background(), func(ctx context.Context, tx *careid.Tx) (err error) {
				done, err = tx.Authenticators.TakeStep(ctx, "app", 9, tx.Now)
				return err
			})
			if err == nil && done {
				taken.Add(1)
			}
		})
	}
	wait.Wait()
	require.Equal(t, int64(1), taken.Load(), "a step is taken once")
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.ok(tx.Authenticators.EndAuthenticator(ctx, "app"))
		t.not(tx.Authenticators.TakeStep(ctx, "app", 10, t.at))
		t.not(tx.Authenticators.CountCodeTry(ctx, "app", 9, 99, t.at, t.at))
		kept, err := tx.Authenticators.AppSecret(ctx, "app")
		require.NoError(t, err)
		require.Empty(t, kept.Sealed, "the secret goes with it")
	})
}

// usedSessions are those without a card.
func (t *storeTest) usedSessions() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		row := careid.SessionRow{
			Hash: []byte("s1"), Profile: "1", Binding: careid.BindingKeep, AuthTime: t.at, ExpiresAt: t.at.Add(time.Hour),
			Used: []careid.Shown{{Kind: careid.KindSecurityKey, Verified: careid.Yes, Authenticator: "key"}, {Kind: careid.KindMailAccount, Authenticator: "mail"}},
		}
		require.NoError(t, tx.Sessions.AddSession(ctx, row))
		other := row
		other.Hash, other.Used = []byte("s2"), row.Used[:1]
		require.NoError(t, tx.Sessions.AddSession(ctx, other))
		read, err := tx.Sessions.Session(ctx, []byte("s1"))
		require.NoError(t, err)
		require.Equal(t, row.Used, read.Used)
		require.True(t, read.Lease.IsZero())
		overdue, err := tx.Sessions.Overdue(ctx, t.at, t.wall.Add(24*time.Hour), 9)
		require.NoError(t, err)
		require.Empty(t, overdue, "no lease holds them")
		for authenticator, want := range map[string]int{"nobody": 0, "mail": 1} {
			ended, err := tx.Sessions.EndSessions(ctx, careid.SessionFilter{Profile: "1", Authenticator: authenticator}, "why")
			require.NoError(t, err)
			require.Len(t, ended, want)
		}
		read, err = tx.Sessions.Session(ctx, []byte("s2"))
		require.NoError(t, err)
		require.Empty(t, read.Ended)
	})
}
