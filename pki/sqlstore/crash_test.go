// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

const (
	childAct = "WARDKEY_TEST_CHILD_ACT"
	childNow = "WARDKEY_TEST_CHILD_NOW"
)

func TestMain(m *testing.M) {
	if dir := crashtest.Folder(); dir != "" {
		now, err := time.Parse(time.RFC3339, os.Getenv(childNow))
		if err == nil {
			err = issueToPublish(dir, os.Getenv(childAct), now)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// do issues and renews a pair, and notes on disk what was returned each time.
func (s *site) do(act string) (renewed []*x509.Certificate, err error) {
	ctx := context.Background()
	csrs, err := storedRequests(s.dir, act)
	if err != nil {
		return nil, err
	}
	certs, err := s.Issue(ctx, act, pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs)
	if err := errors.Join(err, s.note(act, certs)); err != nil {
		return nil, err
	}
	if csrs, err = storedRequests(s.dir, act+"-renewal"); err != nil {
		return nil, err
	}
	renewed, err = s.Renew(ctx, act+"-renewal", certs, csrs)
	return renewed, errors.Join(err, s.note(act+"-renewal", renewed))
}

func (s *site) note(act string, certs []*x509.Certificate) error {
	if len(certs) != 2 {
		return nil
	}
	return appendLine(filepath.Join(s.dir, "returned"), fmt.Sprintf("%s %x %x", act, certs[0].SerialNumber, certs[1].SerialNumber))
}

// issueToPublish is what the killed process does.
func issueToPublish(dir, act string, now time.Time) error {
	s, err := openSite(dir, now)
	if err != nil {
		return err
	}
	certs, err := s.do(act)
	if err != nil {
		return err
	}
	if err := s.Revoke(context.Background(), certs[1], pki.KeyCompromise, time.Time{}); err != nil {
		return err
	}
	if err := appendLine(filepath.Join(dir, "revoked"), fmt.Sprintf("%x", certs[1].SerialNumber)); err != nil {
		return err
	}
	if err := s.publish(); err != nil {
		return err
	}
	return s.close()
}

func (s *site) publish() error {
	_, err := s.Due(context.Background())
	return errors.Join(err, s.Publish(context.Background(), filepath.Join(s.dir, "www")))
}

// Killed at any write, the authority has no certificate that its ledger doesn't
// know, loses none that it returned, forgets no revocation that it confirmed, and
// uses no list's number twice.
//
// step-ca signs first and stores afterwards, so a kill between the two leaves a
// certificate that nobody can list or revoke; TestSignThenStore shows that order.
func TestKilledAtEveryWrite(t *testing.T) {
	need.Tool(t, "strace")
	t.Run("threat028", func(t *testing.T) {
		t.Run("sqlite", func(t *testing.T) {
			killEverywhere(t, t.TempDir(), "write", "pwrite64", "fsync,fdatasync", "rename,renameat,renameat2")
		})
		t.Run("postgres", func(t *testing.T) {
			db := postgrestest.Open(t)
			dir := t.TempDir()
			crashtest.UsePostgres(t, dir, db, "postgres")
			killEverywhere(t, dir, "write", "fsync,fdatasync", "rename,renameat,renameat2")
		})
	})
}

func killEverywhere(t *testing.T, dir string, calls ...string) {
	makeHierarchy(t, dir)
	first, err := openSite(dir, today) // migrates, outside what is counted
	require.NoError(t, err)
	require.NoError(t, first.close())
	seen, kills := map[string]int{}, 0
	now := today
	for _, call := range calls {
		finished := 0
		for k := 1; finished < 2 && k < 1000; k += stride() {
			act := fmt.Sprintf("%s-%d", strings.ReplaceAll(call, ",", "-"), k)
			for _, id := range []string{act, act + "-renewal"} { // stored before, as careid does
				_, err := storedRequests(dir, id)
				require.NoError(t, err)
			}
			now = now.Add(2 * time.Minute)
			if crashtest.Killed(t, dir, call, k, childAct+"="+act, childNow+"="+now.Format(time.RFC3339)) {
				kills++
			} else {
				finished++
			}
			seen[inspect(t, dir, act, now)]++
		}
		require.Equal(t, 2, finished, "the sweep of %s ended before the program did", call)
	}
	t.Logf("found after the kills: %v", seen)
	require.NotZero(t, seen["absent"])
	if !testing.Short() {
		require.NotZero(t, seen["pending, 1 signed"]+seen["pending, 2 signed"], "no kill came between a signature and its commit")
	}
	require.NotZero(t, seen["good, not returned"]+seen["good, returned"])
	signed, unknown := audited(t, dir)
	require.Zero(t, unknown)
	t.Logf("%d kills, %d signatures, %d certificates unknown", kills, signed, unknown)
}

// stride leaves kills out where time is short.
func stride() int {
	if testing.Short() {
		return 9
	}
	return 1
}

// audited counts what was ever signed, and what of it the ledger doesn't know.
func audited(t *testing.T, dir string) (signed, unknown int) {
	t.Helper()
	db, err := crashtest.OpenDB(dir)
	require.NoError(t, err)
	ledger, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	for _, hex := range lines(t, filepath.Join(dir, "signed")) {
		serial, ok := new(big.Int).SetString(hex, 16)
		require.True(t, ok)
		r, err := ledger.Record(t.Context(), serial)
		if signed++; err != nil || r.State == pki.Pending {
			unknown++
		}
	}
	require.NoError(t, errors.Join(ledger.Close(), db.Close()))
	return signed, unknown
}

// inspect looks at what a kill left, checks it, lets the authority recover and
// checks again. It returns a word for the act's state before that.
func inspect(t *testing.T, dir, act string, now time.Time) string {
	t.Helper()
	db, err := crashtest.OpenDB(dir)
	require.NoError(t, err)
	ledger, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	signed := lines(t, filepath.Join(dir, "signed"))
	for _, hex := range signed {
		serial, ok := new(big.Int).SetString(hex, 16)
		require.True(t, ok)
		_, err := ledger.Record(t.Context(), serial)
		require.NoError(t, err, "signed and unknown: %s", hex)
	}
	state := stateOf(t, ledger, dir, act, signed)
	if data, err := os.ReadFile(filepath.Join(dir, "www", "crl", "0.crl")); err == nil {
		_, err := x509.ParseRevocationList(data)
		require.NoError(t, err, "half a list is published")
	}
	require.NoError(t, errors.Join(ledger.Close(), db.Close()))

	s, err := openSite(dir, now)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	later, err := openSite(dir, now.Add(time.Minute)) // an OCSP signer's act may be under way for that long
	require.NoError(t, err)
	require.NoError(t, later.publish())
	pending, err := later.ledger.PendingActs(t.Context(), s.KeyID(), now)
	require.NoError(t, err)
	require.Empty(t, pending, "forgotten")
	listed := publishedEntries(t, later)
	require.NoError(t, later.close())
	certs, err := s.do(act)
	require.NoError(t, err)
	again, err := s.do(act)
	require.NoError(t, err)
	require.Equal(t, certs[0].Raw, again[0].Raw)
	for _, line := range lines(t, filepath.Join(dir, "returned")) {
		f := strings.Fields(line)
		known, err := s.ledger.Act(t.Context(), f[0])
		require.NoError(t, err)
		require.Equal(t, f[1:], []string{fmt.Sprintf("%x", known.Records[0].Serial), fmt.Sprintf("%x", known.Records[1].Serial)})
	}
	for _, hex := range lines(t, filepath.Join(dir, "revoked")) {
		serial, _ := new(big.Int).SetString(hex, 16)
		status, err := s.Status(t.Context(), serial)
		require.NoError(t, err)
		require.Equal(t, pki.Revoked, status.State)
		require.Contains(t, listed, hex)
	}
	numbers := lines(t, filepath.Join(dir, "signed-lists"))
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(numbers))), len(numbers), "a list's number was used twice")
	_, err = s.VerifyAudit(t.Context())
	require.NoError(t, err)
	return state
}

// publishedEntries are the serials on the list that stands in the folder.
func publishedEntries(t *testing.T, s *site) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "www", "crl", "0.crl"))
	require.NoError(t, err)
	list, err := x509.ParseRevocationList(data)
	require.NoError(t, err)
	require.NoError(t, list.CheckSignatureFrom(s.Chain()[0]))
	var out []string
	for _, e := range list.RevokedCertificateEntries {
		out = append(out, fmt.Sprintf("%x", e.SerialNumber))
	}
	return out
}

func stateOf(t *testing.T, ledger *sqlstore.Ledger, dir, id string, signed []string) string {
	t.Helper()
	act, err := ledger.Act(t.Context(), id)
	if errors.Is(err, pki.ErrUnknownAct) {
		return "absent"
	}
	require.NoError(t, err)
	if act.State == pki.Pending {
		n := 0
		for _, r := range act.Records {
			if strings.Contains(strings.Join(signed, "\n"), fmt.Sprintf("%x", r.Serial)) {
				n++
			}
		}
		return fmt.Sprintf("pending, %d signed", n)
	}
	for _, line := range lines(t, filepath.Join(dir, "returned")) {
		if strings.HasPrefix(line, id+" ") {
			return "good, returned"
		}
	}
	return "good, not returned"
}
