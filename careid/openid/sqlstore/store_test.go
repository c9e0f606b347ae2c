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

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/openidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

func openDB(t *testing.T, db *sql.DB, now, wall func() time.Time) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Now: now, Wall: wall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func TestStore(t *testing.T) {
	openidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) openid.Store {
		db, err := sql.Open("sqlite3", "file:"+filepath.Join(t.TempDir(), "openid.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return openDB(t, db, now, wall)
	})
}

func TestStoreOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	openidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) openid.Store {
		_, err := db.ExecContext(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
		require.NoError(t, err)
		return openDB(t, db, now, wall)
	})
}

func TestOpen(t *testing.T) {
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{})
	require.ErrorContains(t, err, "DB")
	h := careidtest.New(t, careidtest.Config{}) // beside careid's own store
	for range 2 {                               // migrating again changes nothing
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: h.DB})
		require.NoError(t, err)
		require.NoError(t, store.Close())
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "openid")
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
	jti := []byte("SHA-256 of a client and the id of its assertion")
	for range 2 {
		err = store.Write(ctx, func(ctx context.Context, tx *openid.Tx) error {
			first, err := tx.Assertions.UseAssertion(ctx, jti, tx.Wall.Add(time.Minute))
			fmt.Println("first use:", first)
			return err
		})
		fmt.Println(err)
	}
	// Output:
	// first use: true
	// <nil>
	// first use: false
	// <nil>
}
