// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/chain"
	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

// A ledger as it was written when the audit's rows had their first form. Here its
// bytes are short texts, and its dates begin at 1767603600, which is today.
const firstForm = `
INSERT INTO pki_issuers VALUES ('issuer', 2, 1767603600);
INSERT INTO pki_shards VALUES ('issuer', 0, 5, 2, 2, 5, 1767604000, 1767690400, $list);
INSERT INTO pki_shards VALUES ('issuer', 1, 1, 0, 0, 0, 0, 0, NULL);

INSERT INTO pki_acts VALUES ('issued', 'issue', 'issuer', $f, $n, '555000000017', 'issued', 1, 1767603600, 'good');
INSERT INTO pki_certificates VALUES ('0000000000000000000000000000000a', 'issued', 0, 'issuer', 'authentication', 0, $#a, $a, 1767603600, 1862298000, 'revoked', 1, 1767603640, 5, FALSE, $der, 0);
INSERT INTO pki_certificates VALUES ('0000000000000000000000000000000b', 'issued', 1, 'issuer', 'signing', 1, $#b, $b, 1767603600, 1862298000, 'held', 6, 1767603650, 1, FALSE, $der, 0);

INSERT INTO pki_acts VALUES ('closed', 'issue', 'issuer', $f, $n, '555000000025', 'closed', 1, 1767603610, 'revoked');
INSERT INTO pki_certificates VALUES ('0000000000000000000000000000000c', 'closed', 0, 'issuer', 'authentication', 0, $#c, $c, 1767603610, 1862298010, 'revoked', 5, 1767603620, 1, FALSE, NULL, 0);
INSERT INTO pki_certificates VALUES ('0000000000000000000000000000000e', 'closed', 1, 'issuer', 'signing', 0, $#e, $e, 1767603610, 1862298010, 'revoked', 5, 1767603620, 2, FALSE, NULL, 0);

INSERT INTO pki_acts VALUES ('ocsp', 'responder', 'issuer', $f, $n, '', 'ocsp', 1, 1767603660, 'good');
INSERT INTO pki_certificates VALUES ('0000000000000000000000000000000f', 'ocsp', 0, 'issuer', 'responder', 1, $#o, $o, 1767603660, 1770195659, 'good', 0, 0, 0, FALSE, $der, 0);

INSERT INTO pki_acts VALUES ('pending', 'issue', 'issuer', $f, $n, '555000000033', 'pending', 1, 1767603670, 'pending');
INSERT INTO pki_certificates VALUES ('00000000000000000000000000000010', 'pending', 0, 'issuer', 'authentication', 0, $#p, $p, 1767603670, 1862298070, 'pending', 0, 0, 0, FALSE, NULL, 0);
INSERT INTO pki_certificates VALUES ('00000000000000000000000000000011', 'pending', 1, 'issuer', 'signing', 1, $#q, $q, 1767603670, 1862298070, 'pending', 0, 0, 0, FALSE, NULL, 0)`

// firstRows are the rows of its audit: when, what, of what, and what else. The lists
// were "list 1" and "list".
const firstRows = `
0 issuer.registered issuer shards=2
0 act.opened issued kind=issue user=555000000017 serials=0000000000000000000000000000000a,0000000000000000000000000000000b
1 act.committed issued serials=0000000000000000000000000000000a,0000000000000000000000000000000b
10 act.opened closed kind=issue user=555000000025 serials=0000000000000000000000000000000c,0000000000000000000000000000000e
20 act.closed closed serials=0000000000000000000000000000000c,0000000000000000000000000000000e
30 certificate.held 0000000000000000000000000000000a reason=6 act=issued
35 certificate.good 0000000000000000000000000000000a reason=0 act=issued
36 crl.stored issuer/0 number=1 sha256=ee8322ada4af531910b4d21faba6ac16ea0dfac35014da1e33d72b9d70f98f89
40 certificate.revoked 0000000000000000000000000000000a reason=1 act=issued
50 certificate.held 0000000000000000000000000000000b reason=6 act=issued
60 act.opened ocsp kind=responder user= serials=0000000000000000000000000000000f
61 act.committed ocsp serials=0000000000000000000000000000000f
70 act.opened pending kind=issue user=555000000033 serials=00000000000000000000000000000010,00000000000000000000000000000011
400 crl.stored issuer/0 number=2 sha256=a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139`

// makeFirstForm makes that ledger in a folder.
func makeFirstForm(t *testing.T, folder string) {
	t.Helper()
	db, err := crashtest.OpenDB(folder)
	require.NoError(t, err)
	store, err := sqlkit.Open(t.Context(), sqlkit.Config{DB: db, Migrations: os.DirFS("migrations"), Table: "pki_migrations"})
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(store.Close(), db.Close())) }()
	require.NoError(t, store.Write(t.Context(), func(ctx context.Context, tx *sqlkit.Tx) error {
		for _, statement := range strings.Split(firstForm, ";") {
			statement, args := bound(statement)
			if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		for _, row := range strings.Split(strings.TrimSpace(firstRows), "\n") {
			words := strings.SplitN(row, " ", 4)
			after, err := time.ParseDuration(words[0] + "s")
			if err != nil {
				return err
			}
			_, err = chain.Append(ctx, tx, "pki", chain.Entry{At: today.Add(after), Actor: "pki", Action: words[1], Subject: words[2], Detail: words[3]})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// bound puts the bytes of the words behind $, or with # their SHA-256, in place of
// those.
func bound(statement string) (string, []any) {
	parts := strings.Split(statement, "$")
	var args []any
	for i, part := range parts[1:] {
		end := strings.IndexAny(part, ",)")
		word := []byte(part[:end])
		if word[0] == '#' {
			sum := sha256.Sum256(word[1:])
			word = sum[:]
		}
		args = append(args, word)
		parts[i+1] = fmt.Sprint("$", i+1, part[end:])
	}
	return strings.Join(parts, ""), args
}

// Rows of the first form are held against the tables as far as they say something.
func TestVerifyAuditOfTheFirstForm(t *testing.T) {
	const revoked, held = `SELECT '0000000000000000000000000000000a'`, `SELECT '0000000000000000000000000000000b'`
	const list, issued, closed = `SELECT 'issuer/0'`, `SELECT 'issued'`, `SELECT 'closed'`
	onBoth(t, makeFirstForm, []tampering{
		{"a revocation is undone", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0, changed = 0` + ofCert, certs, revoked, true},
		{"and its count kept", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0` + ofCert, certs, revoked, true},
		{"a compromise becomes another reason", `UPDATE pki_certificates SET reason = 4` + ofCert, certs, revoked, true},
		{"a hold is released", `UPDATE pki_certificates SET state = 'good', reason = 0, revoked_at = 0` + ofCert, certs, held, true},
		{"a certificate is revoked", `UPDATE pki_certificates SET state = 'revoked', reason = 1, changed = 1` + ofCert, certs, `SELECT '0000000000000000000000000000000f'`, false},
		{"a certificate is gone", `DELETE FROM pki_certificates` + ofPair, acts, issued, true},
		{"a certificate is of another person", `UPDATE pki_acts SET user_id = '999999999999'` + ofAct, acts, issued, true},
		{"an act was opened later", `UPDATE pki_acts SET opened = opened + 1` + ofAct, acts, issued, true},
		{"a closed act is committed", `UPDATE pki_acts SET state = 'good'` + ofAct, acts, closed, true},
		{"a closed certificate has another reason", `UPDATE pki_certificates SET reason = 1` + ofPair, acts, closed, true},
		{"a closed certificate is dated later", `UPDATE pki_certificates SET revoked_at = revoked_at + 1` + ofPair, acts, closed, true},
		{"both are", `UPDATE pki_certificates SET revoked_at = revoked_at + 1 WHERE act = '{key}'`, acts, closed, true},
		{"a closed certificate's change is another", `UPDATE pki_certificates SET changed = 7` + ofPair, acts, closed, true},
		{"a pending act is committed", `UPDATE pki_acts SET state = 'good'` + ofAct, acts, `SELECT 'pending'`, true},
		{"an act is put in", `INSERT INTO pki_acts SELECT 'new', kind, issuer, fingerprint, subject, user_id, lineage, generation, opened, state FROM pki_acts WHERE id = 'pending'`, acts, `SELECT 'new'`, false},
		{"a list is another", `UPDATE pki_shards SET crl = 'x'` + ofList, shards, list, true},
		{"a list's number is lowered", `UPDATE pki_shards SET number = 1` + ofList, shards, list, true},
		{"the numbers begin again", `UPDATE pki_shards SET reserved = 0` + ofList, shards, list, true},
		{"changes are forgotten", `UPDATE pki_shards SET changed = 4` + ofList, shards, list, true},
	})
	t.Run("goes on in today's", func(t *testing.T) {
		ledger, _ := openFirstForm(t)
		rows, err := ledger.VerifyAudit(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 14, rows)
		goOn(t, ledger)
		rows, err = ledger.VerifyAudit(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 19, rows)
	})
	t.Run("what it doesn't say", func(t *testing.T) {
		ledger, db := openFirstForm(t)
		for _, deed := range []string{
			`UPDATE pki_acts SET fingerprint = 'x', subject = 'x', lineage = 'x', generation = 2 WHERE id = 'issued'`,
			`UPDATE pki_certificates SET not_after = not_after + 1, der = 'x' WHERE act = 'issued'`,
			`UPDATE pki_certificates SET revoked_at = revoked_at + 1 WHERE act = 'issued'`,
			`UPDATE pki_shards SET next_update = next_update + 1, covers = 4 WHERE shard = 0`,
		} {
			_, err := db.Exec(deed)
			require.NoError(t, err)
			_, err = ledger.VerifyAudit(t.Context())
			require.NoError(t, err, "it is seen: say so in VerifyAudit's comment")
		}
	})
	t.Run("a count that no change has", func(t *testing.T) {
		ledger, db := openFirstForm(t)
		_, err := db.Exec(`UPDATE pki_certificates SET changed = 9 WHERE serial = '0000000000000000000000000000000a'`)
		require.NoError(t, err)
		_, err = ledger.VerifyAudit(t.Context())
		require.Error(t, err)
	})
}

func openFirstForm(t *testing.T) (*sqlstore.Ledger, *sql.DB) {
	t.Helper()
	folder := t.TempDir()
	makeFirstForm(t, folder)
	db, err := crashtest.OpenDB(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return ledgerOn(t, db), db
}

// goOn changes something of everything.
func goOn(t *testing.T, ledger *sqlstore.Ledger) {
	t.Helper()
	ctx, now := t.Context(), today.Add(time.Hour)
	pending, err := ledger.Act(ctx, "pending")
	require.NoError(t, err)
	pending.Records[0].DER, pending.Records[1].DER = []byte("a"), []byte("s")
	_, err = ledger.CommitAct(ctx, pending, now)
	require.NoError(t, err)
	revise := func(serial int64, state pki.State, reason int) {
		_, err := ledger.Revise(ctx, big.NewInt(serial), now, func(r pki.Record) (pki.Record, error) {
			r.State, r.Reason, r.RevokedAt = state, reason, now
			return r, nil
		})
		require.NoError(t, err)
	}
	revise(0x0b, pki.Revoked, pki.Superseded)
	revise(0x10, pki.Held, pki.CertificateHold)
	_, err = ledger.OpenAct(ctx, madeAct(t, "new", "issuer", now), nil)
	require.NoError(t, err)
	plan, err := ledger.ReserveCRL(ctx, "issuer", 0, now)
	require.NoError(t, err)
	require.EqualValues(t, 3, plan.Number)
	require.Len(t, plan.Entries, 4)
	require.NoError(t, ledger.StoreCRL(ctx, pki.CRL{Issuer: "issuer", Number: plan.Number, Covers: plan.Covers, ThisUpdate: now, NextUpdate: now.Add(time.Hour), DER: []byte("list 3")}))
}
