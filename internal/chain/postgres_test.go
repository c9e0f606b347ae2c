// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

func TestPostgres(t *testing.T) {
	db := postgrestest.Open(t)
	var servers []*sqlkit.Store
	for range 2 {
		s, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: files, Table: "pki_migrations"})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		servers = append(servers, s)
	}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() { require.NoError(t, add(t.Context(), servers[i%2], i)) })
	}
	all.Wait()
	n, err := verify(t, servers[0])
	require.NoError(t, err)
	require.Equal(t, int64(16), n)

	_, err = db.ExecContext(t.Context(), "UPDATE pki_audit SET detail = 'reason 2' WHERE seq = 5")
	require.NoError(t, err)
	_, err = verify(t, servers[0])
	var broken *chain.BrokenError
	require.ErrorAs(t, err, &broken)
	require.Equal(t, int64(5), broken.Seq)
}
