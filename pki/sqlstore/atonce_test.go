// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// crowd is three authorities on one file, and what they returned.
type crowd struct {
	t         *testing.T
	clock     *pkitest.Clock
	authority *stepca.Authority
	servers   []*pki.CA
	name      pkix.Name

	mu       sync.Mutex
	returned map[string]string // act → its certificates
	pairs    [][]*x509.Certificate
	revoked  map[string]bool // serials that were confirmed as revoked for good
}

func newCrowd(t *testing.T, open func() *sqlstore.Ledger) *crowd {
	c := &crowd{
		t: t, clock: pkitest.NewClock(today), name: pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"},
		returned: map[string]string{}, revoked: map[string]bool{},
	}
	var err error
	c.authority, err = stepca.Open(t.Context(), stepca.Config{Now: func() time.Time { return today }})
	require.NoError(t, err)
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org", Shards: 2})
	require.NoError(t, err)
	for range 3 {
		ca, err := pki.New(pki.Config{Signer: c.authority, Chain: c.authority.Chain(), Ledger: open(), Profile: profile, Now: c.clock.Now})
		require.NoError(t, err)
		c.servers = append(c.servers, ca)
	}
	return c
}

func (c *crowd) any() *pki.CA { return c.servers[rand.IntN(len(c.servers))] }

// keep notes an answer, which must be that of every other answer to the act.
func (c *crowd) keep(act string, pair []*x509.Certificate, err error, expected ...error) {
	if err != nil {
		for _, e := range expected {
			if errors.Is(err, e) {
				return
			}
		}
		c.t.Errorf("%s: %v", act, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	raw := string(pair[0].Raw) + string(pair[1].Raw)
	if before, ok := c.returned[act]; ok && before != raw {
		c.t.Errorf("%s has two answers", act)
	} else if !ok {
		c.pairs = append(c.pairs, pair)
	}
	c.returned[act] = raw
}

func (c *crowd) revoke(cert *x509.Certificate, reason int) {
	err := c.any().Revoke(c.t.Context(), cert, reason, time.Time{})
	if err != nil && !(reason == 8 && errors.Is(err, pki.ErrRevoked)) {
		c.t.Errorf("revoke: %v", err)
	}
	if err == nil && reason != 6 && reason != 8 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.revoked[cert.SerialNumber.Text(16)] = true
	}
}

// Three servers on one ledger issue, renew, revoke, hold, release and
// publish at once, the same acts and different ones. Each act has one answer, a
// lineage at most one pair that may be renewed, no confirmed revocation is lost,
// list numbers are used once, and the audit holds.
func TestManyServersAtOnce(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		manyServers(newCrowd(t, func() *sqlstore.Ledger { return openAt(t, path) }))
	})
	t.Run("postgres", func(t *testing.T) {
		db := postgrestest.Open(t)
		manyServers(newCrowd(t, func() *sqlstore.Ledger {
			ledger, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, ledger.Close()) })
			return ledger
		}))
	})
}

func manyServers(c *crowd) {
	t := c.t
	const lineages = 6
	requests := map[string][]*x509.CertificateRequest{}
	for l := range lineages {
		for _, act := range []string{"issue", "renew-a", "renew-b"} {
			_, csrs, err := pkitest.Requests()
			require.NoError(t, err)
			requests[fmt.Sprint(act, l)] = csrs
		}
	}
	var wg sync.WaitGroup
	for l := range lineages {
		for range 4 {
			wg.Go(func() {
				act := fmt.Sprint("issue", l)
				pair, err := c.any().Issue(t.Context(), act, c.name, requests[act])
				c.keep(act, pair, err)
				other := c.name
				other.CommonName = "Someone Else"
				_, err = c.any().Issue(t.Context(), act, other, requests[act])
				if !errors.Is(err, pki.ErrActConflict) {
					t.Errorf("another subject: %v", err)
				}
			})
		}
	}
	wg.Wait()
	require.Len(t, c.pairs, lineages)
	first := c.pairs
	c.clock.Set(first[0][0].NotAfter.Add(-24 * time.Hour))

	var numbers sync.Map // shard and number of each list → its hash
	for l, pair := range first {
		for round := range 3 {
			for _, act := range []string{fmt.Sprint("renew-a", l), fmt.Sprint("renew-b", l)} {
				wg.Go(func() {
					renewed, err := c.any().Renew(t.Context(), act, pair, requests[act])
					c.keep(act, renewed, err, pki.ErrSuperseded, pki.ErrHeld, pki.ErrRevoked)
				})
			}
			wg.Go(func() {
				switch {
				case l%3 == 0 && round == 1:
					c.revoke(pair[0], 1)
				case l%3 == 1:
					c.revoke(pair[1], 6)
					c.revoke(pair[1], 8)
				}
			})
			wg.Go(func() {
				if _, err := c.any().Due(t.Context()); err != nil {
					t.Errorf("due: %v", err)
				}
				for shard := range 2 {
					c.fetch(shard, &numbers)
				}
			})
		}
	}
	wg.Wait()

	newest := map[string]int{}
	for _, pair := range c.pairs {
		s, err := c.any().Status(t.Context(), pair[0].SerialNumber)
		require.NoError(t, err)
		require.Equal(t, pair[0].Raw, s.DER)
		if s.Generation == 2 {
			newest[s.Lineage]++
		}
	}
	for lineage, n := range newest {
		require.Equal(t, 1, n, "lineage %s was renewed more than once", lineage)
	}
	require.NotEmpty(t, newest)
	for serial := range c.revoked {
		n, ok := new(big.Int).SetString(serial, 16)
		require.True(t, ok)
		s, err := c.any().Status(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, pki.Revoked, s.State)
		require.Contains(t, c.fetch(s.Shard, &numbers), serial)
	}
	require.NotEmpty(t, c.revoked)
	_, err := c.any().VerifyAudit(t.Context())
	require.NoError(t, err)
}

// fetch returns the serials on a shard's list as some server publishes it, and
// checks that no number has two lists.
func (c *crowd) fetch(shard int, numbers *sync.Map) []string {
	w := httptest.NewRecorder()
	c.any().PublishHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/crl/%d.crl", shard), nil))
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	if err != nil {
		c.t.Errorf("list %d: %d %v", shard, w.Code, err)
		return nil
	}
	if before, known := numbers.LoadOrStore(fmt.Sprint(shard, list.Number), w.Body.String()); known && before != w.Body.String() {
		c.t.Errorf("two lists %d with number %d", shard, list.Number)
	}
	var out []string
	for _, e := range list.RevokedCertificateEntries {
		out = append(out, e.SerialNumber.Text(16))
	}
	return out
}
