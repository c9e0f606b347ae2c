// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const (
	keyVariable = "WARDKEY_MAILPORTAL_KEY"
	keyBytes    = 32
)

// deskKey is what the help desk's questions are kept under: nil for a database on
// a server where the environment has none.
func deskKey(db string) ([]byte, error) {
	if text := os.Getenv(keyVariable); text != "" {
		return decoded([]byte(text), keyVariable)
	}
	if strings.Contains(db, "://") {
		return nil, nil
	}
	path := db + ".key"
	text, err := os.ReadFile(path) // #nosec G304 -- the operator's file
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(path, db); err == nil {
			text, err = os.ReadFile(path) // #nosec G304 -- the operator's file
		}
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return decoded([]byte(strings.TrimSpace(string(text))), path)
}

// makeKey writes the first key. Where there is a database already its key is
// lost, and a new one would fit none of the answers in it.
func makeKey(path, db string) error {
	if _, err := os.Stat(db); err == nil {
		return fmt.Errorf("%s has no key: put %s back, or %s; a new start needs another -db", db, path, keyVariable)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the operator's file
	if err != nil {
		return err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand
	defer clear(key)
	_, err = fmt.Fprintf(f, "%x\n", key)
	return errors.Join(err, f.Sync(), f.Close())
}

func decoded(text []byte, from string) ([]byte, error) {
	key := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(key, text); err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is no key: it has not %d hexadecimal digits", from, 2*keyBytes)
	}
	return key, nil
}
