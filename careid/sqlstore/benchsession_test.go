// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// BenchmarkSession measures what an application asks on each of its requests: is the session alive, its person, card and
// certificate still good, with the use written down where it is due, 64 at once; beside it a read of one person's row and
// nothing else. There is no goal: the answer is how many requests a second one machine bears.
func BenchmarkSession(b *testing.B) {
	h := careidtest.New(b, careidtest.Config{})
	pairs := make([]pkitest.Pair, callers)
	for i := range pairs {
		var err error
		pairs[i], err = h.CA.NewPair(b.Context())
		require.NoError(b, err)
	}
	service, store := crowded(b, h, town, pairs)
	const asked = 64 * callers
	sessions := make([]careid.SignedIn, asked)
	for i := range pairs {
		sessions[i] = enter(b, h, service, pairs[i])
	}
	for i := callers; i < asked; i++ {
		sessions[i] = sessions[i%callers]
	}
	var ours, bare time.Duration
	rounds := 0
	for b.Loop() {
		ours += together(b, sessions, func(in *careid.SignedIn) error {
			_, err := service.Session(context.Background(), in.Token)
			return err
		})
		b.StopTimer()
		bare += together(b, sessions, func(in *careid.SignedIn) error {
			return store.Read(context.Background(), func(ctx context.Context, tx *careid.Tx) error {
				_, err := tx.People.Profile(ctx, in.Session.Profile)
				return err
			})
		})
		b.StartTimer()
		rounds++
	}
	n := float64(rounds * asked)
	b.ReportMetric(n/ours.Seconds(), "sessions/s")
	b.ReportMetric(n/bare.Seconds(), "reads/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // of both together says nothing
}

// enter signs one person in.
func enter(b *testing.B, h *careidtest.Hospital, s *careid.Service, pair pkitest.Pair) careid.SignedIn {
	b.Helper()
	ctx, cookie := b.Context(), rand.Text()
	nonce, err := s.Nonce(ctx, careid.SignIn)
	require.NoError(b, err)
	proof, err := h.ProofBy(ctx, pair.Keys[0], pair.Certificates[0], careidtest.Claims{Nonce: nonce, Bind: cookie})
	require.NoError(b, err)
	answer, err := s.Answer(ctx, proof)
	require.NoError(b, err)
	in, err := s.Redeem(ctx, answer.Result, []byte(cookie))
	require.NoError(b, err)
	return *in
}
