// SPDX-License-Identifier: Apache-2.0

// Package pkitest is a certificate authority for tests: in memory, on a clock
// that the test moves, with a pair of certificates in every state there is.
//
//	ca := pkitest.New(t, pkitest.Config{})
//	expired := ca.Pair(pkitest.Expired)
//	err := ca.Verify(ctx, expired.Certificates[0]) // pki.ErrExpired
//
// The hierarchy, the profile, the refusals, OCSP and lists are those of package
// pki itself; only the ledger is a plain one (Memory), and the keys are made in
// the process: with cryptotest.SetGlobalRandom, the same ones for the same seed.
// TestLedger is the suite that every pki.Ledger passes.
package pkitest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// State is a state that a pair of certificates can be in.
type State int

// The states. The zero value is none of them.
const (
	Good         State = iota + 1 // issued today
	RenewalOpen                   // ends in 30 days, or in half of a shorter window
	Expired                       // ended yesterday or before
	Held                          // issued today and on hold
	Revoked                       // issued today and revoked, key compromise
	Superseded                    // as RenewalOpen, and was renewed
	Foreign                       // like Good, but of another authority with the same names: a wrong issuer
	NotYetValid                   // begins tomorrow; of the person of Good
	WrongPurpose                  // of the person of Good, but the first is a TLS server's and the second signs in
)

// Config says what to build.
type Config struct {
	// Ledger, default a new Memory.
	Ledger pki.Ledger
	// Profile, with a Base and a UPNSuffix where those are empty.
	Profile pki.ProfileConfig
	// Now is the calendar, default a Clock at 09:00 UTC on 5 January 2026. The
	// pairs that need a past are made up to three years before it.
	Now func() time.Time
}

func (c Config) withDefaults() (Config, *Clock) {
	clock := NewClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	if c.Ledger == nil {
		c.Ledger = &Memory{}
	}
	if c.Profile.Base == "" {
		c.Profile.Base = "http://pki.example.org"
	}
	if c.Profile.UPNSuffix == "" {
		c.Profile.UPNSuffix = "care.example.org"
	}
	if c.Profile.Years == 0 {
		c.Profile.Years = 3
	}
	if c.Now == nil {
		c.Now = clock.Now
	} else {
		clock = nil
	}
	return c, clock
}

// Clock is a calendar that only moves when it is told to.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that stands at an instant.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now returns where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Set moves the clock, backwards too.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// Add moves the clock by a duration.
func (c *Clock) Add(d time.Duration) { c.Set(c.Now().Add(d)) }

// CA is an authority for tests.
type CA struct {
	*pki.CA
	// Clock is the calendar, nil if the Config brought one.
	Clock *Clock
	// Authority holds the issuing key, for tests that sign by themselves.
	Authority *stepca.Authority
	// Ledger is what the CA stands on.
	Ledger pki.Ledger

	mu    sync.Mutex
	made  int // users and renewals, for their numbers
	pairs map[State]Pair
}

// Pair is two certificates with their keys, authentication and signing.
type Pair struct {
	UserID       string
	Certificates []*x509.Certificate
	Keys         []crypto.Signer
}

// New is Open for a test that fails if it can't.
func New(t testing.TB, c Config) *CA {
	t.Helper()
	ca, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ca.Close(); err != nil {
			t.Error(err)
		}
	})
	return ca
}

// Open builds an authority with a pair in every state.
func Open(c Config) (*CA, error) {
	c, clock := c.withDefaults()
	// Until the pairs stand, the calendar is the builder's.
	past := NewClock(c.Now().AddDate(-3, 0, -10))
	ready := make(chan struct{})
	now := func() time.Time {
		select {
		case <-ready:
			return c.Now()
		default:
			return past.Now()
		}
	}
	profile, err := pki.NewProfile(c.Profile)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	authority, err := stepca.Open(ctx, stepca.Config{Now: past.Now})
	if err != nil {
		return nil, err
	}
	core, err := pki.New(pki.Config{Signer: authority, SignerVerifies: true, Chain: authority.Chain(), Ledger: c.Ledger, Profile: profile, Now: now})
	if err != nil {
		return nil, err
	}
	ca := &CA{CA: core, Clock: clock, Authority: authority, Ledger: c.Ledger, pairs: map[State]Pair{}}
	if err := ca.populate(ctx, past, c.Now(), c.Profile.Years); err != nil {
		return nil, err
	}
	if err := ca.bend(ctx, c.Now()); err != nil {
		return nil, err
	}
	if ca.pairs[Foreign], err = foreign(ctx, profile, c.Now()); err != nil {
		return nil, err
	}
	close(ready)
	return ca, nil
}

// Close gives back what the authority holds.
func (ca *CA) Close() error { return ca.Authority.Close() }

// Pair returns the pair of a state as it was made when the authority was built,
// and an empty one for what is no state.
func (ca *CA) Pair(s State) Pair {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.pairs[s]
}

// populate makes the pairs, the oldest first, since an authority's calendar
// doesn't go back.
func (ca *CA) populate(ctx context.Context, past *Clock, today time.Time, years int) error {
	var err error
	issueAt := func(at time.Time, states ...State) {
		past.Set(at)
		for _, s := range states {
			if err == nil {
				ca.pairs[s], err = ca.NewPair(ctx)
			}
		}
	}
	issueAt(past.Now(), Expired)
	issueAt(ca.ending(today, years), RenewalOpen, Superseded)
	issueAt(today, Good, Held, Revoked)
	if err != nil {
		return err
	}
	_, renewal := ca.RenewPair(ctx, ca.pairs[Superseded])
	errs := []error{renewal}
	for _, cert := range ca.pairs[Held].Certificates {
		errs = append(errs, ca.Revoke(ctx, cert, 6, today))
	}
	for _, cert := range ca.pairs[Revoked].Certificates {
		errs = append(errs, ca.Revoke(ctx, cert, 1, today))
	}
	return errors.Join(errs...)
}

// ending is when a pair was issued that can be renewed today.
func (ca *CA) ending(today time.Time, years int) time.Time {
	opens, closes := ca.Profile().Window(today)
	return today.Add(min(30*24*time.Hour, closes.Sub(opens)/2)).AddDate(-years, 0, 0)
}

// foreign makes a pair of an authority that shares the names but not the key.
func foreign(ctx context.Context, profile pki.Profile, at time.Time) (Pair, error) {
	now := func() time.Time { return at }
	authority, err := stepca.Open(ctx, stepca.Config{Now: now})
	if err != nil {
		return Pair{}, err
	}
	core, err := pki.New(pki.Config{Signer: authority, SignerVerifies: true, Chain: authority.Chain(), Ledger: &Memory{}, Profile: profile, Now: now})
	if err != nil {
		return Pair{}, err
	}
	return (&CA{CA: core}).NewPair(ctx)
}

func (ca *CA) next() int {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.made++
	return ca.made
}

// NewPair makes a pair for a person who doesn't exist yet.
func (ca *CA) NewPair(ctx context.Context) (Pair, error) {
	id := fmt.Sprintf("%012d", 550000000000+ca.next())
	keys, csrs, err := Requests()
	if err != nil {
		return Pair{}, err
	}
	certs, err := ca.Issue(ctx, "pkitest-"+id, pkix.Name{CommonName: "Person " + id, SerialNumber: id}, csrs)
	return Pair{UserID: id, Certificates: certs, Keys: keys}, err
}

// RenewPair makes the next pair of a lineage with new keys, under an act of its
// own each time.
func (ca *CA) RenewPair(ctx context.Context, old Pair) (Pair, error) {
	keys, csrs, err := Requests()
	if err != nil {
		return Pair{}, err
	}
	certs, err := ca.Renew(ctx, fmt.Sprintf("pkitest-renew-%d", ca.next()), old.Certificates, csrs)
	return Pair{UserID: old.UserID, Certificates: certs, Keys: keys}, err
}

// Requests makes two P-256 keys with a request each, as a card does.
func Requests() ([]crypto.Signer, []*x509.CertificateRequest, error) {
	var keys []crypto.Signer
	var csrs []*x509.CertificateRequest
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		csr, err := Request(key)
		if err != nil {
			return nil, nil, err
		}
		keys, csrs = append(keys, key), append(csrs, csr)
	}
	return keys, csrs, nil
}

// Request makes a certificate request that proves possession of a key.
func Request(key crypto.Signer) (*x509.CertificateRequest, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}
