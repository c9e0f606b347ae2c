// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// StoreConfig says where a Store is kept, and its clocks.
type StoreConfig struct {
	Dir       string // where set, holds the database as the file care.db; default: in memory
	Now, Wall func() time.Time
}

// Store is an empty careid.Store for the test of a Service of your own: careid/sqlstore on SQLite in memory.
type Store struct {
	*sqlstore.Store
	db *sql.DB
}

// NewStore is OpenStore for a test that fails if it can't.
func NewStore(t testing.TB, c StoreConfig) *Store {
	t.Helper()
	s, err := OpenStore(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// OpenStore opens a Store, for Examples and programs.
func OpenStore(c StoreConfig) (*Store, error) {
	db, err := openDB(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db}
	if s.Store, err = sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Now: c.Now, Wall: c.Wall}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// openDB opens a database in a folder, or in memory.
func openDB(dir string) (*sql.DB, error) {
	if dir == "" {
		return sqlkit.OpenMemory()
	}
	return sqlkit.OpenSQLite(filepath.Join(dir, "care.db"))
}

// Close ends what OpenStore began. What was in memory is gone.
func (s *Store) Close() error { return errors.Join(s.Store.Close(), s.db.Close()) }
