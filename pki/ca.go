// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"sync/atomic"
	"time"
)

// Config is what an authority is made of.
type Config struct {
	// Signer is the issuing key. One that fails three times in a row is left alone
	// for ten seconds by Wall, in which everything that needs it fails at once with
	// ErrSignerUnavailable; acts stay open and are finished later. A call that isn't
	// over within half a minute, and a millisecond more for each entry of a list, is
	// a failure, and so is a panic, which is logged with its stack. While three
	// calls hang, there is no other. Required.
	Signer Signer
	// SignerVerifies says that Signer verifies each signature under the issuing
	// key before it returns, as pki/stepca does (crypto/x509.CreateCertificate). Then
	// only the first is verified again, which shows that Signer and Chain belong
	// together; what was signed is compared each time. Of a signer that says so and
	// doesn't, certificates with a bad signature are committed and returned. A
	// verification is a sixth of what issuing a pair costs.
	SignerVerifies bool
	// Chain is the issuing CA's certificate, then those above it, the root
	// last. Required.
	Chain   []*x509.Certificate
	Ledger  Ledger  // Required
	Profile Profile // from NewProfile. Required

	// Compromised reports whether a key is known to be in wrong hands, by the
	// SHA-256 of its SubjectPublicKeyInfo, as lists of such keys are published.
	// Issue and Renew refuse it with ErrWeakKey, in a repeated act too. It must be
	// quick. nil knows none.
	Compromised func(spki [sha256.Size]byte) bool

	// CRLLife is the time from thisUpdate to nextUpdate of a list, default 24
	// hours. A list is signed anew before two thirds of it have passed.
	CRLLife time.Duration
	// OCSPLife is the same for OCSP responses, default 12 hours. One is signed
	// anew when half of it has passed.
	OCSPLife time.Duration

	// Remind is called by Due when a pair that wasn't renewed has 90, 30, 7 and 1
	// times 24 hours left, once for each pair and threshold, whatever restarts
	// and however many servers there are. An error is returned by Due. After one,
	// and where nobody knows how a call ended, since the process or the ledger died
	// during it, the reminder comes again after ten minutes by the calendar, and so
	// it does when a call takes longer. Held pairs wait until they are released.
	// nil reminds nobody; what came due meanwhile is sent once it is set, the last
	// threshold alone.
	Remind func(context.Context, Reminder) error

	Now     func() time.Time             // the calendar; default time.Now
	Wall    func() time.Time             // the machine's clock, for pauses after a failure; default time.Now
	Rand    io.Reader                    // for serial numbers only; default crypto/rand
	Log     *slog.Logger                 // nil is silent
	Observe func(context.Context, Event) // nil is deaf
}

func (c Config) withDefaults() Config {
	if c.CRLLife == 0 {
		c.CRLLife = 24 * time.Hour
	}
	if c.OCSPLife == 0 {
		c.OCSPLife = 12 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Event) {}
	}
	return c
}

// CA is a certificate authority: a profile, a ledger and an issuing key. Its
// methods may be called at the same time, and any number of CAs, in any number
// of processes, may stand on one ledger.
type CA struct {
	signer  Signer
	chain   []*x509.Certificate
	issuer  *x509.Certificate
	ends    time.Time // of the chain: nothing is signed to last longer
	keyID   string    // SHA-256 of the issuing key, hex: its name in the ledger
	ledger  Ledger
	profile Profile
	crlLife time.Duration
	ocsp    *responder
	lists   *listCache
	acts    *keyedMutex
	stuck   atomic.Pointer[map[string]bool] // acts that the log says stay open
	now     func() time.Time
	wall    func() time.Time
	rand    io.Reader
	log     *slog.Logger
	observe func(context.Context, Event)

	signerVerifies bool
	signerMatches  atomic.Bool // it has made a signature that Chain verifies

	compromised func([sha256.Size]byte) bool
	reminder    func(context.Context, Reminder) error
	encoded     map[encodedKey][]pkix.Extension // never changed after New
}

// New checks the chain, makes the issuing CA known to the ledger, and finishes
// or closes the acts that a crash left open there. What the signer can't do now
// stays open; Due and a repeated call of Issue or Renew try again.
func New(c Config) (*CA, error) {
	c = c.withDefaults()
	switch {
	case c.Signer == nil || c.Ledger == nil:
		return nil, errors.New("pki: Config needs a Signer and a Ledger")
	case c.Profile.shards == 0:
		return nil, errors.New("pki: Config needs a Profile from NewProfile")
	case c.CRLLife < time.Minute || c.OCSPLife < time.Minute:
		return nil, errors.New("pki: CRLLife and OCSPLife are at least a minute")
	}
	if err := checkChain(c.Chain); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(c.Chain[0].RawSubjectPublicKeyInfo)
	ca := &CA{
		signer: &breaker{signer: c.Signer, wall: c.Wall, log: c.Log}, chain: c.Chain, issuer: c.Chain[0], ends: earliestEnd(c.Chain), keyID: hex.EncodeToString(sum[:]),
		ledger: c.Ledger, profile: c.Profile, crlLife: c.CRLLife, lists: newListCache(c.Profile.shards),
		acts: newKeyedMutex(), now: c.Now, wall: c.Wall, rand: c.Rand, log: c.Log, observe: c.Observe,
		compromised: c.Compromised, reminder: c.Remind, signerVerifies: c.SignerVerifies,
	}
	ca.stuck.Store(&map[string]bool{})
	var err error
	if ca.encoded, err = c.Profile.encodeAll(ca.issuer); err != nil {
		return nil, err
	}
	if ca.ocsp, err = newResponder(ca, c.OCSPLife); err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := ca.ledger.Register(ctx, ca.keyID, ca.profile.shards, second(ca.now())); err != nil {
		return nil, fmt.Errorf("pki: register issuing CA: %w", err)
	}
	if err := ca.recover(ctx, second(ca.now())); err != nil {
		return nil, fmt.Errorf("pki: unfinished acts: %w", err)
	}
	return ca, nil
}

// Chain returns the issuing CA's certificate, then those above it.
func (ca *CA) Chain() []*x509.Certificate { return append([]*x509.Certificate(nil), ca.chain...) }

// KeyID names the issuing CA in the ledger: the SHA-256 of its public key, hex.
func (ca *CA) KeyID() string { return ca.keyID }

// Profile returns the profile that certificates are issued by today.
func (ca *CA) Profile() Profile { return ca.profile }

// Status is what the authority knows about a serial number.
type Status struct {
	Record
	// Expired: Now is after NotAfter.
	Expired bool
	// Opens and Closes are the renewal window, both inclusive. That it is open
	// doesn't mean that Renew will do: the pair may be revoked or not the
	// newest.
	Opens, Closes time.Time
}

// Status returns what the ledger holds about a serial number, with State
// Unknown and no error when it holds nothing.
func (ca *CA) Status(ctx context.Context, serial *big.Int) (Status, error) {
	r, err := ca.record(ctx, serial)
	if errors.Is(err, ErrUnknownCertificate) {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, err
	}
	s := Status{Record: r, Expired: second(ca.now()).After(r.NotAfter)}
	s.Opens, s.Closes = ca.profile.Window(r.NotAfter)
	return s, nil
}

// Verify proves that a certificate is one of this authority's and good at Now:
// signed by its issuing CA, byte-equal to the ledger, not revoked or on hold,
// and, looked at last, within its dates and those of the chain above. Errors:
// ErrUnknownCertificate, ErrRevoked, ErrHeld, ErrExpired, ErrNotYetValid, or
// the ledger's. It doesn't prove that the caller holds the key, nor what the
// certificate may be used for. RFC 5280 §6.1.
func (ca *CA) Verify(ctx context.Context, cert *x509.Certificate) error {
	r, err := ca.find(ctx, cert)
	if err != nil {
		return err
	}
	if err := r.refusal(); err != nil {
		return err
	}
	now := second(ca.now())
	if err := within(now, r.NotBefore, r.NotAfter); err != nil {
		return err
	}
	for _, c := range ca.chain {
		if err := within(now, c.NotBefore, c.NotAfter); err != nil {
			return err
		}
	}
	return nil
}

func within(now, notBefore, notAfter time.Time) error {
	switch {
	case now.After(notAfter):
		return ErrExpired
	case now.Before(notBefore):
		return ErrNotYetValid
	}
	return nil
}

// VerifyAudit checks the ledger's hash-chained audit, and that its certificates,
// acts and lists are what the audit says, and returns the number of the audit's
// rows. The error names the first bad row.
func (ca *CA) VerifyAudit(ctx context.Context) (int64, error) { return ca.ledger.VerifyAudit(ctx) }

// find returns the ledger's record of exactly this certificate.
func (ca *CA) find(ctx context.Context, cert *x509.Certificate) (Record, error) {
	if cert == nil || cert.SerialNumber == nil || cert.CheckSignatureFrom(ca.issuer) != nil {
		return Record{}, ErrUnknownCertificate
	}
	r, err := ca.record(ctx, cert.SerialNumber)
	if err != nil {
		return Record{}, err
	}
	if len(r.DER) == 0 || !bytes.Equal(r.DER, cert.Raw) {
		return Record{}, ErrUnknownCertificate
	}
	return r, nil
}

// validSerial is true for what can stand in a certificate. RFC 5280 §4.1.2.2.
func validSerial(n *big.Int) bool { return n != nil && n.Sign() > 0 && n.BitLen() <= 159 }

// record reads a serial of this issuer.
func (ca *CA) record(ctx context.Context, serial *big.Int) (Record, error) {
	if !validSerial(serial) {
		return Record{}, ErrUnknownCertificate
	}
	r, err := ca.ledger.Record(ctx, serial)
	if err != nil {
		return Record{}, err
	}
	if r.Issuer != ca.keyID {
		return Record{}, ErrUnknownCertificate
	}
	return r, nil
}

// refusal is the error that stands against using a certificate, dates aside.
func (r Record) refusal() error {
	switch r.State {
	case Good:
		return nil
	case Revoked:
		return ErrRevoked
	case Held:
		return ErrHeld
	default:
		return ErrUnknownCertificate
	}
}

func earliestEnd(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, c := range chain[1:] {
		end = earlier(end, c.NotAfter)
	}
	return end
}

func checkChain(chain []*x509.Certificate) error {
	if len(chain) < 2 {
		return errors.New("pki: Chain needs the issuing CA and its root")
	}
	if slices.Contains(chain, nil) {
		return errors.New("pki: chain: a certificate is nil")
	}
	for i, c := range chain {
		above := chain[min(i+1, len(chain)-1)]
		if err := c.CheckSignatureFrom(above); err != nil {
			return fmt.Errorf("pki: chain: certificate %d: %w", i, err)
		}
	}
	if !chain[0].IsCA || chain[0].KeyUsage&x509.KeyUsageCertSign == 0 || chain[0].KeyUsage&x509.KeyUsageCRLSign == 0 || len(chain[0].SubjectKeyId) == 0 {
		return errors.New("pki: the issuing certificate must be a CA's, be able to sign certificates and lists and have a key identifier")
	}
	return nil
}
