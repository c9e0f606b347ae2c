// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// spy keeps the statements that SQLite runs.
type spy struct {
	mu  sync.Mutex
	ran map[string]bool
}

func (s *spy) watch(c *sqlite3.Conn) error {
	return errors.Join(c.BusyTimeout(time.Minute), c.Trace(sqlite3.TRACE_STMT, func(_ sqlite3.TraceEvent, _, statement any) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if text, ok := statement.(string); ok && strings.Contains(text, "pki_") {
			s.ran[text] = true
		}
		return nil
	}))
}

// What an authority does costs the same with ten certificates and with a million:
// each statement finds its rows by an index, and each walk goes along one, in its
// order. VerifyAudit alone looks at everything.
func TestEveryStatementHasAnIndex(t *testing.T) {
	seen := spy{ran: map[string]bool{}}
	db, err := driver.Open("file:"+filepath.Join(t.TempDir(), "ledger.db"), seen.watch)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	ca := pkitest.New(t, pkitest.Config{Ledger: ledgerOn(t, db)})

	seen.mu.Lock()
	clear(seen.ran)
	seen.mu.Unlock()
	liveADay(t, ca)
	seen.mu.Lock()
	statements := make([]string, 0, len(seen.ran))
	for statement := range seen.ran {
		statements = append(statements, statement)
	}
	seen.mu.Unlock()

	require.Greater(t, len(statements), 20, statements)
	walks := 0
	for _, statement := range statements {
		steps := explain(t, db, statement)
		// No table at all, and the newest act alone, from the end of its index.
		steps = strings.NewReplacer("SCAN CONSTANT ROW", "", "SCAN pki_acts USING COVERING INDEX pki_acts_opened", "").Replace(steps)
		require.NotContains(t, steps, "SCAN", statement)
		if strings.Contains(statement, "LIMIT") && strings.Contains(statement, "ORDER BY") {
			walks++
			require.NotContains(t, steps, "B-TREE FOR ORDER BY", statement) // rows of one second aside
		}
	}
	require.GreaterOrEqual(t, walks, 3, "Expiring, Issued, DueReminders")
	t.Run("postgres", func(t *testing.T) { plannedByPostgres(t, statements) })
	require.Contains(t, explain(t, db, "SELECT serial FROM pki_certificates WHERE reason = 1"), "SCAN", "a scan would be seen")
	require.Contains(t, explain(t, db, "SELECT id FROM pki_acts ORDER BY user_id LIMIT 5"), "B-TREE FOR ORDER BY", "a sort would be seen")
}

// plannedByPostgres asks PostgreSQL too, which would rather read a table this small
// from end to end, and is told not to where it can.
func plannedByPostgres(t *testing.T, statements []string) {
	db := postgrestest.Open(t)
	ledgerOn(t, db)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	run := func(query string) (lines string) {
		require.NoError(t, conn.Raw(func(c any) error {
			results, err := c.(*stdlib.Conn).Conn().PgConn().Exec(t.Context(), query).ReadAll()
			for _, result := range results {
				for _, row := range result.Rows {
					lines += string(row[0]) + "\n"
				}
			}
			return err
		}), query)
		return lines
	}
	run("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET plan_cache_mode = force_generic_plan")
	plan := func(statement string) string {
		arguments := 0
		statement = argument.ReplaceAllStringFunc(statement, func(n string) string {
			number, err := strconv.Atoi(n[1:])
			require.NoError(t, err)
			arguments = max(arguments, number)
			return "$" + n[1:]
		})
		run("DEALLOCATE ALL")
		run("PREPARE p AS " + statement)
		if arguments == 0 {
			return run("EXPLAIN EXECUTE p")
		}
		return run("EXPLAIN EXECUTE p(NULL" + strings.Repeat(", NULL", arguments-1) + ")")
	}
	for _, statement := range statements {
		steps := plan(statement)
		require.NotContains(t, steps, "Seq Scan", statement)
		if strings.Contains(statement, "LIMIT") && strings.Contains(statement, "ORDER BY") {
			require.NotContains(t, strings.ReplaceAll(steps, "Incremental Sort", ""), "Sort  ", statement)
		}
	}
	require.Contains(t, plan("SELECT serial FROM pki_certificates WHERE reason = ?1"), "Seq Scan")
	require.Contains(t, plan("SELECT id FROM pki_acts ORDER BY user_id LIMIT 5"), "Sort  ")
}

// argument is one as SQLite's statements have it.
var argument = regexp.MustCompile(`\?\d+`)

// liveADay uses all that an authority offers, but VerifyAudit.
func liveADay(t *testing.T, ca *pkitest.CA) {
	t.Helper()
	ctx := t.Context()
	for _, state := range []pkitest.State{pkitest.Good, pkitest.Held, pkitest.Revoked, pkitest.Superseded, pkitest.RenewalOpen} {
		for _, cert := range ca.Pair(state).Certificates {
			_, err := ca.Status(ctx, cert.SerialNumber)
			require.NoError(t, err)
		}
	}
	cert := ca.Pair(pkitest.Good).Certificates[0]
	// Another server of this ledger, which reminds.
	again, err := pki.New(pki.Config{
		Signer: ca.Authority, Chain: ca.Chain(), Ledger: ca.Ledger, Profile: ca.Profile(), Now: ca.Clock.Now,
		Remind: func(context.Context, pki.Reminder) error { return nil },
	})
	require.NoError(t, err)
	_, err = again.Due(ctx)
	require.NoError(t, err)
	require.NoError(t, again.Publish(ctx, t.TempDir()))
	request, err := ocsp.CreateRequest(cert, ca.Chain()[0], &ocsp.RequestOptions{Hash: crypto.SHA256})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	again.OCSPHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/ocsp", strings.NewReader(string(request))))
	_, err = ocsp.ParseResponseForCert(w.Body.Bytes(), cert, ca.Chain()[0])
	require.NoError(t, err)
	var last pki.Record
	for r, err := range again.Issued(ctx) {
		require.NoError(t, err)
		last = r
	}
	for _, err := range again.IssuedAfter(ctx, last) {
		require.NoError(t, err)
	}
	for r, err := range again.Expiring(ctx, 4*365*24*time.Hour) {
		require.NoError(t, err)
		last = r
	}
	for _, err := range again.ExpiringAfter(ctx, 4*365*24*time.Hour, last) {
		require.NoError(t, err)
	}
	for _, err := range again.Lineage(ctx, cert.SerialNumber) {
		require.NoError(t, err)
	}
}

// explain is how SQLite would run a statement, a line a step.
func explain(t *testing.T, db *sql.DB, statement string) (steps string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement)
	require.NoError(t, err, statement)
	for rows.Next() {
		var step string
		require.NoError(t, rows.Scan(new(int), new(int), new(int), &step))
		steps += step + "\n"
	}
	require.NoError(t, rows.Close())
	require.NoError(t, rows.Err())
	return steps
}
