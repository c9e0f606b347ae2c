// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
)

func open(t *testing.T, path string, now, wall func() time.Time) *sqlstore.Store {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Now: now, Wall: wall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func TestStore(t *testing.T) {
	careidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) careid.Store {
		return open(t, filepath.Join(t.TempDir(), "care.db"), now, wall)
	})
}

func TestOpen(t *testing.T) {
	_, err := sqlstore.Open(context.Background(), sqlstore.Config{})
	require.ErrorContains(t, err, "DB")
	path := filepath.Join(t.TempDir(), "care.db")
	for range 2 { // migrating again changes nothing
		store := open(t, path, nil, nil)
		require.NoError(t, store.Close())
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "care")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "care.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	err = store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		return tx.People.AddProfile(ctx, careid.Profile{ID: "012345678901", Given: "Asha", Family: "Patel", Organisation: "RBA", State: careid.ProfileOpen})
	})
	fmt.Println(err)
	err = store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		p, err := tx.People.Profile(ctx, "012345678901")
		fmt.Println(p.Name())
		return err
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// Asha Patel
	// <nil>
}
