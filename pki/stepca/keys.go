// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.step.sm/crypto/pemutil"
)

// KeySource is where a CA's key lives. Key returns the key of that name ("root"
// or "issuing") and makes it when there is none; it never replaces one. Open calls
// it for a key whose certificate exists, too, where Files and PKCS11 make none. If the
// signer is an io.Closer, Authority.Close closes it. Memory, Files, PKCS11 and
// Held are the ones here.
type KeySource interface {
	Key(ctx context.Context, name string) (crypto.Signer, error)
}

// Memory makes a P-256 key that ends with the process: for tests and demos.
type Memory struct{}

// Key implements KeySource.
func (Memory) Key(context.Context, string) (crypto.Signer, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// Held is a key that someone else holds, behind a crypto.Signer.
type Held struct{ Signer crypto.Signer }

// Key implements KeySource.
func (h Held) Key(context.Context, string) (crypto.Signer, error) {
	if h.Signer == nil {
		return nil, errors.New("stepca: Held has no signer")
	}
	return h.Signer, nil
}

// Files keeps P-256 keys as name.key in a directory, PKCS #8 encrypted under a
// passphrase (RFC 5958 §3, PBES2). A key that stands there in clear is refused.
type Files struct {
	Dir string
	// Passphrase is called once for each key that is read or made, and its
	// result is cleared after use: return a fresh copy each time. One with a
	// zero byte is refused, since that is what a cleared slice holds. At least
	// 12 bytes are asked of a new one.
	Passphrase func() ([]byte, error)
}

const minPassphrase = 12

// encryptedKey is the label of an EncryptedPrivateKeyInfo. RFC 7468 §11.
const encryptedKey = "ENCRYPTED PRIVATE KEY"

// keyFinder is a KeySource that can also look for a key and make none: where its
// certificate exists, a new key would be in the way of the right one.
type keyFinder interface {
	find(ctx context.Context, name string) (crypto.Signer, error)
}

// Key implements KeySource.
func (f Files) Key(_ context.Context, name string) (crypto.Signer, error) {
	return f.key(name, makeKeyFile)
}

func (f Files) find(_ context.Context, name string) (crypto.Signer, error) {
	return f.key(name, func(path string, _ []byte) error {
		return fmt.Errorf("stepca: %s is missing, and its certificate is not", path)
	})
}

// key opens a key, which absent makes, or doesn't, when there is none.
func (f Files) key(name string, absent func(path string, passphrase []byte) error) (crypto.Signer, error) {
	if f.Passphrase == nil {
		return nil, errors.New("stepca: Files needs a Passphrase")
	}
	passphrase, err := f.Passphrase()
	if err != nil {
		return nil, fmt.Errorf("stepca: passphrase: %w", err)
	}
	defer clear(passphrase)
	if len(passphrase) == 0 {
		return nil, errors.New("stepca: the passphrase is empty")
	}
	if slices.Contains(passphrase, 0) {
		return nil, errors.New("stepca: the passphrase has a zero byte: it is cleared after use, so Passphrase must return a fresh copy each time")
	}
	path := filepath.Join(f.Dir, name+".key")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := absent(path, passphrase); err != nil {
			return nil, err
		}
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	// What stands there in clear would open under any passphrase.
	if block, _ := pem.Decode(data); block == nil || block.Type != encryptedKey {
		return nil, fmt.Errorf("stepca: %s holds no encrypted private key (%s): a key in clear is refused", path, encryptedKey)
	}
	key, err := pemutil.ParseKey(data, pemutil.WithPassword(passphrase))
	if err != nil {
		return nil, fmt.Errorf("stepca: %s can't be opened with this passphrase", path)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("stepca: %s holds no private key", path)
	}
	return signer, nil
}

func makeKeyFile(path string, passphrase []byte) error {
	if len(passphrase) < minPassphrase {
		return fmt.Errorf("stepca: a passphrase has at least %d bytes", minPassphrase)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	block, err := pemutil.Serialize(key, pemutil.WithPKCS8(true), pemutil.WithPassword(passphrase))
	if err != nil {
		return fmt.Errorf("stepca: %w", err)
	}
	return createDurably(path, pem.EncodeToMemory(block), 0o600)
}
