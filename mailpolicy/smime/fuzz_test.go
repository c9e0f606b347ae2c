// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

var shown = []string{
	"from", "to", "cc", "date", "message-id", "subject", "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
}

// FuzzHeader asks that no header makes anything but the allowed fields stand
// outside, nor a subject other than ours.
func FuzzHeader(f *testing.F) {
	ca := newCA(f)
	to := []smime.Recipient{{Address: gp, Certificate: issue(f, ca, mailtest.Spec{Email: gp}).Certificate}}
	e := newEncrypter(f, smime.Config{Roots: ca.Roots()})
	f.Add([]byte(message[:strings.Index(message, "\r\n\r\n")+4]))
	f.Add([]byte("From : a\r\n\tBcc: x\r\nSubject\t: s\r\n\r\n"))
	f.Add([]byte("To: a\r\n \r\nSubject: s\r\n\r\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		read, _, err := smime.ReadHeader(bytes.NewReader(header))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := e.EncryptTo(t.Context(), &out, read, to)
		if err != nil {
			return
		}
		_, err = io.WriteString(w, "body")
		require.NoError(t, err)
		require.NoError(t, w.Close())
		outer, _, ok := strings.Cut(out.String(), "\r\n\r\n")
		require.True(t, ok)
		require.Equal(t, strings.Count(outer, "\n"), strings.Count(outer, "\r\n"))
		subjects := 0
		for _, line := range strings.Split(outer, "\r\n") {
			if line[0] == ' ' || line[0] == '\t' {
				continue
			}
			name, _, _ := strings.Cut(line, ":")
			name = strings.ToLower(strings.TrimRight(name, " \t"))
			require.True(t, slices.Contains(shown, name), "%q", line)
			if name == "subject" {
				subjects++
				require.Equal(t, "Subject: "+smime.OuterSubject, line)
			}
		}
		require.Equal(t, 1, subjects)
	})
}

// FuzzUnseal asks that no CMS does anything but open or end in the one error,
// and that nothing makes more octets of fewer.
func FuzzUnseal(f *testing.F) {
	p, withRSA := samePeople(f)
	keys := []smime.Key{keyOf(p.reader), keyOf(withRSA)}
	for _, k := range keys {
		for _, c := range []smime.Config{{}, {GCM: true}, {RSA15: true}} {
			c.Roots = p.roots
			sealed := seal(f, newEncrypter(f, c), []byte("hello"), smime.Recipient{Address: gp, Certificate: k.Certificate})
			f.Add(sealed)
			f.Add(asBER(mathrand.New(mathrand.NewPCG(1, 2)), toDER(sealed)))
		}
	}
	d := newDecrypter(f, smime.DecryptConfig{Keys: keys, MaxBytes: 1 << 16})
	f.Fuzz(func(t *testing.T, cms []byte) {
		r, _, err := d.Unseal(bytes.NewReader(cms))
		var got []byte
		if err == nil {
			got, err = io.ReadAll(r)
		}
		if err != nil {
			if !errors.Is(err, smime.ErrTooLong) {
				requireUnreadable(t, err)
			}
		}
		require.LessOrEqual(t, len(got), len(cms))
	})
}

// FuzzOpen asks the same of a whole message, as it comes from a stranger.
func FuzzOpen(f *testing.F) {
	p, _ := samePeople(f)
	f.Add(p.send(f, smime.Config{GCM: true}, message))
	f.Add(p.send(f, smime.Config{Signer: p.signer()}, message))
	signed := p.signedAlone(f)
	f.Add(signed)
	f.Add(inMail([]byte("0\x80")))
	d := p.decrypter(f)
	f.Fuzz(func(t *testing.T, mail []byte) {
		m, err := d.Open(t.Context(), bytes.NewReader(mail))
		if err != nil {
			requireUnreadable(t, err)
			return
		}
		require.LessOrEqual(t, len(m.Body), len(mail))
		require.Equal(t, m.Encrypted || m.Signed(), m.Authenticated, "who signs and does not encrypt may be anyone")
		_, _, err = smime.ReadHeader(bytes.NewReader(m.Header))
		require.NoError(t, err)
	})
}

// signedAlone is a message that is signed and not encrypted: what stands inside
// the encryption of one that is both.
func (p people) signedAlone(t testing.TB) []byte {
	r, _, err := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}}).Unseal(bytes.NewReader(derOf(t, p.send(t, smime.Config{GCM: true, Signer: p.signer()}, message))))
	require.NoError(t, err)
	signed, err := io.ReadAll(r)
	require.NoError(t, err)
	return append([]byte("From: "+home+"\r\n"), signed...)
}

// FuzzParts walks what is inside. What is let through is in no deeper parts than
// the limit, as the standard library reads it.
func FuzzParts(f *testing.F) {
	p, _ := samePeople(f)
	_, inside, _ := strings.Cut(message, "Content-Type:")
	f.Add([]byte("Content-Type:" + inside))
	f.Add([]byte(nested(3)))
	f.Add([]byte("Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=\"b--\"\r\n\r\n--b--\r\n\r\nx\r\n--b----\r\n"))
	f.Add(p.signedAlone(f))
	d := p.decrypter(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := d.Open(t.Context(), bytes.NewReader(p.sealed(t, string(content))))
		if err != nil {
			requireUnreadable(t, err)
			return
		}
		require.True(t, bytes.Contains(content, m.Body))
		read, err := mail.ReadMessage(io.MultiReader(bytes.NewReader(m.Header), bytes.NewReader(m.Body)))
		if err == nil {
			require.LessOrEqual(t, depth(read.Header.Get("Content-Type"), read.Body, 200), 100)
		}
	})
}

// depth is how many parts are inside each other, up to most.
func depth(kind string, body io.Reader, most int) int {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || !strings.HasPrefix(media, "multipart/") || most == 0 {
		return 0
	}
	deepest := 0
	parts := multipart.NewReader(body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return deepest + 1
		}
		deepest = max(deepest, depth(part.Header.Get("Content-Type"), part, most-1))
	}
}

// samePeople have the same keys and names in every process that fuzzes: what
// one of them seals, all open.
func samePeople(f *testing.F) (p people, withRSA mailtest.Identity) {
	f.Helper()
	r := mathrand.NewChaCha8([32]byte([]byte("the same keys in every process!!")))
	ec := func() crypto.Signer {
		scalar := make([]byte, 32)
		_, _ = r.Read(scalar)
		scalar[0] &= 0x7f // below the order of P-256
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
		require.NoError(f, err)
		return key
	}
	prime := func() *big.Int {
		octets := make([]byte, 128)
		_, _ = r.Read(octets)
		octets[0] |= 0xc0
		octets[127] |= 3 // odd, and P-1 not divisible by 4
		n := new(big.Int).SetBytes(octets)
		for !n.ProbablyPrime(20) {
			n.Add(n, big.NewInt(4))
		}
		return n
	}
	one := big.NewInt(1)
	a, b := prime(), prime()
	phi := new(big.Int).Mul(new(big.Int).Sub(a, one), new(big.Int).Sub(b, one))
	rsaKey := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(a, b), E: 65537}, Primes: []*big.Int{a, b}}
	rsaKey.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	require.NoError(f, rsaKey.Validate())
	rsaKey.Precompute()

	root := mailtest.Identity{Key: ec()}
	ca := newCA(f)
	root.Certificate = reissued(f, *ca.Certificate, root.Key, mailtest.Identity{})
	p.roots = x509.NewCertPool()
	p.roots.AddCert(root.Certificate)
	certified := func(serial int64, s mailtest.Spec, key crypto.Signer) mailtest.Identity {
		template := *issue(f, ca, s).Certificate
		template.SerialNumber = big.NewInt(serial)
		return mailtest.Identity{Certificate: reissued(f, template, key, root), Key: key}
	}
	p.reader = certified(1, mailtest.Spec{Email: gp}, ec())
	p.sender = certified(2, mailtest.Spec{Email: home, KeyUsage: digitalSignature}, ec())
	return p, certified(3, mailtest.Spec{Email: gp, KeyUsage: x509.KeyUsageKeyEncipherment}, rsaKey)
}
