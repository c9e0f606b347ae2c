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
	keyVariable = "WARDKEY_MAILGATE_KEY"
	keyBytes    = 32
)

// spoolKey is the key of the mail in a database, made where an SQLite file has
// none yet.
func spoolKey(db string) ([]byte, error) {
	if text := os.Getenv(keyVariable); text != "" {
		return parseKey([]byte(text), keyVariable)
	}
	if strings.Contains(db, "://") {
		return nil, fmt.Errorf("a database on a server needs its key in %s: %d random bytes in hexadecimal, such as from openssl rand -hex %d", keyVariable, keyBytes, keyBytes)
	}
	path := db + ".key"
	text, err := os.ReadFile(path) // #nosec G304 -- the operator's file
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path, db)
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return parseKey([]byte(strings.TrimSpace(string(text))), path)
}

// makeKey writes a new key, durable before any mail is sealed with it. Where
// there is a database already, its key is lost: a new one would hide that.
func makeKey(path, db string) ([]byte, error) {
	if _, err := os.Stat(db); err == nil {
		return nil, fmt.Errorf("%s has no key: put %s back, or %s; a new start needs another -db", db, path, keyVariable)
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key)                                                 // crypto/rand.Read never fails
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the operator's file
	if err != nil {
		return nil, err
	}
	text := append(hex.AppendEncode(nil, key), '\n')
	defer clear(text)
	_, err = f.Write(text)
	return key, errors.Join(err, f.Sync(), f.Close())
}

func parseKey(text []byte, from string) ([]byte, error) {
	key := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(key, text); err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is no key: it has not %d hexadecimal digits", from, 2*keyBytes)
	}
	return key, nil
}
