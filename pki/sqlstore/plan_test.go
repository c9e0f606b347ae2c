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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

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
	require.Contains(t, explain(t, db, "SELECT serial FROM pki_certificates WHERE reason = 1"), "SCAN", "a scan would be seen")
	require.Contains(t, explain(t, db, "SELECT id FROM pki_acts ORDER BY user_id LIMIT 5"), "B-TREE FOR ORDER BY", "a sort would be seen")
}

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
