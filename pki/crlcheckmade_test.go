// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509/pkix"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/wardkey-sdk/wardkey/pki"
)

func reason(t testing.TB, code int) []pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1Enum(int64(code))
	return []pkix.Extension{{Id: []int{2, 5, 29, 21}, Value: b.BytesOrPanic()}}
}

// rawReason is a reason code as these bytes.
func rawReason(der ...byte) pkix.Extension {
	return pkix.Extension{Id: []int{2, 5, 29, 21}, Value: der}
}

func generalized(t *testing.T, at time.Time) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1GeneralizedTime(at)
	der, err := b.Bytes()
	require.NoError(t, err)
	return der
}

// listVerifier relies on one list for what the issuing CA issued, and takes that
// for good.
func (o *outside) listVerifier(t *testing.T, l *madeList) *pki.Verifier {
	t.Helper()
	checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: lists{l.make(t), o.list(o.root).make(t)}})
	require.NoError(t, err)
	return o.verifier(checker)
}

// tlv puts a DER header before a short body.
func tlv(tag byte, body []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(body) })
	return b.BytesOrPanic()
}

// scopeOf is an issuingDistributionPoint with addresses. Its body is that of a
// DistributionPoint, too.
func scopeOf(addresses ...string) []byte {
	var names []byte
	for _, a := range addresses {
		names = append(names, tlv(0x86, []byte(a))...)
	}
	return tlv(0x30, tlv(0xa0, tlv(0xa0, names)))
}

// flagged is an issuingDistributionPoint with one flag set.
func flagged(tag byte) []byte { return tlv(0x30, []byte{0x80 | tag, 1, 0xff}) }
