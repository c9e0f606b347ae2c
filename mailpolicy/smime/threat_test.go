// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// opensOrNot wants an altered message to come out as it was (what was altered
// does not count, such as a version) or not at all.
func opensOrNot(t *testing.T, d *smime.Decrypter, altered []byte, want *smime.Message, what string) {
	t.Helper()
	m, err := d.Open(t.Context(), bytes.NewReader(inMail(altered)))
	if err != nil {
		requireUnreadable(t, err, what)
		require.Nil(t, m, what)
		return
	}
	require.Equal(t, want.Body, m.Body, what)
	require.Equal(t, want.Signed(), m.Signed(), what)
}

func TestThreat050(t *testing.T) {
	p := newPeople(t)
	d := p.decrypter(t)
	refused := func(t *testing.T, content string) {
		t.Helper()
		m, err := d.Open(t.Context(), bytes.NewReader(p.sealed(t, content)))
		requireUnreadable(t, err, "%.200q", content)
		require.Nil(t, m)
	}
	t.Run("threat050", func(t *testing.T) {
		t.Run("every octet altered", func(t *testing.T) {
			for _, c := range []smime.Config{{GCM: true}, {Signer: p.signer()}} {
				der := derOf(t, p.send(t, c, message))
				want, err := d.Open(t.Context(), bytes.NewReader(inMail(der)))
				require.NoError(t, err)
				for i := range der {
					altered := bytes.Clone(der)
					altered[i] ^= 1 << (i % 8)
					opensOrNot(t, d, altered, want, fmt.Sprintf("octet %d of %d", i, len(der)))
				}
				for i := 0; i+32 <= len(der); i += 16 { // blocks that change places
					altered := bytes.Clone(der)
					copy(altered[i:], der[i+16:i+32])
					copy(altered[i+16:], der[i:i+16])
					opensOrNot(t, d, altered, want, fmt.Sprintf("blocks at %d", i))
				}
			}
		})
		t.Run("CBC without a signature", func(t *testing.T) {
			mail := p.send(t, smime.Config{}, message)
			_, err := d.Open(t.Context(), bytes.NewReader(mail))
			requireUnreadable(t, err, "nothing shows that it was not altered")
			lax := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}, AcceptUnauthenticated: true})
			m, err := lax.Open(t.Context(), bytes.NewReader(mail))
			require.NoError(t, err)
			require.False(t, m.Authenticated)
		})
		t.Run("multipart 10k deep", func(t *testing.T) {
			refused(t, nested(10_000))
			refused(t, nested(101))
			_, err := d.Open(t.Context(), bytes.NewReader(p.sealed(t, nested(100))))
			require.NoError(t, err, "Postfix lets that through")
			parts := func(n int) string {
				return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", n) + "--b--\r\n"
			}
			refused(t, parts(10_001))
			_, err = d.Open(t.Context(), bytes.NewReader(p.sealed(t, parts(10_000))))
			require.NoError(t, err)
			// Millions of boundaries in one line: each looked at by itself, not with the rest of the line.
			refused(t, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n"+strings.Repeat("--b", 10<<20))
			refused(t, strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 10_000))
			refused(t, strings.Repeat("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n", 10_000))
		})
		t.Run("charset that compresses", func(t *testing.T) {
			for _, charset := range []string{"SCSU", "BOCU-1", "utf-7", "x-gzip", "zip", "\"utf-8; x\""} {
				refused(t, "Content-Type: text/plain; charset="+charset+"\r\n\r\nx\r\n")
				refused(t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset="+charset+"\r\n\r\nx\r\n--b--\r\n")
			}
			for _, how := range []string{"gzip", "x-zip", "x-uuencode", "base64\r\nContent-Transfer-Encoding: 7bit"} {
				refused(t, "Content-Type: text/plain\r\nContent-Transfer-Encoding: "+how+"\r\n\r\nx\r\n")
			}
			compressed := el(0x30, oidOf("1.2.840.113549.1.9.16.1.9"), el(0xa0, el(0x30))) // CompressedData
			refused(t, "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString(compressed))
			for _, charset := range []string{"us-ascii", "UTF-8", "iso-8859-1", "windows-1252", "cp1252", "utf-16", "gb18030", "iso-2022-jp", "koi8-r"} {
				_, err := d.Open(t.Context(), bytes.NewReader(p.sealed(t, "Content-Type: text/plain; charset="+charset+"\r\n\r\nx\r\n")))
				require.NoError(t, err, charset)
			}
		})
		t.Run("35 MB", func(t *testing.T) { swollen(t, p, d) })
	})
}

// nested is a part inside n multiparts.
func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("\r\nx\r\n")
	for i := n - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\r\n", i)
	}
	return b.String()
}

// swollen opens messages of 35 MB, good and bad, and looks at the memory.
func swollen(t *testing.T, p people, d *smime.Decrypter) {
	dir := t.TempDir()
	for name, c := range map[string]smime.Config{"GCM": {GCM: true}, "CBC, signed": {Signer: p.signer()}} {
		c.Roots = p.roots
		file := filepath.Join(dir, "mail")
		out, err := os.Create(file)
		require.NoError(t, err)
		_, m := newWatched("From: "+home+"\r\n\r\n", largest)
		require.NoError(t, newEncrypter(t, c).Encrypt(t.Context(), out, m, []smime.Recipient{{Address: gp, Certificate: p.reader.Certificate}}))
		require.NoError(t, out.Close())
		for _, altered := range []bool{false, true} {
			in, err := os.OpenFile(file, os.O_RDWR, 0)
			require.NoError(t, err)
			if altered {
				_, err = in.WriteAt([]byte("AAAA"), 20<<20)
				require.NoError(t, err)
			}
			w, _ := newWatched("", 0)
			opened, err := d.Open(t.Context(), w.reading(in))
			w.look()
			require.NoError(t, in.Close())
			require.Less(t, w.took(), uint64(3*largest), "%s", name)
			if altered {
				requireUnreadable(t, err)
				require.Nil(t, opened)
				continue
			}
			require.NoError(t, err, name)
			require.Len(t, opened.Body, largest)
		}
	}
	// One octet a piece: sixteen times the octets of the message on the wire must not be as many in memory.
	key := seal(t, newEncrypter(t, smime.Config{Roots: p.roots, GCM: true}), content(1<<20), smime.Recipient{Address: gp, Certificate: p.reader.Certificate})
	r, _, err := d.Unseal(bytes.NewReader(asBER(mathrand.New(mathrand.NewPCG(1, 2)), toDER(key))))
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content(1<<20), got))
	small := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}, MaxBytes: 1<<20 - 1})
	_, _, err = small.Unseal(bytes.NewReader(key))
	require.ErrorIs(t, err, smime.ErrTooLong)
	require.Equal(t, "mail.size", wardkey.RuleOf(err))
	_, _, err = newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(p.reader)}, MaxBytes: 1 << 20}).Unseal(bytes.NewReader(key))
	require.NoError(t, err, "the limit is a length that is still good")
}

func (w *watched) reading(r io.Reader) io.Reader { return lookingReader{w, r} }

type lookingReader struct {
	w *watched
	r io.Reader
}

func (l lookingReader) Read(p []byte) (int, error) {
	l.w.look()
	return l.r.Read(p)
}

// Structures that two readers see differently, and layers without end.
func TestStructuresAreRefused(t *testing.T) {
	p := newPeople(t)
	d := p.decrypter(t)
	for name, content := range map[string]string{
		"nothing":                  "",
		"no end of the header":     "Content-Type: text/plain\r\n",
		"two types":                "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx",
		"no boundary":              "Content-Type: multipart/mixed\r\n\r\nx",
		"a long boundary":          "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 71) + "\r\n\r\nx",
		"base64 around parts":      "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\nx",
		"one boundary twice":       "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"an end that begins":       "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=\"b--\"\r\n\r\n--b--\r\n\r\nx\r\n",
		"a part's header":          "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno field\r\n\r\nx\r\n--b--\r\n",
		"a part's header, no end":  "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n",
		"a part's endless header":  "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: " + strings.Repeat("x", smime.MaxHeaderBytes) + "\r\n\r\nx\r\n--b--\r\n",
		"a broken type of a whole": "Content-Type: multipart/mixed; boundary=b; boundary=c\r\n\r\n--b\r\n\r\n--b--\r\n",
		"signed, one part":         "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"signed, three parts":      "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\nx\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"signed by nothing":        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nx\r\n--b--\r\n",
		"no CMS":                   "Content-Type: application/pkcs7-mime\r\n\r\nx",
		"CMS in quoted-printable":  "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx",
	} {
		_, err := d.Open(t.Context(), bytes.NewReader(p.sealed(t, content)))
		requireUnreadable(t, err, name)
	}
	for name, mail := range map[string]string{"neither": "From: a@b.example\r\n\r\nhello\r\n", "no header": "hello", "empty": "", "LF alone": "From: a\n\nx"} {
		_, err := d.Open(t.Context(), strings.NewReader(mail))
		requireUnreadable(t, err, name)
	}
	layers := []byte("Content-Type: text/plain\r\n\r\nhello\r\n")
	e := newEncrypter(t, smime.Config{Roots: p.roots, GCM: true})
	for n := range 5 {
		layers = inMail(seal(t, e, layers, smime.Recipient{Address: gp, Certificate: p.reader.Certificate}))
		_, err := d.Open(t.Context(), bytes.NewReader(layers))
		require.Equal(t, n < 3, err == nil, "%d layers", n+1)
	}
	requireUnreadable(t, deep(d, 33))
	requireUnreadable(t, deep(d, 100_000))
}

// deep opens elements inside elements.
func deep(d *smime.Decrypter, n int) error {
	_, _, err := d.Unseal(bytes.NewReader(bytes.Repeat([]byte{0x30, 0x80}, n)))
	return err
}

// A card's key signs, in a SoftHSM that behaves like a card, and never leaves
// it; openssl verifies.
func TestACardSigns(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	b := newBench(t)
	reader := b.parties["p256"]
	signed := 0
	var personal cardtest.Personal
	// Certify gets the card's own keys while the card is signed in.
	withKeys(&personal.Certify, func(keys []crypto.Signer) {
		for _, key := range keys {
			cert := reissued(t, *b.parties["signer-p256"].Certificate, key, mailtest.Identity{})
			roots := b.ca.Roots() // and the certificate, which its key signed itself
			roots.AddCert(cert)
			e := newEncrypter(t, smime.Config{Roots: roots, GCM: true, Signer: &smime.Signer{Certificate: cert, Key: key}})
			var mail bytes.Buffer
			require.NoError(t, e.Encrypt(t.Context(), &mail, strings.NewReader(message), []smime.Recipient{{Address: gp, Certificate: reader.Certificate}}))
			m, err := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(reader)}, Roots: roots}).Open(t.Context(), bytes.NewReader(mail.Bytes()))
			require.NoError(t, err)
			require.True(t, m.Signed())
			require.True(t, m.Signatures[0].Certificate.Equal(cert))
			signed++
			pemOf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
			require.NoError(t, os.WriteFile(filepath.Join(b.dir, "card.pem"), pemOf, 0o600))
			content := b.run(t, mail.Bytes(), "-decrypt", "-recip", "p256.pem", "-inkey", "p256.key")
			require.Contains(t, string(b.run(t, content, "-verify", "-CAfile", "card.pem")), patient)
		}
	})
	_, err := tray.Personalised(0, personal)
	require.NoError(t, err)
	require.NotZero(t, signed)
}

// withKeys sets a function that certifies nothing and lends the keys. The type
// of a card's key is another room's, and stays there.
func withKeys[K crypto.Signer](certify *func([]K) ([]*x509.Certificate, error), lend func([]crypto.Signer)) {
	*certify = func(keys []K) ([]*x509.Certificate, error) {
		var all []crypto.Signer
		for _, k := range keys {
			all = append(all, k)
		}
		lend(all)
		return nil, nil
	}
}
