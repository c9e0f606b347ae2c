// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

const (
	childDir = "WARDKEY_TEST_CHILD_DIR" // set: this process is the one that gets killed
	childAct = "WARDKEY_TEST_CHILD_ACT"
	childNow = "WARDKEY_TEST_CHILD_NOW"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		now, err := time.Parse(time.RFC3339, os.Getenv(childNow))
		if err == nil {
			err = issueRevokePublish(dir, os.Getenv(childAct), now)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// site is an authority in a folder: what the killed process and the test that
// looks after it share.
type site struct {
	*pki.CA
	dir    string
	ledger *sqlstore.Ledger
	close  func() error
}

var today = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func openSite(dir string, now time.Time) (*site, error) {
	db, err := sqlkit.OpenSQLite(filepath.Join(dir, "ledger.db"))
	if err != nil {
		return nil, err
	}
	ledger, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db})
	if err != nil {
		return nil, err
	}
	chain, key, err := readHierarchy(dir)
	if err != nil {
		return nil, err
	}
	authority, err := stepca.New(chain, key)
	if err != nil {
		return nil, err
	}
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org", Shards: 1})
	if err != nil {
		return nil, err
	}
	ca, err := pki.New(pki.Config{
		Signer: logged{authority, filepath.Join(dir, "signed")}, Chain: chain, Ledger: ledger, Profile: profile,
		Now: func() time.Time { return now },
	})
	if err != nil {
		return nil, err
	}
	return &site{ca, dir, ledger, func() error { return errors.Join(ledger.Close(), db.Close()) }}, nil
}

// logged writes each serial number, and each list's, to disk before it is signed.
type logged struct {
	pki.Signer
	path string
}

func (l logged) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	if err := appendLine(l.path, fmt.Sprintf("%x", template.SerialNumber)); err != nil {
		return nil, err
	}
	return l.Signer.SignCertificate(ctx, template, public)
}

func (l logged) SignCRL(ctx context.Context, template *x509.RevocationList) ([]byte, error) {
	if err := appendLine(l.path+"-lists", template.Number.String()); err != nil {
		return nil, err
	}
	return l.Signer.SignCRL(ctx, template)
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var out []string
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

// makeHierarchy keeps the key in clear: deriving a key from a passphrase in each
// killed process would be most of the test's time.
func makeHierarchy(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a, err := stepca.Open(t.Context(), stepca.Config{IssuingKey: stepca.Held{Signer: key}, Now: func() time.Time { return today.AddDate(-1, 0, 0) }})
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	var all bytes.Buffer
	for _, b := range []pem.Block{{Type: "KEY", Bytes: der}, {Type: "CERTIFICATE", Bytes: a.Chain()[0].Raw}, {Type: "CERTIFICATE", Bytes: a.Chain()[1].Raw}} {
		require.NoError(t, pem.Encode(&all, &b))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hierarchy.pem"), all.Bytes(), 0o600))
}

func readHierarchy(dir string) ([]*x509.Certificate, crypto.Signer, error) {
	data, err := os.ReadFile(filepath.Join(dir, "hierarchy.pem"))
	if err != nil {
		return nil, nil, err
	}
	block, rest := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	var chain []*x509.Certificate
	for block, rest = pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, err
		}
		chain = append(chain, cert)
	}
	return chain, key.(crypto.Signer), nil
}

// storedRequests returns the requests of an act, as careid keeps them before it
// calls: the same ones before and after a crash.
func storedRequests(dir, act string) ([]*x509.CertificateRequest, error) {
	path := filepath.Join(dir, act+".csr")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		_, csrs, err := pkitest.Requests()
		if err != nil {
			return nil, err
		}
		return csrs, os.WriteFile(path, append(csrs[0].Raw, csrs[1].Raw...), 0o600)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	first := 4 + int(data[2])<<8 + int(data[3]) // a SEQUENCE with a two-byte length
	if data[1] == 0x81 {
		first = 3 + int(data[2])
	}
	a, errA := x509.ParseCertificateRequest(data[:first])
	b, errB := x509.ParseCertificateRequest(data[first:])
	return []*x509.CertificateRequest{a, b}, errors.Join(errA, errB)
}

// do issues a pair under an act, and then notes on disk what was returned.
func (s *site) do(act string) ([]*x509.Certificate, error) {
	csrs, err := storedRequests(s.dir, act)
	if err != nil {
		return nil, err
	}
	certs, err := s.Issue(context.Background(), act, pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs)
	if err != nil {
		return nil, err
	}
	return certs, appendLine(filepath.Join(s.dir, "returned"), fmt.Sprintf("%s %x %x", act, certs[0].SerialNumber, certs[1].SerialNumber))
}

// issueRevokePublish is what the killed process does.
func issueRevokePublish(dir, act string, now time.Time) error {
	s, err := openSite(dir, now)
	if err != nil {
		return err
	}
	certs, err := s.do(act)
	if err != nil {
		return err
	}
	if err := s.Revoke(context.Background(), certs[1], 1, time.Time{}); err != nil {
		return err
	}
	if err := appendLine(filepath.Join(dir, "revoked"), fmt.Sprintf("%x", certs[1].SerialNumber)); err != nil {
		return err
	}
	if _, err := s.Due(context.Background()); err != nil {
		return err
	}
	return s.close()
}

// Killed at any write, the authority has no certificate that its ledger doesn't
// know, loses none that it returned, forgets no revocation that it confirmed, and
// uses no list's number twice.
func TestKilledAtEveryWrite(t *testing.T) {
	strace := need.Tool(t, "strace")
	t.Run("threat028", func(t *testing.T) {
		dir := t.TempDir()
		makeHierarchy(t, dir)
		first, err := openSite(dir, today) // migrates, outside what is counted
		require.NoError(t, err)
		require.NoError(t, first.close())
		seen := map[string]int{}
		now := today
		for _, call := range []string{"write", "pwrite64", "fsync,fdatasync"} {
			for k, finished := 1, 0; finished < 2 && k < 90; k++ {
				act := fmt.Sprintf("%s-%d", strings.ReplaceAll(call, ",", "-"), k)
				_, err := storedRequests(dir, act)
				require.NoError(t, err)
				now = now.Add(2 * time.Minute)
				if !killedAt(t, strace, dir, act, call, k, now) {
					finished++
				}
				seen[inspect(t, dir, act, now)]++
			}
		}
		t.Logf("found after the kills: %v", seen)
		require.NotZero(t, seen["absent"])
		require.NotZero(t, seen["pending, 1 signed"]+seen["pending, 2 signed"], "no kill came between a signature and its commit")
		require.NotZero(t, seen["good, not returned"]+seen["good, returned"])
	})
}

// killedAt runs the child and kills it on the way into its k-th call of a kind.
func killedAt(t *testing.T, strace, dir, act, call string, k int, now time.Time) bool {
	t.Helper()
	cmd := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, k), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childAct+"="+act, childNow+"="+now.Format(time.RFC3339), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	status := exit.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, out)
	return true
}

// inspect looks at what a kill left, checks it, lets the authority recover and
// checks again. It returns a word for the act's state before that.
func inspect(t *testing.T, dir, act string, now time.Time) string {
	t.Helper()
	db, err := sqlkit.OpenSQLite(filepath.Join(dir, "ledger.db"))
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
	require.NoError(t, errors.Join(ledger.Close(), db.Close()))

	s, err := openSite(dir, now)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	later, err := openSite(dir, now.Add(time.Minute)) // an OCSP signer's act may be under way for that long
	require.NoError(t, err)
	_, err = later.Due(t.Context())
	require.NoError(t, err)
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

// publishedEntries are the serials on the list that is served.
func publishedEntries(t *testing.T, s *site) []string {
	t.Helper()
	w := httptest.NewRecorder()
	s.PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl/0.crl", nil))
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	require.NoError(t, err)
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
