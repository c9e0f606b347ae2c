// SPDX-License-Identifier: Apache-2.0

package pkitest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

func TestMemory(t *testing.T) {
	pkitest.TestLedger(t, func(*testing.T) pki.Ledger { return &pkitest.Memory{} })
}

func TestStates(t *testing.T) {
	ca := pkitest.New(t, pkitest.Config{})
	for state, want := range map[pkitest.State]error{
		pkitest.Good: nil, pkitest.RenewalOpen: nil, pkitest.Superseded: nil,
		pkitest.Expired: pki.ErrExpired, pkitest.Held: pki.ErrHeld,
		pkitest.Revoked: pki.ErrRevoked, pkitest.Foreign: pki.ErrUnknownCertificate,
		pkitest.NotYetValid: pki.ErrNotYetValid, pkitest.WrongPurpose: nil,
	} {
		for _, cert := range ca.Pair(state).Certificates {
			require.ErrorIs(t, ca.Verify(t.Context(), cert), want, "state %d", state)
		}
	}
	_, err := ca.RenewPair(t.Context(), ca.Pair(pkitest.RenewalOpen))
	require.NoError(t, err)
	old := ca.Pair(pkitest.Superseded)
	_, csrs, err := pkitest.Requests()
	require.NoError(t, err)
	_, err = ca.Renew(t.Context(), "again", old.Certificates, csrs)
	require.ErrorIs(t, err, pki.ErrSuperseded)
}

// A wrong purpose is for whoever asks for one to see: the certificate itself is
// one of the authority's, and a pair can still be made after it.
func TestWrongPurpose(t *testing.T) {
	ca := pkitest.New(t, pkitest.Config{})
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	between.AddCert(ca.Chain()[0])
	roots.AddCert(ca.Chain()[1])
	signIn := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: ca.Clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	_, err := ca.Pair(pkitest.Good).Certificates[0].Verify(signIn)
	require.NoError(t, err)
	wrong := ca.Pair(pkitest.WrongPurpose).Certificates
	_, err = wrong[0].Verify(signIn)
	require.Error(t, err)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, wrong[0].ExtKeyUsage)
	require.Equal(t, x509.KeyUsageDigitalSignature, wrong[1].KeyUsage)
	require.Equal(t, x509.KeyUsageContentCommitment, ca.Pair(pkitest.Good).Certificates[1].KeyUsage)
	_, err = ca.NewPair(t.Context())
	require.NoError(t, err)
	require.NoError(t, ca.Revoke(t.Context(), wrong[0], pki.KeyCompromise, ca.Clock.Now()))
	_, err = ca.Due(t.Context())
	require.NoError(t, err)
}

// One seed, one set of certificates, byte for byte.
func TestSeeded(t *testing.T) {
	build := func(seed uint64) (all []string) {
		t.Run("", func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed)
			ca := pkitest.New(t, pkitest.Config{})
			for s := pkitest.Good; s <= pkitest.WrongPurpose; s++ {
				for _, c := range ca.Pair(s).Certificates {
					all = append(all, string(c.Raw))
				}
			}
		})
		return all
	}
	first := build(7)
	require.Len(t, first, 2*int(pkitest.WrongPurpose))
	require.Equal(t, first, build(7))
	require.NotEqual(t, first, build(8))
}

// The states hold for every profile.
func TestStatesOfProfiles(t *testing.T) {
	for _, c := range []pki.ProfileConfig{{Years: 1}, {Years: 2, RenewalWindow: 7 * 24 * time.Hour}, {Years: 1, RenewalWindow: 72 * time.Hour}} {
		for _, today := range []time.Time{
			time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC), time.Date(2027, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		} {
			ca := pkitest.New(t, pkitest.Config{Profile: c, Now: func() time.Time { return today }})
			require.NoError(t, ca.Verify(t.Context(), ca.Pair(pkitest.RenewalOpen).Certificates[0]))
			require.ErrorIs(t, ca.Verify(t.Context(), ca.Pair(pkitest.Expired).Certificates[0]), pki.ErrExpired)
			_, err := ca.RenewPair(t.Context(), ca.Pair(pkitest.RenewalOpen))
			require.NoError(t, err)
			_, err = ca.RenewPair(t.Context(), ca.Pair(pkitest.Superseded))
			require.ErrorIs(t, err, pki.ErrSuperseded)
		}
	}
}

func Example() {
	ca, err := pkitest.Open(pkitest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ca.Close()
	expired := ca.Pair(pkitest.Expired)
	err = ca.Verify(context.Background(), expired.Certificates[0])
	fmt.Println(errors.Is(err, pki.ErrExpired), err)
	// Output: true pki: the certificate has expired
}
