// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

const keyVariable = "WARDKEY_MAILGATE_KEY"

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

// spoolKey is the key of the mail in a database, made where there is none yet. That
// one on a server is lost is gateway.New's to see.
func spoolKey(db string) ([]byte, error) {
	path := db + ".key"
	if onServer(db) && os.Getenv(keyVariable) == "" {
		folder, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("there is no place for the key, and %s has none: %w", keyVariable, err)
		}
		path, db = filepath.Join(folder, "wardkey", "mailgate.key"), ""
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	return kept.Key(keyVariable, path, db)
}
