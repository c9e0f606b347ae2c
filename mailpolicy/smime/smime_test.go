// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const gp = "gp@practice.example"

func newCA(t testing.TB) *mailtest.CA {
	t.Helper()
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	return ca
}

func issue(t testing.TB, ca *mailtest.CA, s mailtest.Spec) mailtest.Identity {
	t.Helper()
	id, err := ca.Issue(s)
	require.NoError(t, err)
	return id
}

// reissued is a certificate like another one for this key, by another issuer,
// or by the key itself where that has no certificate.
func reissued(t testing.TB, like x509.Certificate, key crypto.Signer, by mailtest.Identity) *x509.Certificate {
	t.Helper()
	like.SignatureAlgorithm, like.PublicKey = x509.UnknownSignatureAlgorithm, key.Public()
	if by.Certificate == nil {
		by = mailtest.Identity{Certificate: &like, Key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &like, by.Certificate, key.Public(), by.Key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func newEncrypter(t testing.TB, c smime.Config) *smime.Encrypter {
	t.Helper()
	e, err := smime.New(c)
	require.NoError(t, err)
	return e
}

// opened is what openssl makes of a message.
func opened(t testing.TB, form string, message []byte, id mailtest.Identity) ([]byte, error) {
	t.Helper()
	openssl := need.Tool(t, "openssl")
	dir := t.TempDir()
	cert, key, err := id.PEM()
	require.NoError(t, err)
	for name, data := range map[string][]byte{"cert.pem": cert, "key.pem": key, "in": message} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	cmd := exec.Command(openssl, "cms", "-decrypt", "-inform", form, "-in", "in", "-recip", "cert.pem", "-inkey", "key.pem", "-out", "out", "-binary")
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("openssl: %w: %s", err, said)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	require.NoError(t, err)
	return out, nil
}

func content(n int) []byte {
	data := make([]byte, n)
	r := mathrand.NewChaCha8([32]byte{1})
	_, _ = r.Read(data)
	return data
}

func seal(t testing.TB, e *smime.Encrypter, data []byte, to ...smime.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := e.Seal(t.Context(), &b, to)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// Every kind of key, alone and together, by every way of encrypting, at every
// size around a block and a chunk.
func TestOpenSSLOpensIt(t *testing.T) {
	ca := newCA(t)
	kinds := map[string]mailtest.Identity{
		"rsa":     issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048}),
		"rsa3072": issue(t, ca, mailtest.Spec{Email: gp, RSABits: 3072}),
		"p256":    issue(t, ca, mailtest.Spec{Email: gp}),
		"p384":    issue(t, ca, mailtest.Spec{Email: gp, Curve: elliptic.P384()}),
	}
	var all []smime.Recipient
	for _, id := range kinds {
		all = append(all, smime.Recipient{Address: gp, Certificate: id.Certificate})
	}
	for _, c := range []smime.Config{{}, {RSA15: true}, {GCM: true}, {GCM: true, RSA15: true}} {
		c.Roots = ca.Roots()
		e := newEncrypter(t, c)
		for name, id := range kinds {
			t.Run(fmt.Sprintf("%s RSA15=%v GCM=%v", name, c.RSA15, c.GCM), func(t *testing.T) {
				got, err := opened(t, "DER", seal(t, e, []byte("hello"), smime.Recipient{Address: gp, Certificate: id.Certificate}), id)
				require.NoError(t, err)
				require.Equal(t, "hello", string(got))
				data := content(100_000)
				got, err = opened(t, "DER", seal(t, e, data, all...), id)
				require.NoError(t, err)
				require.True(t, bytes.Equal(data, got))
			})
		}
		for _, n := range []int{0, 1, 15, 16, 17, 64<<10 - 1, 64 << 10, 64<<10 + 1, 3 * 64 << 10} {
			data := content(n)
			got, err := opened(t, "DER", seal(t, e, data, smime.Recipient{Address: gp, Certificate: kinds["p256"].Certificate}), kinds["p256"])
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got), n)
		}
	}
}

// A piece of content longer than three octets can say.
func TestOpenSSLOpensALongOne(t *testing.T) {
	ca := newCA(t)
	id := issue(t, ca, mailtest.Spec{Email: gp})
	data := content(1<<24 + 1)
	for _, gcm := range []bool{false, true} {
		got, err := opened(t, "DER", seal(t, newEncrypter(t, smime.Config{Roots: ca.Roots(), GCM: gcm}), data, smime.Recipient{Address: gp, Certificate: id.Certificate}), id)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
	}
}

// However the content comes, and whatever its reader says of its length.
func TestGCMReadsFrom(t *testing.T) {
	p := newPeople(t)
	e := newEncrypter(t, smime.Config{Roots: p.roots, GCM: true, MaxGCMBytes: 300_000})
	data := content(300_000)
	name := filepath.Join(t.TempDir(), "content")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	file, err := os.Open(name)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	_, err = file.Seek(1000, io.SeekStart)
	require.NoError(t, err)
	for i, from := range []io.Reader{bytes.NewReader(data), file, liar{bytes.NewReader(data), 10}, liar{bytes.NewReader(data), 1 << 40}, liar{bytes.NewReader(data), -1}} {
		var b bytes.Buffer
		w, err := e.Seal(t.Context(), &b, []smime.Recipient{{Address: gp, Certificate: p.reader.Certificate}})
		require.NoError(t, err)
		_, err = io.Copy(w, struct{ io.Reader }{strings.NewReader("")})
		require.NoError(t, err)
		_, err = w.(io.ReaderFrom).ReadFrom(from)
		require.NoError(t, err)
		if i != 1 {
			_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
			require.ErrorIs(t, err, smime.ErrTooLong)
			require.ErrorIs(t, w.Close(), smime.ErrTooLong)
			continue
		}
		require.NoError(t, w.Close())
		_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
		require.Error(t, err, "after Close")
		r, _, err := p.decrypter(t).Unseal(&b)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[1000:], got))
	}
}

// liar says what length it likes.
type liar struct {
	io.Reader
	length int
}

func (l liar) Len() int { return l.length }

// What AES-GCM adds: an altered message is not opened.
func TestAlteredGCM(t *testing.T) {
	ca := newCA(t)
	id := issue(t, ca, mailtest.Spec{Email: gp})
	to := smime.Recipient{Address: gp, Certificate: id.Certificate}
	e := newEncrypter(t, smime.Config{Roots: ca.Roots(), GCM: true, MaxGCMBytes: 1000})
	sealed := seal(t, e, content(1000), to)
	for _, back := range []int{7, 30, 500} { // the tag, the content's end, its middle
		altered := bytes.Clone(sealed)
		altered[len(altered)-back] ^= 1
		_, err := opened(t, "DER", altered, id)
		require.Error(t, err, back)
	}
	w, err := e.Seal(t.Context(), io.Discard, []smime.Recipient{to})
	require.NoError(t, err)
	_, err = w.Write(content(1001))
	require.ErrorIs(t, err, smime.ErrTooLong)
	require.Equal(t, "mail.size", wardkey.RuleOf(err))
	require.ErrorIs(t, w.Close(), smime.ErrTooLong)
	var b bytes.Buffer
	require.NoError(t, e.Encrypt(t.Context(), &b, strings.NewReader("Subject: [secure] x\r\n\r\nhello\r\n"), []smime.Recipient{to}))
	require.Contains(t, b.String(), "smime-type=authEnveloped-data;")
	inside, err := opened(t, "SMIME", b.Bytes(), id)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(inside), "\r\n\r\nhello\r\n"))
}

func TestThreat049(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	e := newEncrypter(t, smime.Config{Roots: ca.Roots()})
	strict := newEncrypter(t, smime.Config{Roots: ca.Roots(), RequireEmailProtection: true})
	now := time.Now()
	for _, c := range []struct {
		name, why string
		by        *mailtest.CA
		spec      mailtest.Spec
	}{
		{"another address", "another address", ca, mailtest.Spec{Email: "evil@practice.example"}},
		{"no address", "another address", ca, mailtest.Spec{}},
		{"another domain", "another address", ca, mailtest.Spec{Email: "gp@practice.example.evil"}},
		{"for servers only", "not for e-mail", ca, mailtest.Spec{Email: gp, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}},
		{"for signing only", "not for encryption", ca, mailtest.Spec{Email: gp, KeyUsage: x509.KeyUsageDigitalSignature}},
		{"agreement on an RSA key", "not for encryption", ca, mailtest.Spec{Email: gp, RSABits: 2048, KeyUsage: x509.KeyUsageKeyAgreement}},
		{"RSA 1024", "too weak", ca, mailtest.Spec{Email: gp, RSABits: 1024}},
		{"P-224", "too weak", ca, mailtest.Spec{Email: gp, Curve: elliptic.P224()}},
		{"P-521", "not supported", ca, mailtest.Spec{Email: gp, Curve: elliptic.P521()}},
		{"another root", "not trusted", other, mailtest.Spec{Email: gp}},
		{"expired", "expired", ca, mailtest.Spec{Email: gp, NotAfter: now.Add(-time.Second)}},
		{"not valid yet", "not valid yet", ca, mailtest.Spec{Email: gp, NotBefore: now.Add(time.Hour)}},
		{"an authority", "authority", ca, mailtest.Spec{Email: gp, IsCA: true, KeyUsage: x509.KeyUsageKeyAgreement}},
	} {
		t.Run("threat049 "+c.name, func(t *testing.T) {
			t.Setenv("GODEBUG", "rsa1024min=0")
			id := issue(t, c.by, c.spec)
			err := e.Check(t.Context(), id.Certificate, gp)
			require.Equal(t, "mail.recipient.cert", wardkey.RuleOf(err))
			require.ErrorContains(t, err, c.why)
			var b bytes.Buffer
			to := []smime.Recipient{{Address: gp, Certificate: id.Certificate}}
			require.Error(t, e.Encrypt(t.Context(), &b, strings.NewReader("Subject: x\r\n\r\nx\r\n"), to))
			_, err = e.Seal(t.Context(), &b, to)
			require.Error(t, err)
			require.Zero(t, b.Len(), "nothing is written for a bad certificate")
		})
	}
	t.Run("threat049", func(t *testing.T) {
		require.Equal(t, "mail.recipient.nocert", wardkey.RuleOf(e.Check(t.Context(), nil, gp)))
		good := issue(t, ca, mailtest.Spec{Email: "GP@Practice.example"})
		require.NoError(t, e.Check(t.Context(), good.Certificate, gp))
		require.NoError(t, strict.Check(t.Context(), good.Certificate, gp))
		require.Error(t, e.Check(t.Context(), good.Certificate, "gp@practice.example "))
		kelvin := issue(t, ca, mailtest.Spec{Email: "k@practice.example"})
		require.Error(t, e.Check(t.Context(), kelvin.Certificate, "\u212a@practice.example"), "the Kelvin sign is no k")
		for _, spec := range []mailtest.Spec{{Email: gp, NoExtKeyUsage: true}, {Email: gp, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}} {
			id := issue(t, ca, spec)
			require.NoError(t, e.Check(t.Context(), id.Certificate, gp))
			require.ErrorContains(t, strict.Check(t.Context(), id.Certificate, gp), "not for e-mail")
		}
		for answer, no := range map[error]struct{ rule, why string }{
			errors.New("revoked on Monday"):               {"mail.recipient.cert", "it is revoked, or it can't be found out"},
			says("cert.revoked"):                          {"mail.recipient.cert", "because it is revoked."},
			says("cert.held"):                             {"mail.recipient.cert", "because it is on hold."},
			says("cert.unknown"):                          {"mail.recipient.cert", "it is revoked, or it can't be found out"},
			says("cert.status"):                           {"mail.recipient.status", "tries again"},
			fmt.Errorf("x: %w", context.DeadlineExceeded): {"mail.recipient.status", "tries again"},
			fmt.Errorf("x: %w", context.Canceled):         {"mail.recipient.status", "tries again"},
		} {
			asks := newEncrypter(t, smime.Config{Roots: ca.Roots(), Revoked: func(context.Context, *x509.Certificate) error { return answer }})
			err := asks.Check(t.Context(), good.Certificate, gp)
			require.ErrorIs(t, err, answer)
			var refusal *wardkey.Refusal
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, no.rule, refusal.Rule, "%v", answer)
			require.Contains(t, refusal.Public+strings.Join(refusal.Next, " "), no.why, "%v", answer)
			require.Equal(t, no.rule == "mail.recipient.status", refusal.Status >= 500, "only what waiting mends is tried again")
			require.NotContains(t, refusal.Public, "Monday")
			_, err = asks.Seal(t.Context(), io.Discard, []smime.Recipient{{Address: gp, Certificate: good.Certificate}})
			require.ErrorIs(t, err, answer)
		}
		// The last second counts, the one after does not.
		edge := issue(t, ca, mailtest.Spec{Email: gp})
		at := func(when time.Time) *smime.Encrypter {
			return newEncrypter(t, smime.Config{Roots: ca.Roots(), Now: func() time.Time { return when }})
		}
		require.NoError(t, at(edge.Certificate.NotAfter).Check(t.Context(), edge.Certificate, gp))
		require.ErrorContains(t, at(edge.Certificate.NotAfter.Add(time.Second)).Check(t.Context(), edge.Certificate, gp), "expired")
		// One bad recipient keeps the message from all.
		var b bytes.Buffer
		_, err := e.Seal(t.Context(), &b, []smime.Recipient{{Address: gp, Certificate: good.Certificate}, {Address: "x@y.example", Certificate: good.Certificate}})
		require.Error(t, err)
		require.Zero(t, b.Len())
		_, err = e.Seal(t.Context(), &b, nil)
		require.ErrorIs(t, err, smime.ErrNoRecipient)
	})
	t.Run("threat049 an authority between", func(t *testing.T) {
		between := issue(t, ca, mailtest.Spec{IsCA: true, KeyUsage: x509.KeyUsageCertSign, RSABits: 2048})
		like := issue(t, ca, mailtest.Spec{Email: gp})
		cert := reissued(t, *like.Certificate, like.Key, between)
		helpers := x509.NewCertPool()
		helpers.AddCert(between.Certificate)
		var asked []*x509.Certificate
		revoked := errors.New("the authority is revoked")
		c := smime.Config{Roots: ca.Roots(), Intermediates: helpers, Revoked: func(_ context.Context, c *x509.Certificate) error {
			asked = append(asked, c)
			if c.Equal(between.Certificate) {
				return revoked
			}
			return nil
		}}
		require.ErrorIs(t, newEncrypter(t, c).Check(t.Context(), cert, gp), revoked)
		require.Equal(t, []*x509.Certificate{cert, between.Certificate}, asked, "the root is trusted by itself")
		require.ErrorContains(t, e.Check(t.Context(), cert, gp), "not trusted", "without it in between")
		weak := issue(t, ca, mailtest.Spec{IsCA: true, KeyUsage: x509.KeyUsageCertSign, Curve: elliptic.P224()})
		cert = reissued(t, *like.Certificate, like.Key, weak)
		helpers.AddCert(weak.Certificate)
		require.ErrorContains(t, newEncrypter(t, c).Check(t.Context(), cert, gp), "not trusted", "over a weak key")
	})
	_, err := smime.New(smime.Config{})
	require.Error(t, err, "no roots is not all roots")
}

// says is an error that names its rule, as those of package pki do.
type says string

func (s says) Error() string { return "the authority: " + string(s) }
func (s says) Rule() string  { return string(s) }

const patient = "Mrs Jones"

var message = "Received: from a by b for <hidden@x.example>; Sun\r\nReturn-Path: <home@nhs.net>\r\n" +
	"From: Home <home@nhs.net>\r\nTo: GP\r\n <gp@practice.example>\r\nCc: a@nhs.net\r\nBcc: hidden@x.example\r\nResent-Bcc: hidden@y.example\r\n" +
	"Subject: [secure] " + patient + "\r\nThread-Topic: " + patient + "\r\nThread-Index: Adabc\r\nX-Ward: " + patient + "\r\nReferences: <about-" + "jones@x>\r\n" +
	"In-Reply-To: <about-jones@x>\r\nKeywords: " + patient + "\r\nComments: " + patient + "\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@nhs.net>\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\nContent-Description: " + patient + "\r\n\r\n" +
	"--b\r\nContent-Disposition: attachment; filename=\"" + patient + ".pdf\"\r\n\r\nShe is well. \xe9\r\n.\r\n--b--\r\n"

func TestThreat047And048(t *testing.T) {
	ca := newCA(t)
	id := issue(t, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	e := newEncrypter(t, smime.Config{Roots: ca.Roots()})
	var b bytes.Buffer
	require.NoError(t, e.Encrypt(t.Context(), &b, strings.NewReader(message), []smime.Recipient{{Address: gp, Certificate: id.Certificate}}))
	outer, body, _ := strings.Cut(b.String(), "\r\n\r\n")
	inside, err := opened(t, "SMIME", b.Bytes(), id)
	require.NoError(t, err)
	innerHeader, innerBody, _ := strings.Cut(string(inside), "\r\n\r\n")

	t.Run("threat048", func(t *testing.T) {
		for _, line := range strings.Split(outer, "\r\n") {
			name, _, _ := strings.Cut(line, ":")
			if !strings.HasPrefix(line, " ") {
				require.Contains(t, []string{"From", "To", "Cc", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}, name)
			}
		}
		require.NotContains(t, strings.ToLower(b.String()), "jones")
		require.Contains(t, outer, "To: GP\r\n <gp@practice.example>\r\n")
		for line := range strings.Lines(body) {
			require.LessOrEqual(t, len(line), 78)
			require.True(t, strings.HasSuffix(line, "\r\n"))
		}
	})
	t.Run("threat047", func(t *testing.T) {
		require.NotContains(t, b.String()+string(inside), "hidden")
		require.NotRegexp(t, "(?i)bcc", outer+innerHeader) // three letters that base64 has by chance
	})
	t.Run("row171", func(t *testing.T) {
		_, sent, _ := strings.Cut(message, "\r\n\r\n")
		require.Equal(t, sent, innerBody, "the body comes out byte for byte")
		for _, kept := range []string{"Subject: [secure] " + patient, "References: <about-jones@x>", "X-Ward: " + patient, "To: GP\r\n <gp@practice.example>"} {
			require.Contains(t, innerHeader, kept+"\r\n")
		}
		require.Contains(t, innerHeader, "Content-Type: multipart/mixed;\r\n boundary=\"b\";\r\n hp=\"cipher\"\r\n")
		require.Contains(t, innerHeader, "HP-Outer: Subject: [secure] [...]")
		require.Contains(t, innerHeader, "HP-Outer: Message-ID: <1@nhs.net>\r\n")
	})
}

func TestHeadersThatCannotBeRead(t *testing.T) {
	ca := newCA(t)
	to := []smime.Recipient{{Address: gp, Certificate: issue(t, ca, mailtest.Spec{Email: gp}).Certificate}}
	e := newEncrypter(t, smime.Config{Roots: ca.Roots()})
	for name, m := range map[string]string{
		"no end": "Subject: x\r\n", "no field": "hello\r\n\r\nx", "fold first": " x\r\n\r\n", "bare LF": "To: a\nBcc: b\r\n\r\n", "bare CR": "To: a\rBcc: b\r\n\r\n", "empty": "", "two types": "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
		"endless": strings.Repeat("X-A: b\r\n", smime.MaxHeaderBytes/7), "one endless line": "Subject: " + strings.Repeat("x", smime.MaxHeaderBytes) + "\r\n\r\n",
	} {
		var b bytes.Buffer
		err := e.Encrypt(t.Context(), &b, strings.NewReader(m), to)
		require.ErrorIs(t, err, smime.ErrHeader, name)
		var no *wardkey.Refusal
		require.ErrorAs(t, err, &no, name)
		endless := slices.Contains([]string{"no end", "empty", "endless", "one endless line"}, name)
		require.Equal(t, map[bool]string{true: "mail.form", false: "mail.secure.header"}[endless], no.Rule, name)
		require.NotContains(t, no.Public, "{", name)
		require.Zero(t, b.Len(), name)
	}
	broken := errors.New("broken")
	var b bytes.Buffer
	err := e.Encrypt(t.Context(), &b, io.MultiReader(strings.NewReader("Subject: x\r\n\r\nx"), failing{broken}), to)
	require.ErrorIs(t, err, broken)
	w, err := e.Seal(t.Context(), io.Discard, to)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, err = w.Write([]byte("x"))
	require.Error(t, err)
	w, err = e.Seal(t.Context(), &limited{n: 2000}, to)
	require.NoError(t, err)
	_, err = w.Write(content(1 << 20))
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.ErrorIs(t, w.Close(), io.ErrShortWrite)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type limited struct{ n int }

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}
