// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/internal/cardprotocol"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

func TestSession(t *testing.T) {
	ctx := context.Background()
	t.Run("row047", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		in := signIn(t, h, h.Nurse.Card)
		require.Equal(t, []string{"N3_SMARTCARD"}, in.Session.AMR)
		_, err := h.Service.Session(ctx, "") // a browser that was closed, or another one, has no cookie
		refused(t, err, "session.none")
		h.Clock.Add(8*time.Hour - time.Second)
		_, err = h.Service.Session(ctx, in.Token)
		require.NoError(t, err)
		h.Clock.Add(time.Second)
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
	})
	t.Run("row046", func(t *testing.T) {
		var ended []careid.Event
		h := careidtest.New(t, careidtest.Config{Observe: func(_ context.Context, e careid.Event) {
			if e.Name == careid.EventSessionEnded {
				ended = append(ended, e)
			}
		}})
		in := signIn(t, h, h.Nurse.Card)
		require.NoError(t, h.Service.Removed(ctx, in.Presence))
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		refused(t, h.Service.Lease(ctx, in.Presence), "presence.ended")
		require.Len(t, ended, 1)
		require.Equal(t, in.Session.ID, ended[0].Session)
		keep := careidtest.New(t, careidtest.Config{Binding: careid.BindingKeep})
		kept := signIn(t, keep, keep.Nurse.Card)
		require.NoError(t, keep.Service.Removed(ctx, kept.Presence))
		_, err = keep.Service.Session(ctx, kept.Token)
		require.NoError(t, err)
		for organisation, stays := range map[string]bool{careidtest.Organisation: true, "RBB": false} {
			h := careidtest.New(t, careidtest.Config{})
			c := h.Config
			c.Bindings = map[string]careid.Binding{organisation: careid.BindingKeep}
			h.Service, err = careid.New(c)
			require.NoError(t, err)
			in := signIn(t, h, h.Nurse.Card)
			require.NoError(t, h.Service.Removed(ctx, in.Presence))
			_, err = h.Service.Session(ctx, in.Token)
			require.Equal(t, stays, err == nil, "the nurse is looked after by %s", careidtest.Organisation)
			c.Bindings[organisation] = "open"
			_, err = careid.New(c)
			require.ErrorContains(t, err, `"open"`)
			c.Bindings = map[string]careid.Binding{"rba": careid.BindingClose}
			_, err = careid.New(c)
			require.ErrorContains(t, err, `"rba"`, "a slip would leave everybody with the other binding")
		}
	})
	t.Run("row039", func(t *testing.T) {
		// A workstation that dies says nothing: the lease runs out, and no later lease revives the session.
		h := careidtest.New(t, careidtest.Config{})
		in := signIn(t, h, h.Nurse.Card)
		h.Wall.Add(29 * time.Second)
		require.NoError(t, h.Service.Lease(ctx, in.Presence))
		h.Wall.Add(30 * time.Second)
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "presence.ended")
		refused(t, h.Service.Lease(ctx, in.Presence), "presence.ended")
		_, err = h.Service.Due(ctx)
		require.NoError(t, err)
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
	})
	t.Run("row032", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		rows := audited(t, h, func() { signIn(t, h, h.Nurse.Card) })
		last := rows[len(rows)-1]
		require.Equal(t, "sign in", last.Action)
		require.Equal(t, h.Nurse.Card.Serial, last.Subject)
		require.Equal(t, h.Nurse.Profile.ID, last.Actor)
	})
	t.Run("threat033", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		in := signIn(t, h, h.Nurse.Card)
		require.NoError(t, h.CA.Revoke(ctx, h.Nurse.Card.Certificates[0], 1, h.Clock.Now()))
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		refused(t, h.Service.Lease(ctx, in.Presence), "presence.ended")

		// Nobody uses the session, and the CA alone knows: it ends within the minute too, with everybody told.
		var ended []careid.Event
		h = careidtest.New(t, careidtest.Config{Observe: func(_ context.Context, e careid.Event) {
			if e.Name == careid.EventSessionEnded {
				ended = append(ended, e)
			}
		}})
		in, other := signIn(t, h, h.Nurse.Card), signIn(t, h, h.Sponsor.Card)
		due := func(later time.Duration) {
			t.Helper()
			h.Wall.Add(later)
			require.NoError(t, h.Service.Lease(ctx, other.Presence))
			_ = h.Service.Lease(ctx, in.Presence) // until it has ended
			_, err := h.Service.Due(ctx)
			require.NoError(t, err)
		}
		due(0)
		require.NoError(t, h.CA.Revoke(ctx, h.Nurse.Card.Certificates[0], 1, h.Clock.Now()))
		due(10 * time.Second)
		require.Empty(t, ended, "asked about every twenty seconds")
		due(10 * time.Second)
		require.Equal(t, []careid.Event{{Name: careid.EventSessionEnded, Card: h.Nurse.Card.Serial, Session: in.Session.ID, Reason: "revoked"}}, ended)
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.Service.Session(ctx, other.Token)
		require.NoError(t, err)
	})
	t.Run("threat059", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		planted := "a cookie that an attacker set"
		answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: planted})
		require.NoError(t, err)
		in, err := h.Service.Redeem(ctx, answer.Result, []byte(planted))
		require.NoError(t, err)
		require.NotEqual(t, planted, in.Token)
		_, err = h.Service.Session(ctx, planted)
		refused(t, err, "session.none")

		// A sign-in bound to a session is not taken for a step-up of it, which would leave two sessions of one browser.
		other, err := h.Answer(ctx, h.Sponsor.Card, careidtest.Claims{Bind: in.Token})
		require.NoError(t, err)
		rows := audited(t, h, func() {
			_, err = h.Service.Redeem(ctx, other.Result, []byte(in.Token))
			refused(t, err, "proof.purpose")
		})
		require.Len(t, rows, 1)
		noSecret(t, rows, other.Result, in.Token)
		_, err = h.Service.Redeem(ctx, other.Result, []byte(in.Token))
		refused(t, err, "proof.result")
		var sessions int
		require.NoError(t, h.DB.QueryRow("SELECT COUNT(*) FROM careid_session WHERE card = ? AND ended = ''", h.Nurse.Card.Serial).Scan(&sessions))
		require.Equal(t, 1, sessions)
	})
	t.Run("sign out and step up", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		in := signIn(t, h, h.Nurse.Card)
		h.Clock.Add(time.Hour)
		answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: in.Token})
		require.NoError(t, err)
		up, err := h.Service.Redeem(ctx, answer.Result, []byte(in.Token))
		require.NoError(t, err)
		require.Equal(t, in.Session.ExpiresAt, up.Session.ExpiresAt)
		require.Equal(t, in.Session.AuthTime.Add(time.Hour), up.Session.AuthTime)
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		require.NoError(t, h.Service.SignOut(ctx, up.Token))
		_, err = h.Service.Session(ctx, up.Token)
		refused(t, err, "session.ended")
	})
}

func TestProof(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	card := h.Nurse.Card

	t.Run("threat036", func(t *testing.T) {
		jws, err := h.Proof(ctx, card, careidtest.Claims{Bind: "cookie"})
		require.NoError(t, err)
		other, err := careid.New(h.Config) // another server on the same store
		require.NoError(t, err)
		var mu sync.Mutex
		var good, bad int
		var wait sync.WaitGroup
		for i := range 100 {
			wait.Go(func() {
				service := h.Service
				if i%2 == 1 {
					service = other
				}
				_, err := service.Answer(ctx, jws)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				} else {
					refused(t, err, "proof.nonce")
					bad++
				}
			})
		}
		wait.Wait()
		require.Equal(t, []int{1, 99}, []int{good, bad})

		late, err := h.Proof(ctx, card, careidtest.Claims{Bind: "cookie"})
		require.NoError(t, err)
		h.Wall.Add(60 * time.Second)
		_, err = h.Service.Answer(ctx, late)
		refused(t, err, "proof.nonce")
		_, err = h.Answer(ctx, card, careidtest.Claims{Bind: "cookie", Nonce: "AAAAAAAAAAAAAAAAAAAAAA"})
		refused(t, err, "proof.nonce")
		// A nonce for one purpose is none for another.
		nonce, err := h.Service.Nonce(ctx, careid.Presence)
		require.NoError(t, err)
		_, err = h.Answer(ctx, card, careidtest.Claims{Bind: "cookie", Nonce: nonce})
		refused(t, err, "proof.nonce")
	})
	t.Run("threat037", func(t *testing.T) {
		_, err := h.Answer(ctx, card, careidtest.Claims{Bind: "cookie", Origin: "https://evil.example"})
		refused(t, err, "proof.origin")
		_, err = h.Answer(ctx, card, careidtest.Claims{Bind: "cookie", Audience: "https://evil.example"})
		refused(t, err, "proof.audience")
		answer, err := h.Answer(ctx, card, careidtest.Claims{Bind: "the victim's cookie"})
		require.NoError(t, err)
		_, err = h.Service.Redeem(ctx, answer.Result, []byte("the attacker's cookie"))
		refused(t, err, "proof.result")
		_, err = h.Service.Redeem(ctx, answer.Result, []byte("the victim's cookie"))
		require.NoError(t, err)
		_, err = h.Service.Redeem(ctx, answer.Result, []byte("the victim's cookie"))
		refused(t, err, "proof.result")
		_, err = h.Answer(ctx, card, careidtest.Claims{})
		refused(t, err, "proof.purpose") // bound to no browser
	})
	t.Run("threat038", func(t *testing.T) {
		claims := careidtest.Claims{Bind: "cookie"}
		jws, err := h.ProofBy(ctx, card.Keys[1], card.Certificates[1], claims)
		require.NoError(t, err)
		_, err = h.Service.Answer(ctx, jws)
		refused(t, err, "cert.usage")
		jws, err = h.ProofBy(ctx, card.Keys[1], card.Certificates[0], claims)
		require.NoError(t, err)
		_, err = h.Service.Answer(ctx, jws)
		refused(t, err, "proof.signature")
	})
	t.Run("form", func(t *testing.T) {
		vectors, err := cardprotocol.Read()
		require.NoError(t, err)
		h.Wall.Set(time.Unix(vectors.Proofs[0].Claims.IssuedAt, 0))
		for _, proof := range vectors.Proofs {
			// Well made, and of another authority: it fails at the first thing that is ours.
			_, err := h.Service.Answer(ctx, proof.JWS)
			require.Contains(t, []string{"proof.audience", "proof.nonce"}, refusalRule(t, err), proof.Name)
		}
		for _, proof := range vectors.Refused {
			_, err := h.Service.Answer(ctx, proof.JWS)
			rule := refusalRule(t, err)
			require.Contains(t, []string{"proof.form", "proof.signature", "cert.usage"}, rule, proof.Name+": "+proof.Why)
		}
		for _, text := range []string{"", "..", "a.b", strings.Repeat("A", 20_000), "e30.e30.", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "..x"} {
			_, err := h.Service.Answer(ctx, text)
			refused(t, err, "proof.form")
		}
		for _, seal := range vectors.Sealed {
			require.NotEmpty(t, seal.Sealed)
		}
	})
}

// A card that went to somebody else between answer and redemption signs nobody in.
func TestRedeemOfACardThatIsAnothersNow(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	answer, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: "cookie"})
	require.NoError(t, err)
	require.NoError(t, h.Store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		card, err := tx.Cards.Card(ctx, h.Nurse.Card.Serial)
		require.NoError(t, err)
		card.Profile = h.Sponsor.Profile.ID
		done, err := tx.Cards.UpdateCard(ctx, card, card.State)
		require.True(t, done)
		return err
	}))
	_, err = h.Service.Redeem(ctx, answer.Result, []byte("cookie"))
	refused(t, err, "proof.result")
}

func refusalRule(t *testing.T, err error) string {
	t.Helper()
	require.Error(t, err)
	rule, _, _ := strings.Cut(err.Error(), ":")
	return rule
}

func TestProofState(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	t.Run("row088", func(t *testing.T) {
		_, err := h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: "c", IssuedAt: h.Wall.Now().Add(5*time.Minute + time.Second).Unix()})
		no := refused(t, err, "device.clock")
		require.Equal(t, "5m1s", no.Facts["skew"])
		_, err = h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: "c", IssuedAt: h.Wall.Now().Add(-5 * time.Minute).Unix()})
		require.NoError(t, err)
	})
	t.Run("a certificate of another authority", func(t *testing.T) {
		foreign := h.CA.Pair(pkitest.Foreign)
		jws, err := h.ProofBy(ctx, foreign.Keys[0], foreign.Certificates[0], careidtest.Claims{Bind: "c"})
		require.NoError(t, err)
		_, err = h.Service.Answer(ctx, jws)
		refused(t, err, "cert.unknown")
		unbound := h.CA.Pair(pkitest.Good) // ours, and on no card
		jws, err = h.ProofBy(ctx, unbound.Keys[0], unbound.Certificates[0], careidtest.Claims{Bind: "c"})
		require.NoError(t, err)
		_, err = h.Service.Answer(ctx, jws)
		refused(t, err, "cert.unknown")
	})
	t.Run("a refused proof can't be tried again", func(t *testing.T) {
		jws, err := h.Proof(ctx, h.Nurse.Card, careidtest.Claims{Bind: "c"})
		require.NoError(t, err)
		require.NoError(t, h.CA.Revoke(ctx, h.Nurse.Card.Certificates[0], 6, h.Clock.Now()))
		rows := audited(t, h, func() {
			_, err = h.Service.Answer(ctx, jws)
			refused(t, err, "cert.held")
		})
		require.Len(t, rows, 1)
		require.NoError(t, h.CA.Revoke(ctx, h.Nurse.Card.Certificates[0], 8, h.Clock.Now()))
		_, err = h.Service.Answer(ctx, jws)
		refused(t, err, "proof.nonce")
	})
}
