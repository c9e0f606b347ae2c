// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

// tampering is what somebody does who can write to the database and doesn't know
// how the chain is made.
type tampering struct {
	name, deed string
	table, key string // of the row that is named
	told       bool   // a row of the audit is named too
}

// What a deed is done to, read before it; it stands for {key} in the deed.
const (
	aGood    = `SELECT serial FROM pki_certificates WHERE state = 'good' AND changed = 0 AND purpose <> 'responder' ORDER BY serial LIMIT 1`
	itsAct   = `SELECT act FROM pki_certificates WHERE serial = (` + aGood + `)`
	aRevoked = `SELECT serial FROM pki_certificates WHERE state = 'revoked' AND reason = 1 AND NOT listed ORDER BY serial LIMIT 1`
	aHeld    = `SELECT serial FROM pki_certificates WHERE state = 'held' AND changed > 2 ORDER BY changed DESC LIMIT 1`
	anEnded  = `SELECT serial FROM pki_certificates WHERE listed ORDER BY serial LIMIT 1`
	aList    = `SELECT issuer || '/' || shard FROM pki_shards WHERE number > 1 ORDER BY issuer, shard LIMIT 1`

	ofCert = ` WHERE serial = '{key}'`
	ofPair = ` WHERE act = '{key}' AND ordinal = 1`
	ofAct  = ` WHERE id = '{key}'`
	ofList = ` WHERE issuer || '/' || shard = '{key}'`

	certs  = "pki_certificates"
	acts   = "pki_acts"
	shards = "pki_shards"
)

var tamperings = []tampering{
	{"a revocation is undone", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0, changed = 0` + ofCert, certs, aRevoked, true},
	{"and its count kept", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0` + ofCert, certs, aRevoked, true},
	{"and its count raised", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0, changed = changed + 7` + ofCert, certs, aRevoked, false},
	{"a revocation is dated later", `UPDATE pki_certificates SET revoked_at = revoked_at + 86400` + ofCert, certs, aRevoked, true},
	{"a compromise becomes a hold", `UPDATE pki_certificates SET reason = 6, state = 'held'` + ofCert, certs, aRevoked, true},
	{"a hold is released", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0` + ofCert, certs, aHeld, true},
	{"a certificate is revoked", `UPDATE pki_certificates SET state = 'revoked', reason = 1, revoked_at = not_before` + ofPair, acts, itsAct, true},
	{"and a change is counted", `UPDATE pki_certificates SET state = 'revoked', reason = 1, revoked_at = not_before, changed = 1` + ofCert, certs, aGood, false},
	{"a certificate is another", `UPDATE pki_certificates SET der = public_key` + ofPair, acts, itsAct, true},
	{"a certificate is gone", `DELETE FROM pki_certificates` + ofPair, acts, itsAct, true},
	{"an act is gone", `DELETE FROM pki_certificates WHERE act = '{key}'; DELETE FROM pki_acts` + ofAct, acts, itsAct, true},
	{"a certificate ends later", `UPDATE pki_certificates SET not_after = not_after + 1` + ofPair, acts, itsAct, true},
	{"a certificate moves to another list", `UPDATE pki_certificates SET shard = 1 - shard` + ofPair, acts, itsAct, true},
	{"and to another issuer", `UPDATE pki_certificates SET issuer = 'other'` + ofPair, acts, itsAct, true},
	{"a key may be used again", `UPDATE pki_certificates SET key_hash = public_key` + ofPair, acts, itsAct, true},
	{"a pair is swapped", `UPDATE pki_certificates SET ordinal = -1` + ofPair, acts, itsAct, true},
	{"a certificate is put in", `INSERT INTO pki_certificates (serial, act, ordinal, issuer, purpose, shard, key_hash, public_key, not_before, not_after, state, reason, revoked_at, changed, listed)
		SELECT '{key}', 'none', ordinal, issuer, purpose, shard, public_key, public_key, not_before, not_after, state, reason, revoked_at, changed, listed
		FROM pki_certificates WHERE act = 'pending' AND ordinal = 0`, certs, `SELECT 'f00'`, false},
	{"an act is another person's", `UPDATE pki_acts SET user_id = '999999999999'` + ofAct, acts, itsAct, true},
	{"an act has another name", `UPDATE pki_acts SET subject = fingerprint` + ofAct, acts, itsAct, true},
	{"an act is of another lineage", `UPDATE pki_acts SET lineage = 'other'` + ofAct, acts, itsAct, true},
	{"an act is put in", `INSERT INTO pki_acts SELECT 'new', kind, issuer, fingerprint, subject, user_id, lineage, generation, opened, state FROM pki_acts WHERE id = 'pending'`, acts, `SELECT 'new'`, false},
	{"a closed act is committed", `UPDATE pki_acts SET state = 'good'` + ofAct, acts, `SELECT 'closed'`, true},
	{"a closed certificate is dated later", `UPDATE pki_certificates SET revoked_at = revoked_at + 1` + ofPair, acts, `SELECT 'closed'`, true},
	{"a pending act is committed", `UPDATE pki_acts SET state = 'good'` + ofAct, acts, `SELECT 'pending'`, true},
	{"and has certificates", `UPDATE pki_certificates SET state = 'good', der = public_key WHERE act = '{key}'; UPDATE pki_acts SET state = 'good'` + ofAct, acts, `SELECT 'pending'`, false},
	{"a committed act is pending again", `UPDATE pki_certificates SET state = 'pending', der = NULL WHERE act = '{key}'; UPDATE pki_acts SET state = 'pending'` + ofAct, acts, itsAct, true},
	{"a list is another", `UPDATE pki_shards SET crl = (SELECT public_key FROM pki_certificates WHERE act = 'pending' AND ordinal = 0)` + ofList, shards, aList, true},
	{"a list's number is lowered", `UPDATE pki_shards SET number = number - 1` + ofList, shards, aList, true},
	{"the numbers begin again", `UPDATE pki_shards SET reserved = 0` + ofList, shards, aList, true},
	{"a list is good for longer", `UPDATE pki_shards SET next_update = next_update + 86400` + ofList, shards, aList, true},
	{"a list is said to cover all", `UPDATE pki_shards SET covers = covers + 1` + ofList, shards, aList, true},
	{"changes are forgotten", `UPDATE pki_shards SET changed = changed - 1` + ofList, shards, aList, true},
	{"a list is gone", `UPDATE pki_shards SET number = 0, covers = 0, this_update = 0, next_update = 0, crl = NULL` + ofList, shards, aList, true},
	{"an ended one is left out early", `UPDATE pki_certificates SET listed = TRUE` + ofCert, certs, aRevoked, false},
	{"an ended one is listed again", `UPDATE pki_certificates SET listed = FALSE` + ofCert, certs, anEnded, false},
	{"the issuer has fewer lists", `UPDATE pki_issuers SET shards = 1`, "pki_issuers", `SELECT issuer FROM pki_issuers`, true},
	{"a list's address is another", `UPDATE pki_shards SET shard = 9 WHERE shard = 1`, "pki_issuers", `SELECT issuer FROM pki_issuers`, true},
}

// makeLedger makes the ledger of a folder, which has some of everything.
func makeLedger(t *testing.T, folder string) {
	t.Helper()
	ctx := t.Context()
	db, err := crashtest.OpenDB(folder)
	require.NoError(t, err)
	ledger, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(ledger.Close(), db.Close())) }()
	ca, err := pkitest.Open(pkitest.Config{Ledger: ledger, Profile: pki.ProfileConfig{Shards: 2}})
	require.NoError(t, err)
	defer func() { require.NoError(t, ca.Close()) }()
	for _, state := range []pkitest.State{pkitest.Expired, pkitest.RenewalOpen} {
		require.NoError(t, ca.Revoke(ctx, ca.Pair(state).Certificates[0], pki.KeyCompromise, time.Time{}))
	}
	released := ca.Pair(pkitest.Held).Certificates
	require.NoError(t, ca.Revoke(ctx, released[0], pki.RemoveFromCRL, time.Time{}))
	require.NoError(t, ca.Revoke(ctx, released[0], pki.CertificateHold, time.Time{}))
	for range 3 {
		_, err := ca.Due(ctx)
		require.NoError(t, err)
		ca.Clock.Add(48 * time.Hour)
	}
	for _, id := range []string{"closed", "pending"} {
		_, err := ledger.OpenAct(ctx, madeAct(t, id, ca.KeyID(), ca.Clock.Now()), nil)
		require.NoError(t, err)
	}
	_, err = ledger.CloseAct(ctx, "closed", ca.Clock.Now())
	require.NoError(t, err)
	_, err = ledger.VerifyAudit(ctx)
	require.NoError(t, err)
}

// madeAct is an act whose keys are none.
func madeAct(t *testing.T, id, issuer string, at time.Time) pki.Act {
	t.Helper()
	at = at.UTC().Truncate(time.Second)
	act := pki.Act{ID: id, Kind: pki.ActIssue, Issuer: issuer, Fingerprint: []byte(id), Subject: []byte("x"), UserID: "123456789012", Lineage: id, Generation: 1, Opened: at}
	for _, use := range []pki.Use{pki.Authentication, pki.Signing} {
		var serial [16]byte
		_, err := rand.Read(serial[:])
		require.NoError(t, err)
		act.Records = append(act.Records, pki.Record{
			Serial: new(big.Int).SetBytes(serial[:]), Use: use, PublicKey: []byte(id + string(use)), State: pki.Pending,
			NotBefore: at, NotAfter: at.AddDate(3, 0, 0).Add(-time.Second),
		})
	}
	return act
}

// A row of a table that was changed, added or taken out behind the audit's back is
// named.
func TestVerifyAuditComparesTheTables(t *testing.T) { t.Run("threat062", comparesTheTables) }

func comparesTheTables(t *testing.T) {
	onBoth(t, makeLedger, tamperings)
}

// onBoth does each deed to a copy of one ledger, on SQLite and on PostgreSQL.
func onBoth(t *testing.T, make func(t *testing.T, folder string), deeds []tampering) {
	t.Run("sqlite", func(t *testing.T) {
		base := t.TempDir()
		make(t, base)
		tamperEach(t, deeds, func(t *testing.T, _ int) string {
			folder := t.TempDir()
			require.NoError(t, os.CopyFS(folder, os.DirFS(base)))
			return folder
		}, "PRAGMA foreign_keys = OFF")
	})
	t.Run("postgres", func(t *testing.T) {
		db := postgrestest.Open(t)
		_, err := db.Exec("CREATE DATABASE base")
		require.NoError(t, err)
		base := t.TempDir()
		crashtest.UsePostgres(t, base, db, "base")
		make(t, base)
		tamperEach(t, deeds, func(t *testing.T, n int) string {
			name := fmt.Sprint("ledger", n)
			_, err := db.Exec("CREATE DATABASE " + name + " TEMPLATE base")
			require.NoError(t, err)
			folder := t.TempDir()
			crashtest.UsePostgres(t, folder, db, name)
			return folder
		}, "SET session_replication_role = replica") // no foreign keys
	})
}

func tamperEach(t *testing.T, deeds []tampering, copied func(t *testing.T, n int) string, unguarded string) {
	for n, c := range deeds {
		t.Run(c.name, func(t *testing.T) {
			db, err := crashtest.OpenDB(copied(t, n))
			require.NoError(t, err)
			defer func() { assert.NoError(t, db.Close()) }()
			ctx := t.Context()
			conn, err := db.Conn(ctx)
			require.NoError(t, err)
			var key string
			require.NoError(t, conn.QueryRowContext(ctx, c.key).Scan(&key))
			_, err = conn.ExecContext(ctx, unguarded)
			require.NoError(t, err)
			for _, deed := range strings.Split(c.deed, ";") {
				_, err = conn.ExecContext(ctx, strings.ReplaceAll(deed, "{key}", key))
				require.NoError(t, err)
			}
			require.NoError(t, conn.Close())

			ledger, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
			require.NoError(t, err)
			defer func() { assert.NoError(t, ledger.Close()) }()
			_, err = ledger.VerifyAudit(ctx)
			var found *sqlstore.TamperedError
			require.ErrorAs(t, err, &found)
			require.Equal(t, c.table, found.Table, err)
			require.Equal(t, key, found.Key, err)
			require.Equal(t, c.told, found.Seq > 0, err)
		})
	}
}

// A ledger of several pages is verified while others write to it, and the last row
// is as well looked at as the first.
func TestVerifyAuditOfManyPages(t *testing.T) {
	db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	ledger, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	defer func() { assert.NoError(t, ledger.Close()) }()
	require.NoError(t, ledger.Register(t.Context(), "issuer", 1, today))

	const acts = 640
	var writers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for n := w; n < acts; n += 64 {
				act, err := ledger.OpenAct(t.Context(), madeAct(t, fmt.Sprintf("act-%03d", n), "issuer", today), nil)
				if !assert.NoError(t, err) {
					return
				}
				act.Records[0].DER, act.Records[1].DER = []byte("a"), []byte("s")
				_, err = ledger.CommitAct(t.Context(), act, today)
				assert.NoError(t, err)
			}
		})
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	for done := false; !done; {
		_, err := ledger.VerifyAudit(t.Context())
		require.NoError(t, err)
		select {
		case <-written:
			done = true
		default:
		}
	}
	rows, err := ledger.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1+2*acts, rows)

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = ledger.VerifyAudit(ended)
	require.ErrorIs(t, err, context.Canceled)

	var last string
	require.NoError(t, db.QueryRow("SELECT subject FROM pki_audit ORDER BY seq DESC LIMIT 1").Scan(&last))
	_, err = db.Exec("UPDATE pki_certificates SET der = 'x' WHERE act = $1 AND ordinal = 1", last)
	require.NoError(t, err)
	_, err = ledger.VerifyAudit(t.Context())
	var found *sqlstore.TamperedError
	require.ErrorAs(t, err, &found)
	require.Equal(t, sqlstore.TamperedError{Table: "pki_acts", Key: last, Seq: rows, Why: "a certificate of it is another"}, *found)
}
