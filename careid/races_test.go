// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// race is what may succeed once, however many ask on however many servers, and the rule that refuses the others.
type race struct {
	refused string
	run     func(ctx context.Context, s *careid.Service, r redeemer) error
}

func races() map[string]race {
	return map[string]race{
		"": {"unlock.code", func(ctx context.Context, s *careid.Service, r redeemer) error {
			return second(s.RedeemUnlock(ctx, careid.UnlockCode{Request: r.Request, Card: r.Card, Code: []byte(r.Code), AgentKey: basePoint()}))
		}},
		"challenge": {"challenge.none", func(ctx context.Context, s *careid.Service, r redeemer) error {
			return s.TakeChallenge(ctx, "signin", []byte("cookie"), r.Secrets[0])
		}},
		"nonce": {"proof.nonce", func(ctx context.Context, s *careid.Service, r redeemer) error {
			return second(s.Answer(ctx, r.Secrets[0]))
		}},
		"result": {"proof.result", func(ctx context.Context, s *careid.Service, r redeemer) error {
			return second(s.Redeem(ctx, r.Secrets[0], []byte("cookie")))
		}},
		// A session's card and one account.
		"link": {"link.taken", func(ctx context.Context, s *careid.Service, r redeemer) error {
			a, err := s.Actor(ctx, r.Secrets[0], careid.Holder, "")
			if err != nil {
				return err
			}
			return second(s.Link(ctx, a, careid.LinkRequest{Address: r.Code, Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}}))
		}},
		// Requests of other keys each time, by one handle.
		"requests": {"act.requests", func(ctx context.Context, s *careid.Service, r redeemer) error {
			_, requests, err := pkitest.Requests()
			if err != nil {
				return err
			}
			_, err = s.Requests(ctx, r.Secrets[0], [][]byte{requests[0].Raw, requests[1].Raw})
			if errors.Is(err, errLost) { // stored, and the CA is away
				return nil
			}
			return err
		}},
		// All of them take up the one act.
		"act": {"", func(ctx context.Context, s *careid.Service, r redeemer) error {
			a, err := s.Actor(ctx, r.Secrets[0], careid.RAAgent, careidtest.Organisation)
			if err != nil {
				return err
			}
			return second(s.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Issue, Card: r.Card, Profile: r.Code, Evidence: attested}))
		}},
	}
}

// noMail is a directory in which every account is in order.
type noMail struct{}

func (noMail) LinkState(context.Context, string) (active, locked, policyAccepted bool, err error) {
	return true, false, true, nil
}

// basePoint is a public key that HPKE takes.
func basePoint() []byte {
	key := make([]byte, 32)
	key[0] = 9
	return key
}

// What is taken once is taken once by three servers on one PostgreSQL.
func TestRacesOnPostgreSQL(t *testing.T) {
	h, reach := onPostgreSQL(t)
	ctx := t.Context()
	run := func(t *testing.T, times int, r redeemer) (good, refusals int) {
		t.Helper()
		r.Postgres, r.Now, r.Wall = reach, h.Clock.Now(), h.Wall.Now()
		return r.spread(t, times)
	}
	number := func(t *testing.T, query string, args ...any) (n int) {
		t.Helper()
		require.NoError(t, h.DB.QueryRow(query, args...).Scan(&n))
		return n
	}

	t.Run("threat036", func(t *testing.T) {
		challenge, err := h.Service.NewChallenge(ctx, "signin", []byte("cookie"))
		require.NoError(t, err)
		good, refusals := run(t, 60, redeemer{Race: "challenge", Secrets: []string{challenge}})
		require.Equal(t, []int{1, 59}, []int{good, refusals})

		jws, err := h.Proof(ctx, h.Nurse.Card, careidtest.Claims{Bind: "cookie"})
		require.NoError(t, err)
		good, refusals = run(t, 60, redeemer{Race: "nonce", Secrets: []string{jws}})
		require.Equal(t, []int{1, 59}, []int{good, refusals})

		answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: "cookie"})
		require.NoError(t, err)
		before := number(t, "SELECT COUNT(*) FROM careid_session")
		good, refusals = run(t, 60, redeemer{Race: "result", Secrets: []string{answer.Result}})
		require.Equal(t, []int{1, 59}, []int{good, refusals})
		require.Equal(t, before+1, number(t, "SELECT COUNT(*) FROM careid_session"))
	})
	t.Run("row082", func(t *testing.T) {
		const address = "shared.account@nhs.net"
		var three []string // people, one at each server, for one account
		for _, p := range []careidtest.Person{h.Nurse, h.Sponsor, h.RAManager} {
			three = append(three, signIn(t, h, p.Card).Token)
		}
		good, refusals := run(t, 45, redeemer{Race: "link", Code: address, Secrets: three})
		require.Equal(t, []int{1, 44}, []int{good, refusals})
		require.Equal(t, 1, number(t, "SELECT COUNT(*) FROM careid_link WHERE state = 'active'"))

		one := signIn(t, h, h.RAAgent.Card).Token // one card at three servers
		good, refusals = run(t, 45, redeemer{Race: "link", Code: "agent.ra@nhs.net", Secrets: []string{one}})
		require.Equal(t, []int{1, 44}, []int{good, refusals})
		require.Equal(t, 2, number(t, "SELECT COUNT(*) FROM careid_link WHERE state = 'active'"))
	})
	t.Run("threat021", func(t *testing.T) {
		p, err := h.Enrol(ctx, "New", "Starter")
		require.NoError(t, err)
		card := h.Blank()
		in := signIn(t, h, h.RAAgent.Card)
		good, _ := run(t, 45, redeemer{Race: "act", Card: card.Serial, Code: p.ID, Secrets: []string{in.Token}})
		require.Equal(t, 45, good)
		require.Equal(t, 1, number(t, "SELECT COUNT(*) FROM careid_act WHERE card = $1", card.Serial))

		agent, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
		require.NoError(t, err)
		act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Issue, Card: card.Serial, Profile: p.ID, Evidence: attested})
		require.NoError(t, err)
		_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
		require.NoError(t, err)
		good, refusals := run(t, 45, redeemer{Race: "requests", Secrets: []string{act.Handle}})
		require.Equal(t, []int{1, 44}, []int{good, refusals}, "one pair of keys")
		require.NoError(t, h.Service.Resume(ctx))
		require.Equal(t, 2, number(t, "SELECT COUNT(*) FROM careid_certificate WHERE card = $1", card.Serial))
	})
	_, err := h.Service.VerifyAudit(ctx)
	require.NoError(t, err, "three servers, one chain")
}
