// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// A sign-in costs the same among ten people and a million, as long as each of its statements finds its rows by a key.
func TestSignInScansNothing(t *testing.T) {
	var mu sync.Mutex
	ran := map[string]bool{}
	db, err := driver.Open("file:"+t.TempDir()+"/care.db", func(c *sqlite3.Conn) error {
		err := c.Trace(sqlite3.TRACE_STMT, func(_ sqlite3.TraceEvent, _, statement any) error {
			mu.Lock()
			defer mu.Unlock()
			if text, ok := statement.(string); ok {
				ran[text] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		return c.BusyTimeout(time.Minute)
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	h := careidtest.New(t, careidtest.Config{DB: db})

	mu.Lock()
	clear(ran)
	mu.Unlock()
	in, err := h.SignIn(t.Context(), h.Nurse.Card)
	require.NoError(t, err)
	_, err = h.Service.Session(t.Context(), in.Token)
	require.NoError(t, err)
	mu.Lock()
	statements := make([]string, 0, len(ran))
	for statement := range ran {
		if strings.Contains(statement, "careid_") {
			statements = append(statements, statement)
		}
	}
	mu.Unlock()
	require.Greater(t, len(statements), 10, statements)
	for _, statement := range statements {
		require.NotContains(t, plan(t, db, statement), "SCAN", statement)
	}
	require.Contains(t, plan(t, db, "SELECT id FROM careid_profile WHERE email = 'x'"), "SCAN", "a scan would be seen")
}

// plan is how SQLite would run a statement, a line a step.
func plan(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement)
	require.NoError(t, err, statement)
	defer func() { require.NoError(t, rows.Close()) }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return strings.Join(steps, "\n")
}
