// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

var errKilled = errors.New("killed")

// mortal signs, and dies with the signature in its hands.
type mortal struct {
	pki.Signer
	signed []*big.Int
	dies   bool
}

func (m *mortal) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	der, err := m.Signer.SignCertificate(ctx, template, public)
	if err != nil {
		return nil, err
	}
	m.signed = append(m.signed, new(big.Int).Set(template.SerialNumber))
	if m.dies {
		return nil, errKilled
	}
	return der, nil
}

// The two orders beside each other, on the same softcas and the same death.
// step-ca's authority (smallstep/certificates v0.30.2, Authority.SignWithContext)
// calls its CAS and stores what comes back; it weighs 632 packages and isn't
// imported here, so its order is followed on the part of it that is: what its
// database would hold is a map. Wardkey's order is Wardkey itself.
func TestSignThenStore(t *testing.T) {
	authority, err := stepca.Open(t.Context(), stepca.Config{Now: func() time.Time { return today }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, authority.Close()) })
	const times = 8

	first := &mortal{Signer: authority, dies: true}
	stored := map[string]bool{}
	for i := range times {
		_, csrs, err := pkitest.Requests()
		require.NoError(t, err)
		serial := big.NewInt(int64(1000 + i))
		der, err := first.SignCertificate(t.Context(), &x509.Certificate{
			SerialNumber: serial, Subject: pkix.Name{CommonName: "Amina Osei"}, NotBefore: today, NotAfter: today.AddDate(3, 0, 0),
		}, csrs[0].PublicKey)
		if err == nil {
			stored[serial.String()] = len(der) > 0
		}
	}
	unknownThere := 0
	for _, serial := range first.signed {
		if !stored[serial.String()] {
			unknownThere++
		}
	}

	ledger, wall := open(t), pkitest.NewClock(today)
	second := &mortal{Signer: authority, dies: true}
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org"})
	require.NoError(t, err)
	ca, err := pki.New(pki.Config{
		Signer: second, Chain: authority.Chain(), Ledger: ledger, Profile: profile, Now: func() time.Time { return today },
		Wall: wall.Now,
	})
	require.NoError(t, err)
	for i := range times {
		_, csrs, err := pkitest.Requests()
		require.NoError(t, err)
		_, err = ca.Issue(t.Context(), "act-"+string(rune('a'+i)), pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs)
		require.ErrorIs(t, err, pki.ErrSignerUnavailable)
		wall.Add(time.Minute) // it isn't left alone for having died
	}
	unknownHere := 0
	for _, serial := range second.signed {
		if _, err := ledger.Record(t.Context(), serial); err != nil {
			unknownHere++
		}
	}
	t.Logf("sign, then store: %d signed, %d certificates unknown", len(first.signed), unknownThere)
	t.Logf("record, sign, commit: %d signed, %d certificates unknown", len(second.signed), unknownHere)
	require.Equal(t, times, unknownThere)
	require.Len(t, second.signed, times)
	require.Zero(t, unknownHere)
}
