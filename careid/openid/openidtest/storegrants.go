// SPDX-License-Identifier: Apache-2.0

package openidtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

func (s *storeTest) grant(id, session string) openid.GrantRow {
	return openid.GrantRow{
		ID: id, Client: "c", Session: session, Code: hash("code " + id), Sealed: []byte{0, 1, 255}, CodeUntil: s.wall.Add(time.Minute), Until: s.wall.Add(time.Hour),
		Granted: openid.Granted{
			Profile: "012345678901", RedirectURI: "https://c.example/cb", Scopes: []string{"openid"}, Nonce: "n", Challenge: "ch", ACR: "AAL3_ANY",
			AMR: []string{"N3_SMARTCARD"}, AAL: 3, AuthTime: s.wall, Role: "555",
		},
	}
}

func (s *storeTest) grants() {
	one, two, apart := s.grant("one", "s"), s.grant("two", "s"), s.grant("apart", "t")
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		for _, g := range []openid.GrantRow{one, two, apart} {
			require.NoError(s, tx.Grants.AddGrant(ctx, g))
		}
		require.ErrorIs(s, tx.Grants.AddGrant(ctx, one), openid.ErrConflict)
		same := s.grant("other", "s")
		same.Code = one.Code
		require.ErrorIs(s, tx.Grants.AddGrant(ctx, same), openid.ErrConflict, "a code is one of a kind")
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		got, err := tx.Grants.GrantByCode(ctx, one.Code)
		require.NoError(s, err)
		require.Equal(s, one, got)
		_, err = tx.Grants.GrantByCode(ctx, hash("none"))
		require.ErrorIs(s, err, openid.ErrNotFound)
		for _, try := range []struct {
			at    time.Time
			first bool
		}{{one.CodeUntil, false}, {one.CodeUntil.Add(-time.Second), true}, {s.wall, false}} {
			first, err := tx.Grants.UseCode(ctx, one.Code, try.at)
			require.NoError(s, err)
			require.Equal(s, try.first, first)
		}
		for _, first := range []bool{true, false} {
			did, err := tx.Grants.Revoke(ctx, "two", "because")
			require.NoError(s, err)
			require.Equal(s, first, did)
		}
		first, err := tx.Grants.UseCode(ctx, two.Code, s.wall)
		require.NoError(s, err)
		require.False(s, first, "revoked")
		require.NoError(s, tx.Grants.RevokeOf(ctx, "s", "session over"))
		return nil
	})
	s.read(func(ctx context.Context, tx *openid.Tx) error {
		for id, want := range map[string]openid.GrantRow{"one": one, "two": two, "apart": apart} {
			got, err := tx.Grants.Grant(ctx, id)
			require.NoError(s, err)
			switch id {
			case "one":
				want.Used, want.Revoked = true, "session over"
			case "two":
				want.Revoked = "because"
			}
			if id != "apart" {
				require.Empty(s, got.Sealed, "forgotten with its use or end")
				want.Sealed = got.Sealed
			}
			require.Equal(s, want, got)
		}
		_, err := tx.Grants.Grant(ctx, "none")
		require.ErrorIs(s, err, openid.ErrNotFound)
		return nil
	})
}

func (s *storeTest) tokens() {
	access := openid.TokenRow{Hash: hash("a"), Grant: "one", Kind: openid.AccessToken, Sealed: []byte{7}, Until: s.wall.Add(time.Minute)}
	refresh := openid.TokenRow{Hash: hash("r"), Grant: "one", Kind: openid.RefreshToken, Sealed: []byte{8}, Until: s.wall.Add(time.Minute)}
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		require.NoError(s, tx.Grants.AddGrant(ctx, s.grant("one", "s")))
		for _, t := range []openid.TokenRow{access, refresh} {
			require.NoError(s, tx.Tokens.AddToken(ctx, t))
			require.ErrorIs(s, tx.Tokens.AddToken(ctx, t), openid.ErrConflict)
		}
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		got, of, err := tx.Tokens.Token(ctx, access.Hash)
		require.NoError(s, err)
		require.Equal(s, access, got)
		require.Equal(s, s.grant("one", "s"), of)
		_, _, err = tx.Tokens.Token(ctx, hash("none"))
		require.ErrorIs(s, err, openid.ErrNotFound)
		for _, try := range []struct {
			hash  []byte
			at    time.Time
			first bool
		}{
			{access.Hash, s.wall, false},
			{refresh.Hash, refresh.Until, false},
			{refresh.Hash, s.wall, true},
			{refresh.Hash, s.wall, false},
			{hash("none"), s.wall, false},
		} {
			first, err := tx.Tokens.UseToken(ctx, try.hash, try.at)
			require.NoError(s, err)
			require.Equal(s, try.first, first)
		}
		got, _, err = tx.Tokens.Token(ctx, refresh.Hash)
		require.NoError(s, err)
		require.True(s, got.Used)
		require.Empty(s, got.Sealed, "forgotten with its use")
		return nil
	})
}

// revoked: what a revoked grant's tokens opened is forgotten, and nothing else.
func (s *storeTest) revoked() {
	grants := []openid.GrantRow{s.grant("by id", "s"), s.grant("of session", "t"), s.grant("apart", "u")}
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		for _, g := range grants {
			require.NoError(s, tx.Grants.AddGrant(ctx, g))
			for _, kind := range []openid.TokenKind{openid.AccessToken, openid.RefreshToken} {
				require.NoError(s, tx.Tokens.AddToken(ctx, openid.TokenRow{Hash: hash(g.ID + string(kind)), Grant: g.ID, Kind: kind, Sealed: []byte{7}, Until: s.wall.Add(time.Minute)}))
			}
		}
		_, err := tx.Grants.Revoke(ctx, "by id", "because")
		require.NoError(s, err)
		return tx.Grants.RevokeOf(ctx, "t", "session over")
	})
	s.read(func(ctx context.Context, tx *openid.Tx) error {
		for _, g := range grants {
			for _, kind := range []openid.TokenKind{openid.AccessToken, openid.RefreshToken} {
				got, of, err := tx.Tokens.Token(ctx, hash(g.ID+string(kind)))
				require.NoError(s, err)
				require.Equal(s, g.ID == "apart", len(got.Sealed) > 0, g.ID)
				require.Equal(s, g.ID == "apart", of.Revoked == "", g.ID)
				require.False(s, got.Used)
			}
		}
		return nil
	})
}

func (s *storeTest) logout(id, session, client string, at time.Time) openid.LogoutRow {
	return openid.LogoutRow{ID: id, Session: session, Client: client, SID: "sid", Profile: "012345678901", At: at, Until: s.wall.Add(12 * time.Hour)}
}

func (s *storeTest) logouts() {
	first, second := s.logout("1", "s", "a", s.wall), s.logout("2", "t", "a", s.wall.Add(-time.Minute))
	later, other := s.logout("3", "s", "a", s.wall.Add(time.Minute)), s.logout("4", "s", "b", s.wall)
	ids := func(rows []openid.LogoutRow, err error) (found []string) {
		require.NoError(s, err)
		for _, r := range rows {
			found = append(found, r.ID)
		}
		return found
	}
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		for _, l := range []openid.LogoutRow{first, second, later, other} {
			require.NoError(s, tx.Logouts.AddLogout(ctx, l))
		}
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		rows, err := tx.Logouts.DueLogouts(ctx, "a", s.wall, 10)
		require.NoError(s, err)
		require.Equal(s, []openid.LogoutRow{second, first}, rows)
		require.Equal(s, []string{"2"}, ids(tx.Logouts.DueLogouts(ctx, "a", s.wall, 1)))
		for _, claimed := range []bool{true, false} { // the second had the same row in its hands
			did, err := tx.Logouts.TryLogout(ctx, second, s.wall.Add(time.Second))
			require.NoError(s, err)
			require.Equal(s, claimed, did)
		}
		require.Equal(s, []string{"1"}, ids(tx.Logouts.DueLogouts(ctx, "a", s.wall, 10)))
		rows, err = tx.Logouts.DueLogouts(ctx, "a", s.wall.Add(time.Second), 10)
		require.NoError(s, err)
		require.Equal(s, 1, rows[1].Tries)
		require.Equal(s, s.wall.Add(time.Second), rows[1].At)

		rows, err = tx.Logouts.TakeLogouts(ctx, "s", s.wall)
		require.NoError(s, err)
		require.Equal(s, []openid.LogoutRow{later}, rows, "those that are due stay")
		require.Empty(s, ids(tx.Logouts.TakeLogouts(ctx, "t", s.wall)), "and those that were tried")
		require.NoError(s, tx.Logouts.DropLogout(ctx, "1"))
		require.NoError(s, tx.Logouts.DropLogout(ctx, "1"))
		require.Equal(s, []string{"2"}, ids(tx.Logouts.DueLogouts(ctx, "a", s.wall.Add(time.Hour), 10)))
		require.Equal(s, []string{"4"}, ids(tx.Logouts.DueLogouts(ctx, "b", s.wall, 10)))
		return nil
	})
}

func (s *storeTest) assertions() {
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		for _, first := range []bool{true, false} {
			did, err := tx.Assertions.UseAssertion(ctx, hash("j"), s.wall)
			require.NoError(s, err)
			require.Equal(s, first, did)
		}
		return nil
	})
}

// drops: what is over goes, with what hangs on it, and nothing else.
func (s *storeTest) drops() {
	over, stays := s.grant("over", "s"), s.grant("stays", "s")
	over.Until = s.wall
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		is, err := tx.Assertions.Stale(ctx, s.wall)
		require.NoError(s, err)
		require.False(s, is)
		for _, g := range []openid.GrantRow{over, stays} {
			require.NoError(s, tx.Grants.AddGrant(ctx, g))
			require.NoError(s, tx.Tokens.AddToken(ctx, openid.TokenRow{Hash: hash(g.ID), Grant: g.ID, Kind: openid.AccessToken, Sealed: []byte{1}, Until: s.wall}))
		}
		old := s.logout("old", "s", "a", s.wall)
		old.Until = s.wall
		require.NoError(s, tx.Logouts.AddLogout(ctx, old))
		require.NoError(s, tx.Logouts.AddLogout(ctx, s.logout("new", "s", "a", s.wall)))
		for name, until := range map[string]time.Time{"old": s.wall, "new": s.wall.Add(time.Second)} {
			require.NoError(s, tx.Requests.AddRequest(ctx, openid.RequestRow{Hash: hash(name), Until: until}))
			_, err := tx.Assertions.UseAssertion(ctx, hash(name), until)
			require.NoError(s, err)
		}
		return nil
	})
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		is, err := tx.Assertions.Stale(ctx, s.wall)
		require.NoError(s, err)
		require.True(s, is)
		require.NoError(s, tx.Assertions.Drop(ctx, s.wall, 10))
		is, err = tx.Assertions.Stale(ctx, s.wall)
		require.NoError(s, err)
		require.False(s, is)
		_, err = tx.Grants.Grant(ctx, "over")
		require.ErrorIs(s, err, openid.ErrNotFound)
		_, _, err = tx.Tokens.Token(ctx, hash("over"))
		require.ErrorIs(s, err, openid.ErrNotFound)
		_, _, err = tx.Tokens.Token(ctx, hash("stays"))
		require.NoError(s, err)
		_, err = tx.Requests.Request(ctx, hash("old"))
		require.ErrorIs(s, err, openid.ErrNotFound)
		_, err = tx.Requests.Request(ctx, hash("new"))
		require.NoError(s, err)
		rows, err := tx.Logouts.DueLogouts(ctx, "a", s.wall, 10)
		require.NoError(s, err)
		require.Len(s, rows, 1)
		for name, first := range map[string]bool{"old": true, "new": false} {
			did, err := tx.Assertions.UseAssertion(ctx, hash(name), s.wall.Add(time.Hour))
			require.NoError(s, err)
			require.Equal(s, first, did)
		}
		return nil
	})
}

func (s *storeTest) audit() {
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		for _, action := range []string{"first", "second"} {
			require.NoError(s, tx.Audit.Append(ctx, careid.AuditEntry{At: tx.Now, Actor: "a", Action: action, Subject: "s", Detail: "d"}))
		}
		return nil
	})
	s.read(func(ctx context.Context, tx *openid.Tx) error {
		n, err := tx.Audit.Verify(ctx)
		require.NoError(s, err)
		require.EqualValues(s, 2, n)
		rows, err := tx.Audit.Entries(ctx, 1, 10)
		require.NoError(s, err)
		require.Equal(s, []careid.AuditEntry{{Seq: 2, At: s.now, Actor: "a", Action: "second", Subject: "s", Detail: "d"}}, rows)
		return nil
	})
}

// races: of many that use the same thing at once, one is the first.
func (s *storeTest) races() {
	s.write(func(ctx context.Context, tx *openid.Tx) error {
		require.NoError(s, tx.Grants.AddGrant(ctx, s.grant("one", "s")))
		require.NoError(s, tx.Tokens.AddToken(ctx, openid.TokenRow{Hash: hash("r"), Grant: "one", Kind: openid.RefreshToken, Sealed: []byte{1}, Until: s.wall.Add(time.Hour)}))
		require.NoError(s, tx.Logouts.AddLogout(ctx, s.logout("l", "s", "a", s.wall)))
		return tx.Requests.AddRequest(ctx, openid.RequestRow{Hash: hash("q"), Until: s.wall.Add(time.Hour)})
	})
	for name, use := range map[string]func(ctx context.Context, tx *openid.Tx) (bool, error){
		"code": func(ctx context.Context, tx *openid.Tx) (bool, error) {
			return tx.Grants.UseCode(ctx, hash("code one"), s.wall)
		},
		"token": func(ctx context.Context, tx *openid.Tx) (bool, error) {
			return tx.Tokens.UseToken(ctx, hash("r"), s.wall)
		},
		"assertion": func(ctx context.Context, tx *openid.Tx) (bool, error) {
			return tx.Assertions.UseAssertion(ctx, hash("j"), s.wall.Add(time.Hour))
		},
		"logout": func(ctx context.Context, tx *openid.Tx) (bool, error) {
			return tx.Logouts.TryLogout(ctx, s.logout("l", "s", "a", s.wall), s.wall.Add(time.Hour))
		},
		"request": func(ctx context.Context, tx *openid.Tx) (bool, error) {
			_, err := tx.Requests.TakeRequest(ctx, hash("q"), s.wall)
			if errors.Is(err, openid.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		},
	} {
		var first atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				mine := false
				err := s.store.Write(s.Context(), func(ctx context.Context, tx *openid.Tx) (err error) {
					mine, err = use(ctx, tx)
					return err
				})
				if err != nil {
					s.Error(name, err)
				} else if mine {
					first.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(s, 1, first.Load(), name)
	}
}
