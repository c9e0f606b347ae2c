// SPDX-License-Identifier: Apache-2.0

package database_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/database"
)

func TestOpen(t *testing.T) {
	t.Chdir(t.TempDir()) // where a file of the name would be made
	for _, name := range []string{
		"postgres://u:271828@h/d", "postgresql://h/d?password=271828", "postgres://u:271828@[::1/d",
		"postgres://u@h/d?sslkey=k&sslpassword=271828", "postgres://u@h/d?x;password=271828", "POSTGRES://u:271828@h/d", "mysql://u:271828@h/d",
	} {
		_, err := database.Open(name)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "271828")
	}
	db, err := database.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	require.NoError(t, db.PingContext(t.Context()))
	require.NoError(t, db.Close())
	made, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, made)
}
