// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	keyVariable = "WARDKEY_MAILGATE_KEY"
	keyBytes    = 32
)

// onServer says that a database is not a file.
func onServer(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

// fileOf is the name of an SQLite database, which may be written as a URL too.
func fileOf(db string) string {
	for _, scheme := range []string{"sqlite:", "sqlite3:", "file:"} {
		if name, ok := strings.CutPrefix(db, scheme); ok {
			return strings.TrimPrefix(name, "//")
		}
	}
	return db
}

// spoolKey is the key of the mail in a database, made where there is none yet.
func spoolKey(db string) ([]byte, error) {
	if text := os.Getenv(keyVariable); text != "" {
		return parseKey([]byte(text), keyVariable)
	}
	path := db + ".key"
	if onServer(db) {
		folder, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("there is no place for the key, and %s has none: %w", keyVariable, err)
		}
		path, db = filepath.Join(folder, "wardkey", "mailgate.key"), ""
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
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
// there is a database file already, its key is lost: a new one would hide that.
// One on a server is asked by gateway.New.
func makeKey(path, db string) ([]byte, error) {
	if _, err := os.Stat(db); db != "" && err == nil {
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
	return key, errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(path)))
}

// syncFolder makes a new file's name as durable as what is in it. Windows does so
// by itself and lets no folder be opened for it.
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

func parseKey(text []byte, from string) ([]byte, error) {
	key := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(key, text); err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is no key: it has not %d hexadecimal digits", from, 2*keyBytes)
	}
	return key, nil
}
