// SPDX-License-Identifier: Apache-2.0

// Package crashtest kills a test's own program where it writes, so that a test
// can look at what that leaves behind.
//
//	func TestMain(m *testing.M) {
//		if folder := crashtest.Folder(); folder != "" {
//			os.Exit(do(folder)) // the child: opens, writes, ends
//		}
//		os.Exit(m.Run())
//	}
//
//	for k := 1; crashtest.Killed(t, folder, "fsync,fdatasync", k); k++ {
//		// look at the folder, go on, look again
//	}
//
// The child and the test that looks after it share a folder, and the database
// that OpenDB finds by it. strace(1) does the killing, on the way into a call: what
// the call was to write is not written.
package crashtest

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

const childFolder = "WARDKEY_TEST_CHILD_DIR"

// Folder is the folder of the child that this process is, "" in the test itself.
func Folder() string { return os.Getenv(childFolder) }

// Killed runs this program again as a child with more environment (NAME=value) and
// kills it on the way into its k-th call of those named, comma between. It is false
// when the child came to its end before; one that fails by itself fails the test.
func Killed(t *testing.T, folder, call string, k int, env ...string) bool {
	t.Helper()
	return died(t, folder, env, need.Tool(t, "strace"), "-f", "-qq", "-o", os.DevNull, "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, k), os.Args[0])
}

// Died is Killed for a child that kills itself, where it dies for another reason
// than a system call.
func Died(t *testing.T, folder string, env ...string) bool {
	t.Helper()
	return died(t, folder, env, os.Args[0])
}

func died(t *testing.T, folder string, env []string, words ...string) bool {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	// One thread of Go's: the calls come in the same order each time.
	cmd.Env = append(append(os.Environ(), childFolder+"="+folder, "GOMAXPROCS=1"), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	status := exit.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, out)
	return true
}

// UsePostgres makes OpenDB open a database of the cluster that db, of
// internal/postgrestest, is connected to.
func UsePostgres(t *testing.T, folder string, db *sql.DB, name string) {
	t.Helper()
	var socket string
	require.NoError(t, db.QueryRow("SHOW unix_socket_directories").Scan(&socket))
	dsn := "host=" + socket + " user=wardkey dbname=" + name + " sslmode=disable"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "dsn"), []byte(dsn), 0o600))
}

// OpenDB opens the database of a folder: the PostgreSQL of UsePostgres, or an SQLite
// file there.
func OpenDB(folder string) (*sql.DB, error) {
	dsn, err := os.ReadFile(filepath.Join(folder, "dsn")) // #nosec G304 -- the test's folder
	if errors.Is(err, fs.ErrNotExist) {
		return sqlkit.OpenSQLite(filepath.Join(folder, "data.db"))
	}
	if err != nil {
		return nil, err
	}
	return sql.Open("pgx", string(dsn))
}
