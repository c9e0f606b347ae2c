// SPDX-License-Identifier: Apache-2.0

package stepca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

var start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func now() time.Time { return start }

func passphrase() ([]byte, error) { return []byte("correct horse battery"), nil }

// working checks that an authority can issue.
func working(t *testing.T, a *stepca.Authority) {
	t.Helper()
	p, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org"})
	require.NoError(t, err)
	ca, err := pki.New(pki.Config{Signer: a, Chain: a.Chain(), Ledger: &pkitest.Memory{}, Profile: p, Now: now})
	require.NoError(t, err)
	_, csrs, err := pkitest.Requests()
	require.NoError(t, err)
	certs, err := ca.Issue(t.Context(), "act", pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs)
	require.NoError(t, err)
	require.NoError(t, ca.Verify(t.Context(), certs[0]))
	_, err = ca.Due(t.Context())
	require.NoError(t, err)
}

func TestHierarchy(t *testing.T) {
	a, err := stepca.Open(t.Context(), stepca.Config{Now: now, Organization: "Example Trust", RootName: "R", IssuingName: "I"})
	require.NoError(t, err)
	working(t, a)
	issuing, root := a.Chain()[0], a.Chain()[1]
	require.Equal(t, "CN=I,O=Example Trust", issuing.Subject.String())
	require.Equal(t, "CN=R,O=Example Trust", root.Subject.String())
	require.Equal(t, start.AddDate(20, 0, 0).Add(-time.Second), issuing.NotAfter)
	require.Equal(t, start.AddDate(30, 0, 0).Add(-time.Second), root.NotAfter)
	require.True(t, issuing.IsCA && issuing.MaxPathLenZero)
	require.True(t, root.IsCA && !root.MaxPathLenZero)
	require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, issuing.KeyUsage)
	require.Equal(t, root.SubjectKeyId, issuing.AuthorityKeyId)
	require.NoError(t, a.Close())
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	config := stepca.Config{Dir: dir, Passphrase: passphrase, Now: now}
	first, err := stepca.Open(t.Context(), config)
	require.NoError(t, err)
	working(t, first)
	again, err := stepca.Open(t.Context(), config)
	require.NoError(t, err)
	working(t, again)
	require.Equal(t, first.Chain()[0].Raw, again.Chain()[0].Raw)

	t.Run("encrypted and private", func(t *testing.T) {
		for _, name := range []string{"root.key", "issuing.key"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Contains(t, string(data), "BEGIN ENCRYPTED PRIVATE KEY")
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
		}
	})
	t.Run("asked for once, and cleared", func(t *testing.T) {
		same, asked := []byte("given out twice by mistake"), 0
		config := stepca.Config{Dir: t.TempDir(), Now: now, Passphrase: func() ([]byte, error) {
			asked++
			return same, nil
		}}
		a, err := stepca.Open(t.Context(), config)
		require.NoError(t, err)
		working(t, a)
		require.Equal(t, 1, asked)
		require.Equal(t, make([]byte, len(same)), same)
		_, err = stepca.Open(t.Context(), config)
		require.ErrorContains(t, err, "fresh copy")
	})
	t.Run("an empty passphrase", func(t *testing.T) {
		clear := t.TempDir()
		for _, name := range []string{"root", "issuing"} {
			data, err := os.ReadFile(filepath.Join(dir, name+".crt"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(clear, name+".crt"), data, 0o600))
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(clear, "issuing.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
		for _, empty := range [][]byte{nil, {}} {
			for _, in := range []string{dir, clear, t.TempDir()} {
				_, err := stepca.Open(t.Context(), stepca.Config{Dir: in, Passphrase: func() ([]byte, error) { return empty, nil }, Now: now})
				require.ErrorContains(t, err, "empty")
			}
		}
	})
	t.Run("a key in clear", func(t *testing.T) {
		// Another's key that took the place of the root's would sign with any passphrase.
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		sec1, err := x509.MarshalECPrivateKey(key)
		require.NoError(t, err)
		in := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
		encrypted, err := os.ReadFile(filepath.Join(dir, "root.key"))
		require.NoError(t, err)
		for name, data := range map[string][]byte{
			"PKCS #8": in("PRIVATE KEY", pkcs8), "SEC 1": in("EC PRIVATE KEY", sec1), "in clear before the encrypted one": append(in("PRIVATE KEY", pkcs8), encrypted...),
			"not a PEM": []byte("nothing"), "empty": {}, "in clear under the other's label": in("ENCRYPTED PRIVATE KEY", pkcs8),
		} {
			clear := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(clear, "root.key"), data, 0o600), name)
			_, err := stepca.Open(t.Context(), stepca.Config{Dir: clear, Passphrase: passphrase, Now: now})
			require.ErrorContains(t, err, "root.key", name)
			_, err = stepca.Files{Dir: clear, Passphrase: passphrase}.Key(t.Context(), "root")
			require.ErrorContains(t, err, "root.key", name)
		}
	})
	t.Run("wrong passphrase", func(t *testing.T) {
		wrong := config
		wrong.Passphrase = func() ([]byte, error) { return []byte("something else entirely"), nil }
		_, err := stepca.Open(t.Context(), wrong)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "something else")
		wrong.Passphrase = func() ([]byte, error) { return nil, errors.New("nobody is there") }
		_, err = stepca.Open(t.Context(), wrong)
		require.Error(t, err)
		wrong.Passphrase = nil
		_, err = stepca.Open(t.Context(), wrong)
		require.Error(t, err)
		wrong.Dir, wrong.Passphrase = t.TempDir(), func() ([]byte, error) { return []byte("short"), nil }
		_, err = stepca.Open(t.Context(), wrong)
		require.Error(t, err)
	})
	t.Run("a key that is gone is not made again", func(t *testing.T) {
		for gone, alone := range map[string][]string{"issuing.key": nil, "root.key": {"issuing.crt", "issuing.key"}} {
			dir := t.TempDir()
			made, err := stepca.Open(t.Context(), stepca.Config{Dir: dir, Passphrase: passphrase, Now: now})
			require.NoError(t, err)
			require.NoError(t, made.Close())
			for _, name := range append(alone, gone) {
				require.NoError(t, os.Remove(filepath.Join(dir, name)))
			}
			_, err = stepca.Open(t.Context(), stepca.Config{Dir: dir, Passphrase: passphrase, Now: now})
			require.ErrorContains(t, err, gone)
			require.NoFileExists(t, filepath.Join(dir, gone), "one that a backup would stumble over")
		}
	})
	t.Run("the root's key may be gone", func(t *testing.T) {
		require.NoError(t, os.Rename(filepath.Join(dir, "root.key"), filepath.Join(dir, "elsewhere")))
		offline, err := stepca.Open(t.Context(), config)
		require.NoError(t, err)
		working(t, offline)
		require.NoError(t, os.Rename(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "root.key")))
	})
	t.Run("one key for both", func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		_, err = stepca.Open(t.Context(), stepca.Config{RootKey: stepca.Held{Signer: key}, IssuingKey: stepca.Held{Signer: key}, Now: now})
		require.ErrorContains(t, err, "one key")
	})
	t.Run("other key", func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		other := config
		other.IssuingKey = stepca.Held{Signer: key}
		_, err = stepca.Open(t.Context(), other)
		require.Error(t, err)
		_, err = stepca.New(first.Chain(), key)
		require.Error(t, err)
	})
}

// plainFiles keeps keys in clear: no passphrase to derive from in each of many
// openings.
type plainFiles struct{ dir string }

func (p plainFiles) Key(_ context.Context, name string) (crypto.Signer, error) {
	path := filepath.Join(p.dir, name+".key")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		if data, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			return nil, err
		}
		return key, os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(data)
	if err != nil {
		return nil, err
	}
	return key.(crypto.Signer), nil
}

// A crash leaves what was made up to some file; going on from there never makes
// another root, and ends the same.
func TestResume(t *testing.T) {
	full := t.TempDir()
	in := func(dir string) stepca.Config {
		return stepca.Config{Dir: dir, RootKey: plainFiles{dir}, IssuingKey: plainFiles{dir}, Now: now}
	}
	config := in(full)
	first, err := stepca.Open(t.Context(), config)
	require.NoError(t, err)
	order := []string{"root.key", "root.crt", "issuing.key", "issuing.crt"}
	for made := range len(order) + 1 {
		t.Run(fmt.Sprint(made), func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range order[:made] {
				data, err := os.ReadFile(filepath.Join(full, name))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
			}
			resumed := in(dir)
			a, err := stepca.Open(t.Context(), resumed)
			require.NoError(t, err)
			working(t, a)
			for _, name := range order[:made] {
				before, err := os.ReadFile(filepath.Join(full, name))
				require.NoError(t, err)
				after, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				require.True(t, bytes.Equal(before, after), name)
			}
			if made >= 2 {
				require.Equal(t, first.Chain()[1].Raw, a.Chain()[1].Raw)
			}
			left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
	t.Run("no root", func(t *testing.T) {
		dir := t.TempDir()
		data, err := os.ReadFile(filepath.Join(full, "issuing.crt"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "issuing.crt"), data, 0o600))
		resumed := in(dir)
		_, err = stepca.Open(t.Context(), resumed)
		require.Error(t, err)
		require.NoFileExists(t, filepath.Join(dir, "root.crt"))
	})
	t.Run("two roots", func(t *testing.T) {
		dir := t.TempDir()
		other, err := stepca.Open(t.Context(), stepca.Config{Now: now})
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(full, "issuing.crt"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "issuing.crt"), data, 0o600))
		root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Chain()[1].Raw})
		require.NoError(t, os.WriteFile(filepath.Join(dir, "root.crt"), root, 0o600))
		resumed := in(dir)
		_, err = stepca.Open(t.Context(), resumed)
		require.Error(t, err)
	})
}

func TestSignerDecidesNothing(t *testing.T) {
	a, err := stepca.Open(t.Context(), stepca.Config{Now: now})
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, template := range []*x509.Certificate{
		{NotBefore: start, NotAfter: start}, {SerialNumber: a.Chain()[0].SerialNumber, NotAfter: start}, {SerialNumber: a.Chain()[0].SerialNumber, NotBefore: start},
	} {
		_, err := a.SignCertificate(context.Background(), template, key.Public())
		require.Error(t, err)
	}
}

func Example() {
	ctx := context.Background()
	authority, err := stepca.Open(ctx, stepca.Config{Organization: "Example Trust", IssuingName: "Example Issuing CA"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer authority.Close()
	for _, cert := range authority.Chain() {
		fmt.Println(cert.Subject)
	}
	// Output:
	// CN=Example Issuing CA,O=Example Trust
	// CN=Wardkey Root CA,O=Example Trust
}
