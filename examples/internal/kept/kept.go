// SPDX-License-Identifier: Apache-2.0

// Package kept writes the private files of the examples: their keys and what they
// say of themselves. A file stands under its name whole or not at all, and once a
// function has returned no loss of power takes it away again: what is sealed under a
// key must not outlive it.
//
//	secret, err := kept.First(filepath.Join(dir, "card-master"), fresh)
//	key, err := kept.Key("WARDKEY_MAILGATE_KEY", db+".key", db)
package kept

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Replace writes a file that only its user can read. What stood there before stays
// until the new one is whole.
func Replace(path string, data []byte) error { return write(path, data, os.Rename) }

// First writes such a file unless there is one, and returns what is in it: of several
// programs that start at once, all have the first one's.
func First(path string, fresh []byte) ([]byte, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- the operator's file
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	err = write(path, fresh, os.Link) // which, unlike a rename, fails when the name is taken
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path) // #nosec G304 -- the operator's file
}

// keyBytes is the length of a key.
const keyBytes = 32

// Key is 32 random bytes, in hexadecimal in the environment's variable, or else in a
// file, which the first start makes. sealed is the database file that the key is of, or
// "": where that is there and the key is not, the key is lost, and a new one would hide
// it. An error names the variable or the file and nothing that is in it.
func Key(variable, path, sealed string) ([]byte, error) {
	if text := os.Getenv(variable); text != "" {
		return parseKey([]byte(text), variable)
	}
	text, err := os.ReadFile(path) // #nosec G304 -- the operator's file
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := os.Stat(sealed); sealed != "" && there == nil {
			return nil, fmt.Errorf("%s has no key: put %s back, or %s; a new start needs another -db", sealed, path, variable)
		}
		fresh := FreshHex(keyBytes)
		defer clear(fresh)
		text, err = First(path, append(fresh, '\n'))
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return parseKey([]byte(strings.TrimSpace(string(text))), path)
}

func parseKey(text []byte, from string) ([]byte, error) {
	key := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(key, text); err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is no key: it has not %d hexadecimal digits", from, 2*keyBytes)
	}
	return key, nil
}

// Signer is the private key in a file (PKCS #8 in PEM), which fresh makes for the first
// start. A deployment keeps its own in an HSM.
func Signer(path string, fresh func() (crypto.Signer, error)) (crypto.Signer, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- the operator's file
	if errors.Is(err, fs.ErrNotExist) {
		text, err = firstSigner(path, fresh)
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	defer clear(block.Bytes)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok && err == nil {
		return signer, nil
	}
	return nil, fmt.Errorf("%s is damaged", path)
}

func firstSigner(path string, fresh func() (crypto.Signer, error)) ([]byte, error) {
	key, err := fresh()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(text)
	return First(path, text)
}

// FreshHex is n random bytes in hexadecimal.
func FreshHex(n int) []byte {
	raw := make([]byte, n)
	defer clear(raw)
	_, _ = rand.Read(raw) // crypto/rand.Read never fails
	return hex.AppendEncode(make([]byte, 0, 2*n+1), raw)
}

// write makes a file under a name of its own, which name then gives the right one.
func write(path string, data []byte, name func(from, to string) error) error {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, ".new-*") // for its user alone
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has its right name by then, or is no use
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(name(f.Name(), path), syncFolder(folder))
}

// syncFolder makes a new name as durable as what is under it. Windows does so by
// itself and lets no folder be opened for it.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path) // #nosec G304 -- the operator's folder
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
