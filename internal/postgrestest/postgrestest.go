// SPDX-License-Identifier: Apache-2.0

// Package postgrestest gives tests a PostgreSQL of their own.
//
//	db := postgrestest.Open(t) // skips where there is no PostgreSQL (internal/need)
//
// Each call makes a cluster in a temporary folder and serves it on a Unix
// socket there: no port, no password, nothing of the machine's own clusters.
// It ends with the test, and also when the test's process is killed. As root,
// which PostgreSQL refuses, it runs as the user postgres.
package postgrestest

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// serve runs the server until its standard input ends, which it does when the
// test's process does.
const serve = `"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off & server=$!
cat >/dev/null; kill -INT $server; wait $server`

// Open starts a cluster and connects to it. The server writes without fsync:
// it is for what PostgreSQL answers, and not for what survives a crash.
func Open(t testing.TB) *sql.DB {
	t.Helper()
	bin := need.Tool(t, "postgres")
	folder, err := os.MkdirTemp("", "pg") // short: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	as := asOther(t, folder)
	initdb := command(as, filepath.Join(bin, "initdb"), "-D", filepath.Join(folder, "data"), "-U", "wardkey", "-A", "trust", "-E", "UTF8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}

	var log bytes.Buffer
	server := command(as, "sh", "-c", serve, "serve", bin, folder)
	server.Stdout, server.Stderr = &log, &log
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", "host="+folder+" user=wardkey dbname=postgres sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, db, input, server, &log) })
	for range 100 {
		if err = db.PingContext(context.Background()); err == nil {
			return db
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the server does not answer: %v", err)
	return nil
}

func stop(t testing.TB, db *sql.DB, input io.Closer, server *exec.Cmd, log *bytes.Buffer) {
	_ = db.Close()    // the server goes too
	_ = input.Close() // tells it so
	_ = server.Wait() // ends by a signal
	if t.Failed() {
		t.Logf("postgres said:\n%s", log)
	}
}

// asOther gives the folder to the user postgres where this process is root's,
// and returns the words that start a program as that user.
func asOther(t testing.TB, folder string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	other, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, uidErr := strconv.Atoi(other.Uid)
	gid, gidErr := strconv.Atoi(other.Gid)
	if uidErr != nil || gidErr != nil {
		t.Fatalf("the user postgres has ids %q and %q", other.Uid, other.Gid)
	}
	if err := os.Chown(folder, uid, gid); err != nil {
		t.Fatal(err)
	}
	return []string{"setpriv", "--reuid=" + other.Uid, "--regid=" + other.Gid, "--clear-groups", "--"}
}

func command(as []string, words ...string) *exec.Cmd {
	words = append(as[:len(as):len(as)], words...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = "/"
	return cmd
}
