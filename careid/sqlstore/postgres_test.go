// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

func emptied(t *testing.T, db *sql.DB) *sql.DB {
	t.Helper()
	_, err := db.ExecContext(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	require.NoError(t, err)
	return db
}

func openPostgres(t *testing.T, db *sql.DB, now, wall func() time.Time) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Now: now, Wall: wall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func TestStoreOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	careidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) careid.Store {
		return openPostgres(t, emptied(t, db), now, wall)
	})
}

// three are services on stores of their own, over the hospital's one database.
func three(t *testing.T, h *careidtest.Hospital) []*careid.Service {
	t.Helper()
	services := []*careid.Service{h.Service}
	for range 2 {
		c := h.Config
		c.Store = openPostgres(t, h.DB, h.Clock.Now, h.Wall.Now)
		service, err := careid.New(c)
		require.NoError(t, err)
		services = append(services, service)
	}
	return services
}

// atOnce runs do so many times, spread over the services, and returns how many succeeded and the rules of the others.
func atOnce(t *testing.T, services []*careid.Service, times int, do func(i int, s *careid.Service) error) (good int, rules map[string]int) {
	t.Helper()
	rules = map[string]int{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for i := range times {
		wait.Go(func() {
			err := do(i, services[i%len(services)])
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				good++
				return
			}
			rules[wardkey.RuleOf(err)]++
			if wardkey.RuleOf(err) == "" {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	return good, rules
}

// The whole of a hospital's life, and what may happen once, on PostgreSQL.
func TestServersOnPostgreSQL(t *testing.T) {
	ctx := context.Background()
	db := emptied(t, postgrestest.Open(t))
	db.SetMaxOpenConns(15) // a cluster has room for a hundred by default, and a server pools a few
	h := careidtest.New(t, careidtest.Config{DB: db})
	services := three(t, h)
	nurse := h.Nurse

	t.Run("threat003", func(t *testing.T) {
		u, err := h.StartUnlock(ctx, nurse)
		require.NoError(t, err)
		wrong := []byte(u.Code)
		wrong[0] = '0' + (wrong[0]-'0'+1)%10
		good, rules := atOnce(t, services, 25, func(_ int, s *careid.Service) error {
			_, err := s.RedeemUnlock(ctx, careid.UnlockCode{Request: u.Request, Card: nurse.Card.Serial, Code: wrong, AgentKey: u.Key.PublicKey().Bytes()})
			return err
		})
		require.Equal(t, 0, good)
		require.Equal(t, map[string]int{"unlock.code": 25}, rules)
		var tries, ofCard int
		require.NoError(t, h.DB.QueryRow("SELECT tries FROM careid_code WHERE request = $1", u.Request).Scan(&tries))
		require.NoError(t, h.DB.QueryRow("SELECT COUNT(*) FROM careid_try").Scan(&ofCard))
		require.Equal(t, []int{5, 5}, []int{tries, ofCard}, "twenty-five guesses, five of them looked at")
	})
	t.Run("threat004", func(t *testing.T) {
		h.Clock.Add(48 * time.Hour)
		u, err := h.StartUnlock(ctx, nurse)
		require.NoError(t, err)
		good, rules := atOnce(t, services, 100, func(_ int, s *careid.Service) error {
			_, err := s.RedeemUnlock(ctx, careid.UnlockCode{Request: u.Request, Card: nurse.Card.Serial, Code: []byte(u.Code), AgentKey: u.Key.PublicKey().Bytes()})
			return err
		})
		require.Equal(t, 1, good)
		require.Equal(t, map[string]int{"unlock.code": 99}, rules)
		var resets int
		require.NoError(t, h.DB.QueryRow("SELECT COUNT(*) FROM careid_reset WHERE state = 'open'").Scan(&resets))
		require.Equal(t, 1, resets)
	})
	t.Run("threat036", func(t *testing.T) {
		jws, err := h.Proof(ctx, h.Sponsor.Card, careidtest.Claims{Bind: "cookie"})
		require.NoError(t, err)
		var answer *careid.Answered
		good, rules := atOnce(t, services, 100, func(_ int, s *careid.Service) error {
			a, err := s.Answer(ctx, jws)
			if err == nil {
				answer = a // of one goroutine only, or the count below says otherwise
			}
			return err
		})
		require.Equal(t, 1, good)
		require.Equal(t, map[string]int{"proof.nonce": 99}, rules)
		good, rules = atOnce(t, services, 100, func(_ int, s *careid.Service) error {
			_, err := s.Redeem(ctx, answer.Result, []byte("cookie"))
			return err
		})
		require.Equal(t, 1, good)
		require.Equal(t, map[string]int{"proof.result": 99}, rules)
	})
	t.Run("threat021", func(t *testing.T) {
		p, err := h.Enrol(ctx, "New", "Starter")
		require.NoError(t, err)
		in, err := h.SignIn(ctx, h.RAAgent.Card)
		require.NoError(t, err)
		agent, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
		require.NoError(t, err)
		serials := []string{h.Blank().Serial, h.Blank().Serial}
		acts := map[string]bool{}
		var mu sync.Mutex
		good, _ := atOnce(t, services, 100, func(i int, s *careid.Service) error {
			act, err := s.OpenAct(ctx, agent, careid.ActRequest{
				Kind: careid.Issue, Card: serials[i%2], Profile: p.ID, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"},
			})
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				acts[act.ID] = true
			}
			return err
		})
		require.Equal(t, 100, good)
		require.Len(t, acts, 2, "one act a card, whoever asks")
	})
	t.Run("row114", func(t *testing.T) {
		app, err := h.RegisterApp(ctx, h.Sponsor)
		require.NoError(t, err)
		mail, err := h.Register(ctx, h.Sponsor, careid.KindMailAccount, "maya.lindqvist@nhs.net")
		require.NoError(t, err)
		h.Clock.Add(30 * time.Second)
		good, rules := atOnce(t, services, 100, func(_ int, s *careid.Service) error {
			_, err := s.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
			return err
		})
		require.Equal(t, 1, good)
		require.Equal(t, map[string]int{"totp.code": 5, "totp.tries": 94}, rules)
	})
	n, err := h.Service.VerifyAudit(ctx)
	require.NoError(t, err)
	require.Greater(t, n, int64(325), "one row each")
	_, err = h.Service.Due(ctx)
	require.NoError(t, err)
	h.Clock.Add(48 * time.Hour)
	h.Wall.Add(time.Hour)
	for range 2 {
		_, err = h.Service.Due(ctx)
		require.NoError(t, err)
	}
	var left int
	require.NoError(t, h.DB.QueryRow("SELECT (SELECT COUNT(*) FROM careid_session) + (SELECT COUNT(*) FROM careid_code) + (SELECT COUNT(*) FROM careid_reset)").Scan(&left))
	require.Zero(t, left)
}
