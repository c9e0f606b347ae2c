// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// crowdStep is how many people one statement brings.
const crowdStep = 65_000

// crowdOf makes people out of ?1 first, ?2 last, ?3 how many there are, ?4 the day, ?5 the certificates' end.
const crowdOf = `WITH RECURSIVE v (first, last, people, day, ends) AS (SELECT ?1, ?2, ?3, ?4, ?5),
	n (i) AS (SELECT first FROM v UNION ALL SELECT i + 1 FROM n, v WHERE i < last),
	p (i, id, people, day, ends) AS (SELECT i, 500000000000 + i || '', people, day, ends FROM n, v) `

// crowdTables are the rows of people: a profile, an active card, its issue act and the certificate that signs in, each
// in the order of its keys, so that no index is filled at random. Names are short and certificates one byte; what a
// sign-in looks up is as wide as it really is, and fingerprints stand evenly over their whole range, as real ones do.
var crowdTables = []string{
	`INSERT INTO careid_profile (id, given, family, organisation, email, mobile, state, opened_at)
		SELECT id, 'A', 'B', 'R' || (1000 + i * 1000 / people), id || '@nhs.net', '', 'open', day FROM p`,
	`INSERT INTO careid_card (serial, profile, state, issued_at, not_after) SELECT '8000' || id, id, 'active', day, ends FROM p`,
	`INSERT INTO careid_act (id, kind, card, profile, state, actor, role, organisation, evidence, document, present_at, taken_up,
		renews, expired, locked, replaces, opened_at)
		SELECT id || '00000000000000000000', 'issue', '8000' || id, id, 'confirmed', '000000000001', 'ra-manager', 'R', 'attested',
		'passport', 0, TRUE, '', FALSE, FALSE, '', day FROM p`,
	`INSERT INTO careid_certificate (fingerprint, card, act, use, state, reason, revoke_at, not_after, der)
		SELECT unhex(printf('%08x%056x', i * 4294967295 / people, 0)), '8000' || id, id || '00000000000000000000', 'authentication',
		'current', 0, 0, ends, x'00' FROM p`,
}

// crowd makes an SQLite file with so many people in it, and gives the pairs to some of them, far apart. It tells how far
// it is where somebody watches a terminal. The file is loaded without a journal: nothing of it is worth a recovery.
func crowd(b *testing.B, path string, people int, pairs []pkitest.Pair, now time.Time) {
	b.Helper()
	ctx := context.Background()
	plain, err := sql.Open("sqlite3", "file:"+path)
	require.NoError(b, err)
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: plain})
	require.NoError(b, err)
	require.NoError(b, store.Close())
	require.NoError(b, plain.Close())

	db, err := sql.Open("sqlite3", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=cache_size(-65536)&_pragma=foreign_keys(off)")
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	db.SetMaxOpenConns(1)
	watched := term.IsTerminal(int(os.Stderr.Fd()))
	for first := 1; first <= people; first += crowdStep {
		last := min(first+crowdStep-1, people)
		for _, table := range crowdTables {
			_, err := db.ExecContext(ctx, crowdOf+table, first, last, people, now.Unix(), now.AddDate(2, 0, 0).Unix())
			require.NoError(b, err)
		}
		if watched {
			fmt.Fprintf(os.Stderr, "\r%d of %d people", last, people)
		}
	}
	if watched {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
	for k, pair := range pairs {
		cert := pair.Certificates[0]
		sum := sha256.Sum256(cert.Raw)
		r, err := db.ExecContext(ctx, "UPDATE careid_certificate SET fingerprint = ?1, der = ?2, not_after = ?3 WHERE card = ?4",
			sum[:], cert.Raw, cert.NotAfter.Unix(), fmt.Sprint(8000_500000000000+1+k*(people/len(pairs))))
		require.NoError(b, err)
		n, err := r.RowsAffected()
		require.NoError(b, err)
		require.Equal(b, int64(1), n)
	}
}
