// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// What happens between two steps: the store that fails, and the session that ends.

var errBroken = errors.New("the disk is full")

// breaking is a store whose transactions do all their work and then can't be committed, while it is broken.
type breaking struct {
	openid.Store
	broken atomic.Int32 // how many more commits go well, below 0 for all
}

func (b *breaking) Write(ctx context.Context, fn func(context.Context, *openid.Tx) error) error {
	left := b.broken.Load()
	return b.Store.Write(ctx, func(ctx context.Context, tx *openid.Tx) error {
		err := fn(ctx, tx)
		if err != nil || left < 0 {
			return err
		}
		if b.broken.Add(-1) < 0 {
			b.broken.Store(0)
			return errBroken
		}
		return nil
	})
}

func TestAStoreThatFailsBetweenTwoSteps(t *testing.T) {
	store := &breaking{}
	store.broken.Store(-1)
	s := open(t, func(c *openid.Config) {
		signed(c)
		store.Store, c.Store = c.Store, store
	})
	in := s.signIn(s.Nurse)
	fails := func(commits int32, try func()) {
		t.Helper()
		store.broken.Store(commits)
		try()
		store.broken.Store(-1)
	}
	t.Run("a request", func(t *testing.T) {
		fails(0, func() {
			require.Equal(t, "server_error", s.authorize("", asked()).Query().Get("error"), "no page for what was not kept")
			require.Equal(t, "server_error", s.authorize(in.Token, asked()).Query().Get("error"), "no code for what was not kept")
		})
		id := s.waiting("")
		fails(0, func() {
			_, err := s.provider.Finish(t.Context(), id, in.Token, "")
			require.ErrorIs(t, err, errBroken)
			_, err = s.provider.Refuse(t.Context(), id)
			require.ErrorIs(t, err, errBroken)
		})
		require.NotEmpty(t, s.finished(id, in.Token, "").Query().Get("code"), "it waits on")
	})
	t.Run("a code and a refresh token", func(t *testing.T) {
		code := s.code(in.Token)
		fails(0, func() { require.Equal(t, "server_error", s.refused(s.post(redeeming(code)))) })
		got := s.post(redeeming(code))
		require.Equal(t, http.StatusOK, got.status, "it was not spent")
		token := got.members(t)["refresh_token"].(string)
		fails(0, func() { require.Equal(t, "server_error", s.refused(s.post(refreshing(token)))) })
		next := s.post(refreshing(token))
		require.Equal(t, http.StatusOK, next.status)
		require.Equal(t, http.StatusOK, s.userinfo(next.members(t)["access_token"].(string)).status)
		require.Empty(t, s.heard(openid.EventReplayed))
	})
	t.Run("a replay that could not be noted is one the next time", func(t *testing.T) {
		code := s.code(in.Token)
		access := s.post(redeeming(code)).members(t)["access_token"].(string)
		fails(0, func() { require.Equal(t, "server_error", s.refused(s.post(redeeming(code)))) })
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))))
		require.Equal(t, http.StatusUnauthorized, s.userinfo(access).status)
	})
	t.Run("between the assertion and the code", func(t *testing.T) {
		code := s.code(in.Token, "client_id", "signer")
		a := s.assertion(clientKey(), jose.RS256, "k1", nil)
		fails(1, func() { require.Equal(t, "server_error", s.refused(s.post(asserting(code, a)))) })
		require.Equal(t, "invalid_client", s.refused(s.post(asserting(code, a))), "the assertion is spent")
		require.Equal(t, http.StatusOK, s.post(asserting(code, s.assertion(clientKey(), jose.RS256, "k1", nil))).status, "the code is not")
	})
	t.Run("the end of a session", func(t *testing.T) {
		access := s.tokens(in.Token)["access_token"].(string)
		ended := len(s.heard(openid.EventSessionEnded))
		fails(0, func() { require.NoError(t, s.Service.SignOut(t.Context(), in.Token)) })
		require.Equal(t, http.StatusUnauthorized, s.userinfo(access).status, "its tokens are dead all the same")
		require.Len(t, s.heard(openid.EventSessionEnded), ended)
		s.Wall.Add(time.Minute)
		s.due()
		require.Len(t, s.heard(openid.EventSessionEnded), ended+1)
	})
}

// ending is a service at which a session ends as soon as it was found to be alive.
type ending struct {
	openid.Service
	end  atomic.Pointer[func()]
	down atomic.Bool
}

func (e *ending) Session(ctx context.Context, token string) (*careid.Session, error) {
	if e.down.Load() {
		return nil, errBroken
	}
	found, err := e.Service.Session(ctx, token)
	if end := e.end.Swap(nil); end != nil {
		(*end)()
	}
	return found, err
}

// Whether its session lives, nobody need know to see that a code was used before.
func TestAReplayWhileSessionsCannotBeAsked(t *testing.T) {
	service := &ending{}
	s := open(t, func(c *openid.Config) { service.Service, c.Service = c.Service, service })
	in := s.signIn(s.Nurse)
	t.Run("threat058", func(t *testing.T) {
		code, unspent := s.code(in.Token), s.code(in.Token)
		got := s.post(redeeming(code)).members(t)
		second := s.tokens(in.Token)
		stolen := second["refresh_token"].(string)
		second = s.post(refreshing(stolen)).members(t)
		service.down.Store(true)
		require.Equal(t, "server_error", s.refused(s.post(redeeming(unspent))))
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))))
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(stolen))))
		service.down.Store(false)
		for _, dead := range []map[string]any{got, second} {
			require.Equal(t, http.StatusUnauthorized, s.userinfo(dead["access_token"].(string)).status)
			require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(dead["refresh_token"].(string)))))
		}
		require.Equal(t, http.StatusOK, s.post(redeeming(unspent)).status)

		// A code stays in histories and logs: with the database beside it, it opens nothing once it is used.
		var sealed int
		require.NoError(t, s.DB.QueryRowContext(t.Context(), `SELECT COALESCE(MAX(LENGTH(sealed)), 0) FROM (
			SELECT sealed FROM openid_grant WHERE used UNION ALL SELECT sealed FROM openid_token WHERE used)`).Scan(&sealed))
		require.Zero(t, sealed)
	})
}

func TestASessionThatEndsBetweenTwoSteps(t *testing.T) {
	app := newParty(t)
	service := &ending{}
	s := open(t, func(c *openid.Config) {
		wantsLogout(app)(c)
		service.Service, c.Service = c.Service, service
	})
	pulled := func(presence string) {
		end := func() { require.NoError(t, s.Service.Removed(t.Context(), presence)) }
		service.end.Store(&end)
	}
	t.Run("threat034", func(t *testing.T) {
		in := s.signIn(s.Nurse)
		pulled(in.Presence)
		code := s.code(in.Token) // found alive, and dead when the code was kept
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))))
		s.Wall.Add(time.Minute)
		s.due()
		require.Len(t, app.tokens(), 1, "a client that joined a session which was over is told")

		in = s.signIn(s.Nurse)
		code = s.code(in.Token)
		pulled(in.Presence)
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(code))), "no tokens of a session that is over")

		in = s.signIn(s.Nurse)
		refresh := s.tokens(in.Token)["refresh_token"].(string)
		pulled(in.Presence)
		require.Equal(t, "invalid_grant", s.refused(s.post(refreshing(refresh))))

		in = s.signIn(s.Nurse)
		id := s.waiting("")
		pulled(in.Presence)
		to := s.finished(id, in.Token, "")
		require.Equal(t, "invalid_grant", s.refused(s.post(redeeming(to.Query().Get("code")))))
	})
}
