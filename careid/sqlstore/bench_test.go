// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

const (
	nation, town = 1_300_000, 10_000 // people
	holders      = 512               // of them have real certificates, and sign in
	callers      = 64
)

// signIn is one person's way in: what the browser and the card keep of it.
type signIn struct {
	pair   pkitest.Pair
	cookie string
	nonce  string
	proof  string
}

// BenchmarkSignIn measures sign-ins, each from the nonce to the durable session, with 1.3 million people in the store
// and with 10,000, against three bare verifications: of the answer, of its certificate, of the issuer's.
//
// Measured is all that a server does: Nonce, Answer, Redeem, 64 at once. Between the first two the cards sign, which
// is their work and outside the time. The people who sign in stand evenly among all, each again and again, and the CA's
// ledger is in memory.
func BenchmarkSignIn(b *testing.B) {
	h := careidtest.New(b, careidtest.Config{})
	pairs := make([]pkitest.Pair, holders)
	for i := range pairs {
		var err error
		pairs[i], err = h.CA.NewPair(b.Context())
		require.NoError(b, err)
	}
	services := make([]*careid.Service, 2)
	services[0], _ = crowded(b, h, nation, pairs)
	services[1], _ = crowded(b, h, town, pairs)
	var took [2]time.Duration
	var bare time.Duration
	rounds := 0
	for b.Loop() {
		for i := range services {
			which := (rounds + i) % len(services) // by turns the first
			took[which] += signInAll(b, h, services[which], pairs)
		}
		b.StopTimer()
		bare += verifyAll(b, h, pairs)
		b.StartTimer()
		rounds++
	}
	n := float64(rounds * holders)
	benchline.Report(b, "careid.signin.scale", took[0].Seconds()*1e6/n, took[1].Seconds()*1e6/n, "µs", false, 1/1.3)
	benchline.Report(b, "careid.signin", n/took[0].Seconds(), n/bare.Seconds(), "sign-ins/s", true, 0.4)
}

// crowded is the hospital's service on a store of its own, full of people.
func crowded(b *testing.B, h *careidtest.Hospital, people int, pairs []pkitest.Pair) (*careid.Service, careid.Store) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "care.db")
	crowd(b, path, people, pairs, h.Clock.Now())
	db, err := sqlkit.OpenSQLite(path)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	config := h.Config
	store, err := sqlstore.Open(b.Context(), sqlstore.Config{DB: db, Now: h.Clock.Now, Wall: h.Wall.Now})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	config.Store = store
	service, err := careid.New(config)
	require.NoError(b, err)
	return service, store
}

// together runs a job for each item, 64 at once, and returns how long they took.
func together[T any](b *testing.B, items []T, job func(*T) error) time.Duration {
	b.Helper()
	errs := make([]error, len(items))
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(items); i = int(next.Add(1)) - 1 {
				errs[i] = job(&items[i])
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	require.NoError(b, errors.Join(errs...))
	return took
}

// signInAll signs all of them in and returns how long the server took.
func signInAll(b *testing.B, h *careidtest.Hospital, s *careid.Service, pairs []pkitest.Pair) time.Duration {
	b.Helper()
	ctx := context.Background()
	ins := make([]signIn, len(pairs))
	for i := range ins {
		ins[i] = signIn{pair: pairs[i], cookie: rand.Text()}
	}
	took := together(b, ins, func(in *signIn) (err error) {
		in.nonce, err = s.Nonce(ctx, careid.SignIn)
		return err
	})
	b.StopTimer()
	together(b, ins, func(in *signIn) (err error) {
		in.proof, err = h.ProofBy(ctx, in.pair.Keys[0], in.pair.Certificates[0], careidtest.Claims{Nonce: in.nonce, Bind: in.cookie})
		return err
	})
	b.StartTimer()
	return took + together(b, ins, func(in *signIn) error {
		answer, err := s.Answer(ctx, in.proof)
		if err != nil {
			return err
		}
		_, err = s.Redeem(ctx, answer.Result, []byte(in.cookie))
		return err
	})
}

// verifyAll does the three verifications, and nothing else of a sign-in, for each, and returns how long that took.
func verifyAll(b *testing.B, h *careidtest.Hospital, pairs []pkitest.Pair) time.Duration {
	b.Helper()
	type answer struct {
		leaf *x509.Certificate
		key  *ecdsa.PublicKey
		hash [sha256.Size]byte
		r, s *big.Int
	}
	answers := make([]answer, len(pairs))
	for i := range answers {
		pair := pairs[i]
		jws, err := h.ProofBy(b.Context(), pair.Keys[0], pair.Certificates[0], careidtest.Claims{Nonce: "none", Bind: "none"})
		require.NoError(b, err)
		end := strings.LastIndex(jws, ".")
		signature, err := base64.RawURLEncoding.DecodeString(jws[end+1:])
		require.NoError(b, err)
		key, ok := pair.Certificates[0].PublicKey.(*ecdsa.PublicKey)
		require.True(b, ok)
		answers[i] = answer{
			leaf: pair.Certificates[0], key: key, hash: sha256.Sum256([]byte(jws[:end])),
			r: new(big.Int).SetBytes(signature[:32]), s: new(big.Int).SetBytes(signature[32:]),
		}
	}
	issuing, root := h.CA.Chain()[0], h.CA.Chain()[1]
	return together(b, answers, func(a *answer) error {
		if !ecdsa.Verify(a.key, a.hash[:], a.r, a.s) {
			return errors.New("the answer's signature is bad")
		}
		return errors.Join(a.leaf.CheckSignatureFrom(issuing), issuing.CheckSignatureFrom(root))
	})
}
