// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// StoreConfig says where a Store keeps its file, and its clocks.
type StoreConfig struct {
	Dir       string // default a temporary one, which Close removes
	Now, Wall func() time.Time
}

// Store is an empty careid.Store for the test of a Service of your own. It is not kept in memory: it is careid/sqlstore
// on an SQLite file that goes with the test, so that what a test sees is what a server does. A contract of this width
// told a second time, in maps, would be one more thing to trust.
type Store struct {
	*sqlstore.Store
	db        *sql.DB
	temporary string
}

// NewStore is OpenStore for a test that fails if it can't.
func NewStore(t testing.TB, c StoreConfig) *Store {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
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
	s := new(Store)
	err := s.open(context.Background(), c)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, c StoreConfig) (err error) {
	if c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "careidtest"); err != nil {
			return err
		}
		s.temporary = c.Dir
	}
	if s.db, err = sqlkit.OpenSQLite(filepath.Join(c.Dir, "care.db")); err != nil {
		return err
	}
	s.Store, err = sqlstore.Open(ctx, sqlstore.Config{DB: s.db, Now: c.Now, Wall: c.Wall})
	return err
}

// Close ends what OpenStore began.
func (s *Store) Close() error {
	var failed []error
	if s.Store != nil {
		failed = append(failed, s.Store.Close())
	}
	if s.db != nil {
		failed = append(failed, s.db.Close())
	}
	if s.temporary != "" {
		failed = append(failed, os.RemoveAll(s.temporary))
	}
	return errors.Join(failed...)
}
