// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

const (
	childFlow = "WARDKEY_TEST_CHILD_FLOW"
	childSave = "WARDKEY_TEST_CHILD_SAVE" // which save it dies at, if it is to
)

// remembers is no system call: the agent or the card dies with an answer that it was given and did not keep.
const remembers = "saves"

func TestMain(m *testing.M) {
	dir := crashtest.Folder()
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := run(dir, os.Getenv(childFlow)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A server with its agent is killed on the way into each of its system calls that write, and started again on what is
// there: a code is used once, no try of it is given back, the server knows the card's SO PIN, both certificates are
// swapped or neither, a link is the old or the new one, and the audit is whole and tells of all of it.
func TestKilledAtEveryWrite(t *testing.T) {
	need.Tool(t, "strace")
	for flow, name := range map[string]string{"unlock": "threat013", "renewal": "renewal", "link": "row083"} {
		t.Run(name, func(t *testing.T) {
			t.Run("sqlite", func(t *testing.T) {
				s := &sweep{flow: flow, base: t.TempDir(), step: 1, copy: copySQLite}
				s.everywhere(t, "write", "pwrite64", "fsync,fdatasync", remembers)
			})
			t.Run("postgres", func(t *testing.T) {
				db := postgrestest.Open(t)
				s := &sweep{flow: flow, base: t.TempDir(), step: 9, copy: copyPostgres(db)}
				crashtest.UsePostgres(t, s.base, db, "base")
				_, err := db.Exec("CREATE DATABASE base")
				require.NoError(t, err)
				s.everywhere(t, "write", remembers)
			})
		})
	}
}

// sweep kills one flow everywhere. Each kill is of a copy of the same folder and database.
type sweep struct {
	flow, base string
	step       int
	copy       func(t *testing.T, from, name string) string

	mu    sync.Mutex
	kills int
	seen  map[string]int
}

func (s *sweep) everywhere(t *testing.T, calls ...string) {
	makeSite(t, s.base, s.flow)
	s.seen = map[string]int{}
	t.Run("kills", func(t *testing.T) {
		for _, call := range calls {
			t.Run(call, func(t *testing.T) {
				t.Parallel()
				s.each(t, call)
			})
		}
	})
	require.Greater(t, len(s.seen), 2, "the kills came at too few places: %v", s.seen)
	t.Logf("%d kills, %d recovered; left behind: %v", s.kills, total(s.seen), s.seen)
}

func total(seen map[string]int) (n int) {
	for count := range maps.Values(seen) {
		n += count
	}
	return n
}

func (s *sweep) each(t *testing.T, call string) {
	step := s.step
	if testing.Short() {
		step *= 9
	}
	if call == remembers {
		step = 1
	}
	for k := 1; ; k += step {
		require.Less(t, k, 500, "the sweep of %s ended before the program did", call)
		dir := s.copy(t, s.base, fmt.Sprintf("%s_%d", strings.ReplaceAll(call, ",", "_"), k))
		killed := killedAt(t, dir, s.flow, call, k)
		left := inspect(t, dir, s.flow, k)
		if !killed {
			require.Equal(t, "done", left)
			return
		}
		s.mu.Lock()
		s.kills++
		s.seen[left]++
		s.mu.Unlock()
	}
}

// killedAt runs the flow and kills it on the way into its k-th call of a kind.
func killedAt(t *testing.T, dir, flow, call string, k int) bool {
	t.Helper()
	if call == remembers {
		return crashtest.Died(t, dir, childFlow+"="+flow, fmt.Sprintf("%s=%d", childSave, k))
	}
	return crashtest.Killed(t, dir, call, k, childFlow+"="+flow)
}

func copyFiles(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
	return dir
}

func copySQLite(t *testing.T, from, _ string) string { return copyFiles(t, from) }

func copyPostgres(db *sql.DB) func(t *testing.T, from, name string) string {
	return func(t *testing.T, from, name string) string {
		t.Helper()
		_, err := db.Exec("CREATE DATABASE " + name + " TEMPLATE base")
		require.NoError(t, err)
		dir := copyFiles(t, from)
		crashtest.UsePostgres(t, dir, db, name)
		return dir
	}
}

// inspect looks at what a kill left, checks it, and lets the server start again and the person go on: with the agent
// that survived, or at another workstation. It returns a word for what was left.
func inspect(t *testing.T, dir, flow string, k int) string {
	t.Helper()
	ctx := context.Background()
	s, err := openSite(dir, true)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	require.NoError(t, s.Service.Resume(ctx)) // as a server does when it starts
	s.whole(t)
	left := map[string]func(*testing.T, int) string{"unlock": s.afterUnlock, "renewal": s.afterRenewal, "link": s.afterLink}[flow](t, k)
	s.whole(t)
	return left
}

// whole verifies both rooms' audits.
func (s *site) whole(t *testing.T) {
	t.Helper()
	_, err := s.Service.VerifyAudit(t.Context())
	_, broken := s.ledger.VerifyAudit(t.Context())
	require.NoError(t, errors.Join(err, broken))
}

// number asks the database for one.
func (s *site) number(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, s.DB.QueryRowContext(t.Context(), query, args...).Scan(&n), query)
	return n
}
