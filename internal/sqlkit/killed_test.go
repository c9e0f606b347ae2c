// SPDX-License-Identifier: Apache-2.0

package sqlkit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// TestMain is also the program that TestAcknowledgedIsDurable kills.
func TestMain(m *testing.M) {
	if path := os.Getenv("SQLKIT_TEST_WRITER"); path != "" {
		fmt.Fprintln(os.Stderr, writeForEver(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForEver prints the number of each row after its Write returned.
func writeForEver(path string) error {
	db, err := sqlkit.OpenSQLite(path)
	if err != nil {
		return err
	}
	s, err := sqlkit.Open(context.Background(), sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 16 {
		go func() {
			for n := w; ; n += 16 {
				if err := insert(s, "pki", fmt.Sprint(n), n)(context.Background()); err != nil {
					failed <- err
					return
				}
				fmt.Println(n)
			}
		}()
	}
	return <-failed
}

func TestAcknowledgedIsDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "killed.db")
	for range 3 { // each writer is killed in the middle of its groups
		require.NoError(t, os.RemoveAll(path))
		writer := exec.Command(os.Args[0])
		writer.Env = append(os.Environ(), "SQLKIT_TEST_WRITER="+path)
		writer.Stderr = os.Stderr
		out, err := writer.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, writer.Start())
		var acknowledged []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if acknowledged = append(acknowledged, lines.Text()); len(acknowledged) == 300 {
				require.NoError(t, writer.Process.Kill())
			}
		}
		require.Error(t, writer.Wait())
		require.GreaterOrEqual(t, len(acknowledged), 300)
		requireRows(t, path, acknowledged[:len(acknowledged)-1]) // the last line may be cut
		for _, file := range []string{"-wal", "-shm"} {
			require.NoError(t, os.RemoveAll(path+file))
		}
	}
}

func requireRows(t *testing.T, path string, ids []string) {
	t.Helper()
	db, err := sqlkit.OpenSQLite(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	s, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: migrations("pki"), Table: "pki_migrations"})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		var whole string
		require.NoError(t, tx.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&whole))
		require.Equal(t, "ok", whole)
		for _, id := range ids {
			var n int64
			require.NoError(t, tx.QueryRowContext(ctx, "SELECT n FROM pki_thing WHERE id = $1", id).Scan(&n), id)
		}
		return nil
	}))
}
