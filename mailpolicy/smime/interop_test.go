// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const (
	home             = "home@nhs.net"
	digitalSignature = x509.KeyUsageDigitalSignature
)

// bench is a folder with the keys and certificates of everyone, and openssl.
type bench struct {
	openssl, dir string
	ca           *mailtest.CA
	names        []string // of those who can be written to by openssl
	parties      map[string]mailtest.Identity
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ca, parties := everyone(t)
	b := &bench{openssl: need.Tool(t, "openssl"), dir: t.TempDir(), ca: ca, parties: maps.Clone(parties)}
	for name, id := range b.parties {
		if !strings.HasPrefix(name, "signer-") {
			b.names = append(b.names, name)
		}
		b.save(t, name, id)
	}
	slices.Sort(b.names)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.ca.Certificate.Raw})
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "root.pem"), root, 0o600))
	return b
}

// everyone has a key of each kind; large RSA keys take seconds to make.
var made struct {
	sync.Once
	ca      *mailtest.CA
	parties map[string]mailtest.Identity
}

func everyone(t *testing.T) (*mailtest.CA, map[string]mailtest.Identity) {
	t.Helper()
	made.Do(func() { made.ca, made.parties = makeEveryone(t) })
	return made.ca, made.parties
}

func makeEveryone(t *testing.T) (*mailtest.CA, map[string]mailtest.Identity) {
	ca := newCA(t)
	parties := map[string]mailtest.Identity{}
	for name, spec := range map[string]mailtest.Spec{
		"rsa2048": {RSABits: 2048}, "rsa3072": {RSABits: 3072}, "rsa4096": {RSABits: 4096},
		"p256": {}, "p384": {Curve: elliptic.P384()}, "p521": {Curve: elliptic.P521()},
		"signer-rsa2048": {RSABits: 2048}, "signer-rsa3072": {RSABits: 3072}, "signer-p256": {}, "signer-p384": {Curve: elliptic.P384()},
	} {
		spec.Email = gp
		if strings.HasPrefix(name, "signer-") {
			spec.Email, spec.KeyUsage = home, digitalSignature
		}
		parties[name] = issue(t, ca, spec)
	}
	return ca, parties
}

func (b *bench) save(t *testing.T, name string, id mailtest.Identity) {
	t.Helper()
	cert, key, err := id.PEM()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, name+".pem"), cert, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, name+".key"), key, 0o600))
}

// run gives openssl cms an input and returns its output.
func (b *bench) run(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(b.openssl, append([]string{"cms"}, args...)...)
	cmd.Dir, cmd.Stdin = b.dir, bytes.NewReader(in)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	require.NoError(t, cmd.Run(), "%v: %s", args, said.String())
	return out.Bytes()
}

// to are the arguments that encrypt for someone.
func to(name string, how ...string) []string {
	return append([]string{"-recip", name + ".pem"}, how...)
}

// crlf makes what openssl prints a message from home.
func crlf(printed []byte) []byte {
	return append([]byte("From: "+home+"\r\nTo: "+gp+"\r\nSubject: openssl's\r\n"), bytes.ReplaceAll(printed, []byte("\n"), []byte("\r\n"))...)
}

func newDecrypter(t testing.TB, c smime.DecryptConfig) *smime.Decrypter {
	t.Helper()
	d, err := smime.NewDecrypter(c)
	require.NoError(t, err)
	return d
}

func keyOf(id mailtest.Identity) smime.Key {
	return smime.Key{Certificate: id.Certificate, Private: id.Key}
}

// inMIME is what openssl signs and encrypts here: a MIME entity of more than
// one piece of a stream.
var inMIME = []byte("Content-Type: text/plain; charset=utf-8\r\n\r\nMrs Jones is well.\r\n" + strings.Repeat("0123456789abcdef\r\n", 4000))

const inside = "Mrs Jones is well.\r\n"

// What openssl makes, every kind of it, by every way we know.
func TestOpensWhatOpenSSLMakes(t *testing.T) {
	b := newBench(t)
	signed := b.signedContents(t)
	ciphers := []string{"default", "-des3", "-aes-128-cbc", "-aes-192-cbc", "-aes-256-cbc", "-aes-128-gcm", "-aes-192-gcm", "-aes-256-gcm"}
	for _, name := range b.names {
		ways := [][]string{
			to(name), to(name, "-keyopt", "rsa_padding_mode:oaep"), to(name+"-id", "-keyid", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"),
			to(name, "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha1"),
			to(name, "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha512"),
		}
		if strings.HasPrefix(name, "p") {
			ways = [][]string{to(name), to(name+"-id", "-keyid", "-keyopt", "ecdh_kdf_md:sha256"), to(name, "-keyopt", "ecdh_kdf_md:sha384"), to(name, "-keyopt", "ecdh_kdf_md:sha512"), to(name, "-keyopt", "ecdh_cofactor_mode:1")}
		}
		d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(b.parties[name]), keyOf(b.withKeyID(t, name))}, Roots: b.ca.Roots(), AcceptUnauthenticated: true})
		for i, way := range ways {
			for j, cipher := range ciphers {
				args := append([]string{"-encrypt", "-binary"}, way...)
				if cipher != "default" {
					args = append(args, cipher)
				}
				t.Run(fmt.Sprintf("%s way %d %s", name, i, cipher), func(t *testing.T) {
					for k, stream := range [][]string{nil, {"-stream"}} {
						b.bare(t, d, append(args, stream...))
						b.whole(t, d, signed[(i+j+k)%len(signed)], append(args, stream...)) // the signers in turn
					}
				})
			}
		}
	}
}

// One message of openssl's for everyone, which each opens with their own key.
func TestOpensWhatOpenSSLMakesForAll(t *testing.T) {
	b := newBench(t)
	for _, cipher := range []string{"-des3", "-aes-256-cbc", "-aes-256-gcm"} {
		args := []string{"-encrypt", "-binary", cipher, "-stream"}
		for _, name := range b.names {
			args = append(args, to(name)...)
		}
		for i := range 2 {
			if i == 1 {
				args = append(args, "-outform", "DER")
			}
			sealed := b.run(t, inMIME, args...)
			for _, name := range b.names {
				d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(b.parties[name])}, AcceptUnauthenticated: true})
				if i == 0 {
					m, err := d.Open(t.Context(), bytes.NewReader(crlf(sealed)))
					require.NoError(t, err, "%s %s", name, cipher)
					require.True(t, bytes.HasPrefix(m.Body, []byte(inside)))
					continue
				}
				r, _, err := d.Unseal(bytes.NewReader(sealed))
				require.NoError(t, err)
				got, err := io.ReadAll(r)
				require.NoError(t, err, "%s %s", name, cipher)
				require.True(t, bytes.Equal(inMIME, got))
			}
		}
	}
}

// bare opens openssl's message without MIME around it.
func (b *bench) bare(t *testing.T, d *smime.Decrypter, args []string) {
	t.Helper()
	r, authenticated, err := d.Unseal(bytes.NewReader(b.run(t, inMIME, append(args, "-outform", "DER")...)))
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(inMIME, got))
	require.Equal(t, strings.HasSuffix(args[len(args)-1], "gcm") || strings.HasSuffix(args[len(args)-2], "gcm"), authenticated)
}

// signedContent is what openssl made of inMIME; signer is "" for unsigned.
type signedContent struct {
	signer  string
	content []byte
}

func (b *bench) signedContents(t *testing.T) []signedContent {
	t.Helper()
	all := []signedContent{{"", inMIME}}
	for _, name := range []string{"signer-rsa2048", "signer-p256", "signer-rsa3072", "signer-p384"} {
		for _, form := range []string{"-binary", "-nodetach"} {
			all = append(all, signedContent{name, b.run(t, inMIME, "-sign", "-binary", form, "-cades", "-crlfeol", "-signer", name+".pem", "-inkey", name+".key")})
		}
	}
	return all
}

// withKeyID makes a certificate of someone's key that has a key identifier.
func (b *bench) withKeyID(t *testing.T, name string) mailtest.Identity {
	t.Helper()
	id := b.parties[name]
	template := *id.Certificate
	template.SubjectKeyId = []byte("the key of " + name)
	id.Certificate = reissued(t, template, id.Key, mailtest.Identity{})
	b.save(t, name+"-id", id)
	return id
}

func (b *bench) whole(t *testing.T, d *smime.Decrypter, s signedContent, args []string) {
	t.Helper()
	m, err := d.Open(t.Context(), bytes.NewReader(crlf(b.run(t, s.content, args...))))
	require.NoError(t, err, s.signer)
	require.True(t, m.Encrypted)
	require.True(t, bytes.HasPrefix(m.Body, []byte(inside)), "%.100q", m.Body)
	require.Contains(t, string(m.Header), "Subject: openssl's\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	require.Equal(t, s.signer != "", m.Signed())
	if m.Signed() {
		require.True(t, b.parties[s.signer].Certificate.Equal(m.Signatures[0].Certificate))
		require.False(t, m.Signatures[0].SignedAt.IsZero())
	}
}

// What others sign and don't encrypt.
func TestVerifiesWhatOpenSSLSigns(t *testing.T) {
	b := newBench(t)
	roots := b.ca.Roots()
	b.parties["signer-p256-id"] = b.withKeyID(t, "signer-p256")
	roots.AddCert(b.parties["signer-p256-id"].Certificate) // which it signed itself
	d := newDecrypter(t, smime.DecryptConfig{Roots: roots})
	for _, way := range [][]string{
		nil,
		{"-stream"},
		{"-nodetach"},
		{"-nodetach", "-stream"},
		{"-keyid"},
		{"-cades"},
		{"-cades", "-nodetach", "-md", "sha512"},
		{"-md", "sha512"},
		{"-md", "sha384", "-nodetach"},
		{"-certfile", "root.pem"},
		{"-signer", "signer-p384.pem", "-inkey", "signer-p384.key"},
		{"pss"},
		{"pss", "-keyopt", "rsa_pss_saltlen:32"},
	} {
		for name := range b.parties {
			if !strings.HasPrefix(name, "signer-") {
				continue
			}
			if slices.Contains(way, "pss") && !strings.Contains(name, "rsa") || slices.Contains(way, "-keyid") && !strings.HasSuffix(name, "-id") || slices.Contains(way, name+".pem") {
				continue
			}
			args := []string{"-sign", "-binary", "-signer", name + ".pem", "-inkey", name + ".key"}
			if slices.Contains(way, "pss") {
				args = append(append(args, "-keyopt", "rsa_padding_mode:pss"), way[1:]...)
			} else {
				args = append(args, way...)
			}
			signed := b.run(t, inMIME, append(args, "-crlfeol")...)
			m, err := d.Open(t.Context(), bytes.NewReader(append([]byte("From: "+home+"\r\n"), signed...)))
			require.NoError(t, err, args)
			require.True(t, m.Signed(), args)
			require.False(t, m.Encrypted)
			require.True(t, m.Authenticated)
			require.True(t, bytes.HasPrefix(m.Body, []byte(inside)))
		}
	}
	signed := b.run(t, inMIME, "-sign", "-binary", "-crlfeol", "-signer", "signer-p256.pem", "-inkey", "signer-p256.key")
	b.severalSign(t, roots)
	for _, from := range []string{"boss@nhs.net", "home@nhs.net, boss@nhs.net", "home@nhs.net\r\nFrom: home@nhs.net"} {
		m, err := d.Open(t.Context(), bytes.NewReader(append([]byte("From: "+from+"\r\n"), signed...)))
		require.NoError(t, err)
		require.False(t, m.Signed())
		require.ErrorIs(t, m.Signatures[0].Distrust, smime.ErrSigner)
	}
	for _, way := range [][]string{{"-md", "sha1"}, {"-noattr"}, {"-nocerts"}} {
		signed := b.run(t, inMIME, append([]string{"-sign", "-binary", "-crlfeol", "-signer", "signer-p256.pem", "-inkey", "signer-p256.key"}, way...)...)
		_, err := d.Open(t.Context(), bytes.NewReader(signed))
		require.ErrorIs(t, err, smime.ErrUnreadable, way)
	}
}

// severalSign: each of several signatures must hold, and there are eight at
// most.
func (b *bench) severalSign(t *testing.T, roots *x509.CertPool) {
	t.Helper()
	d := newDecrypter(t, smime.DecryptConfig{Roots: roots})
	args := []string{"-sign", "-binary", "-crlfeol", "-nodetach", "-signer", "signer-p384.pem", "-inkey", "signer-p384.key"}
	for n := 2; n <= 9; n++ {
		name := fmt.Sprintf("one%d", n)
		one := b.parties["signer-p256"]
		template := *one.Certificate
		template.SerialNumber = big.NewInt(int64(n))
		one.Certificate = reissued(t, template, one.Key, mailtest.Identity{})
		b.save(t, name, one)
		args = append(args, "-signer", name+".pem", "-inkey", name+".key")
		signed := append([]byte("From: "+home+"\r\n"), b.run(t, inMIME, args...)...)
		m, err := d.Open(t.Context(), bytes.NewReader(signed))
		if n == 9 {
			requireUnreadable(t, err)
			continue
		}
		require.NoError(t, err)
		require.Len(t, m.Signatures, n)
		require.False(t, m.Signed(), "only one is trusted")
	}
}

// What we make, every kind of it, opened and verified by openssl.
func TestOpenSSLOpensEverything(t *testing.T) {
	b := newBench(t)
	signers := map[string]*smime.Signer{"unsigned": nil}
	for name, id := range b.parties {
		if strings.HasPrefix(name, "signer-") {
			signers[name] = &smime.Signer{Certificate: id.Certificate, Key: id.Key}
		}
	}
	for _, c := range []smime.Config{{}, {RSA15: true}, {GCM: true}, {GCM: true, RSA15: true}} {
		for who, signer := range signers {
			c.Roots, c.Signer = b.ca.Roots(), signer
			e := newEncrypter(t, c)
			for _, name := range b.names {
				if name == "p521" { // is only read
					continue
				}
				t.Run(fmt.Sprintf("%s RSA15=%v GCM=%v %s", name, c.RSA15, c.GCM, who), func(t *testing.T) {
					id := b.parties[name]
					var sent bytes.Buffer
					require.NoError(t, e.Encrypt(t.Context(), &sent, strings.NewReader(message), []smime.Recipient{{Address: gp, Certificate: id.Certificate}}))
					content := b.run(t, sent.Bytes(), "-decrypt", "-recip", name+".pem", "-inkey", name+".key")
					if signer != nil {
						content = b.run(t, content, "-verify", "-cades", "-CAfile", "root.pem")
					}
					require.Contains(t, string(content), "Subject: [secure] "+patient+"\r\n")
					require.Contains(t, string(content), "\r\n\r\n--b\r\nContent-Disposition: attachment;")
					d := newDecrypter(t, smime.DecryptConfig{Keys: []smime.Key{keyOf(id)}, Roots: b.ca.Roots(), AcceptUnauthenticated: signer == nil && !c.GCM})
					m, err := d.Open(t.Context(), bytes.NewReader(sent.Bytes()))
					require.NoError(t, err)
					require.Equal(t, signer != nil, m.Signed())
					require.True(t, m.Encrypted)
					require.True(t, m.Protected)
					require.False(t, m.FromMismatch)
					require.Equal(t, signer != nil || c.GCM, m.Authenticated)
				})
			}
		}
	}
}
