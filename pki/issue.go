// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// Issue makes a pair of certificates, authentication and signing, that begins a
// new lineage. subject needs CommonName, the person's name, and SerialNumber, the
// 12-digit user id. CN, O and OU may be given as they stand in the subject of an
// earlier certificate, anything else is refused. csrs
// and the result are in the order authentication, signing; only the keys of the
// requests are used.
//
// act is the idempotency key: the same act with the same subject and requests
// returns the certificates that it returned before, at any later time, and
// finishes an act that a crash or the signer interrupted; with others it is
// ErrActConflict. The pair is recorded durably before it is signed and returned
// after it is committed, both or neither.
//
// Errors: ErrSubject, ErrProof, ErrWeakKey, ErrKeyReused, ErrActConflict,
// ErrSignerUnavailable, ErrIssuerExpiring, ErrClock, or the ledger's; after
// those of the signer and the ledger, ask again with the same act. A result
// doesn't prove that the card holds the certificates yet.
// RFC 5280 §4.1, RFC 2986 §3.
func (ca *CA) Issue(ctx context.Context, act string, subject pkix.Name, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	certs, err := ca.issue(ctx, act, subject, csrs)
	if err != nil {
		ca.refused(ctx, act, err)
	}
	return certs, err
}

func (ca *CA) issue(ctx context.Context, id string, subject pkix.Name, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	requests, err := ca.readPair(id, csrs)
	if err != nil {
		return nil, err
	}
	name, err := ca.profile.subjectDER(subject)
	if err != nil {
		return nil, err
	}
	// The profile may be another when the act is asked for again.
	asked := fingerprint([]byte(ActIssue), []byte(personOf(subject)), []byte(subject.SerialNumber), requests[0].der, requests[1].der)
	defer ca.acts.lock(id)()
	act := Act{
		ID: id, Kind: ActIssue, Issuer: ca.keyID, Fingerprint: asked, Subject: name,
		UserID: subject.SerialNumber, Lineage: id, Generation: 1,
	}
	opened, err := ca.open(ctx, act, requests, nil)
	return ca.answer(ctx, opened, err)
}

// readPair checks what can be checked without the ledger.
func (ca *CA) readPair(id string, csrs []*x509.CertificateRequest) ([]request, error) {
	if !validActID(id) {
		return nil, fmt.Errorf("%w: an act's id is 1 to 128 printable ASCII characters without spaces", ErrActConflict)
	}
	if len(csrs) != 2 {
		return nil, fmt.Errorf("%w: two requests are needed, authentication and signing", ErrProof)
	}
	var out []request
	for _, csr := range csrs {
		r, err := readRequest(csr)
		if err != nil {
			return nil, err
		}
		if ca.compromised != nil && ca.compromised(sha256.Sum256(r.spki)) {
			return nil, fmt.Errorf("%w: it is known to be compromised", ErrWeakKey)
		}
		out = append(out, r)
	}
	if bytes.Equal(out[0].spki, out[1].spki) {
		return nil, fmt.Errorf("%w: both requests hold one key", ErrKeyReused)
	}
	return out, nil
}

func validActID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 128
}

// fingerprint hashes parts with their lengths, so that they can't run together.
func fingerprint(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

// repeated finds an act that was opened before.
func (ca *CA) repeated(ctx context.Context, id string, asked []byte) (Act, bool, error) {
	act, err := ca.ledger.Act(ctx, id)
	if errors.Is(err, ErrUnknownAct) {
		return Act{}, false, nil
	}
	if err != nil {
		return Act{}, false, err
	}
	return act, true, ca.same(act, asked)
}

func (ca *CA) same(act Act, asked []byte) error {
	switch {
	case !bytes.Equal(act.Fingerprint, asked):
		return fmt.Errorf("%w: act %s was opened with another subject, request or certificate", ErrActConflict, act.ID)
	case act.Issuer != ca.keyID:
		return fmt.Errorf("%w: act %s was opened by another issuing CA", ErrActConflict, act.ID)
	case act.State == Revoked:
		return closed(act)
	}
	return nil
}

// closed is why an act has no certificates: a renewal is closed only when what it
// renews was revoked.
func closed(act Act) error {
	if act.Kind == ActRenew {
		return fmt.Errorf("%w: while its renewal, act %s, was unfinished", ErrRevoked, act.ID)
	}
	return fmt.Errorf("%w: act %s was closed unfinished", ErrActConflict, act.ID)
}

// open fills in serials, dates and shards and records the act. It returns the
// act as recorded: another server may have opened the same one first.
func (ca *CA) open(ctx context.Context, act Act, requests []request, renews []*big.Int) (Act, error) {
	act.Opened = second(ca.now())
	notBefore, notAfter := ca.profile.Validity(act.Opened)
	if notAfter.After(ca.ends) {
		known, found, err := ca.repeated(ctx, act.ID, act.Fingerprint)
		if !found && err == nil {
			err = ErrIssuerExpiring
		}
		return known, err
	}
	for _, r := range requests {
		for _, c := range ca.chain {
			if bytes.Equal(c.RawSubjectPublicKeyInfo, r.spki) {
				return Act{}, ErrKeyReused
			}
		}
	}
	uses := []Use{Authentication, Signing}
	const draws = 4
	for draw := 1; ; draw++ {
		act.Records = nil
		for i, r := range requests {
			serial, err := ca.drawSerial()
			if err != nil {
				return Act{}, err
			}
			act.Records = append(act.Records, Record{
				Serial: serial, Use: uses[i], Shard: ca.shardOf(serial), PublicKey: r.spki,
				NotBefore: notBefore, NotAfter: notAfter, State: Pending,
				RemindAt: firstReminder(uses[i], notAfter),
			})
		}
		stored, err := ca.openOnce(ctx, act, renews)
		if errors.Is(err, ErrSerialTaken) && draw < draws {
			continue
		}
		return stored, err
	}
}

// openOnce opens the act in the ledger unless its own serials collide.
func (ca *CA) openOnce(ctx context.Context, act Act, renews []*big.Int) (Act, error) {
	for i, r := range act.Records {
		for _, other := range act.Records[:i] {
			if r.Serial.Cmp(other.Serial) == 0 {
				return Act{}, ErrSerialTaken
			}
		}
	}
	stored, err := ca.ledger.OpenAct(ctx, act, renews)
	if err != nil {
		return Act{}, err
	}
	return stored, ca.same(stored, act.Fingerprint)
}

// drawSerial returns 128 random bits that are not zero. RFC 5280 §4.1.2.2.
func (ca *CA) drawSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(ca.rand, b[:]); err != nil {
		return nil, fmt.Errorf("pki: serial number: %w", err)
	}
	serial := new(big.Int).SetBytes(b[:])
	if serial.Sign() == 0 {
		return nil, fmt.Errorf("%w: the random source is broken", ErrSerialTaken)
	}
	return serial, nil
}

// shardOf is the low bits of a serial number.
func (ca *CA) shardOf(serial *big.Int) int {
	return int(new(big.Int).And(serial, big.NewInt(int64(ca.profile.shards-1))).Int64())
}

// answer returns the certificates of an act, which it signs first if they are
// still pending.
func (ca *CA) answer(ctx context.Context, act Act, err error) ([]*x509.Certificate, error) {
	if err != nil {
		return nil, err
	}
	var signed []*x509.Certificate
	if act.State == Pending {
		if act, signed, err = ca.finish(ctx, act); err != nil {
			return nil, err
		}
	}
	if act.State != Good {
		return nil, closed(act)
	}
	var out []*x509.Certificate
	for i, r := range act.Records {
		if signed != nil && bytes.Equal(signed[i].Raw, r.DER) {
			out = append(out, signed[i])
			continue
		}
		cert, err := x509.ParseCertificate(r.DER)
		if err != nil {
			return nil, fmt.Errorf("pki: ledger: certificate %x: %w", r.Serial, err)
		}
		out = append(out, cert)
	}
	return out, nil
}

// finish signs a pending act and commits it. It returns the act as committed,
// which may be another server's doing, and the certificates that were signed here.
// A renewal of what is on hold is not signed: ErrHeld.
func (ca *CA) finish(ctx context.Context, act Act) (Act, []*x509.Certificate, error) {
	if held, err := ca.renewsHeld(ctx, act); err != nil {
		return Act{}, nil, err
	} else if held {
		return Act{}, nil, ErrHeld
	}
	act.Records = slices.Clone(act.Records)
	var signed []*x509.Certificate
	for i := range act.Records {
		cert, err := ca.sign(ctx, act, act.Records[i])
		if err != nil {
			return Act{}, nil, err
		}
		act.Records[i].DER = cert.Raw
		signed = append(signed, cert)
	}
	done, err := ca.ledger.CommitAct(ctx, act, second(ca.now()))
	if err != nil {
		return Act{}, nil, err
	}
	if act.Kind != ActResponder && bytes.Equal(done.Records[0].DER, act.Records[0].DER) {
		ca.log.InfoContext(ctx, "issued", "act", act.ID, "kind", act.Kind)
		ca.observe(ctx, Event{Name: EventIssued, Act: act.ID})
	}
	return done, signed, nil
}

// sign has one recorded certificate signed, from the profile of today, and
// refuses anything that isn't exactly what was asked.
func (ca *CA) sign(ctx context.Context, act Act, r Record) (*x509.Certificate, error) {
	public, err := x509.ParsePKIXPublicKey(r.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("pki: ledger: public key of %x: %w", r.Serial, err)
	}
	id, err := keyID(r.PublicKey)
	if err != nil {
		return nil, err
	}
	exts, err := ca.extensionsOf(act.UserID, r, id)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).Set(r.Serial), RawSubject: bytes.Clone(act.Subject), SubjectKeyId: id,
		NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		ExtraExtensions: append([]pkix.Extension(nil), exts...),
	}
	der, err := ca.signer.SignCertificate(ctx, template, public)
	if err != nil {
		return nil, err
	}
	cert, err := ca.checkSigned(der, act, r, exts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignerUnavailable, err)
	}
	return cert, nil
}

// refused tells of a "no".
func (ca *CA) refused(ctx context.Context, act string, err error) {
	e := Event{Name: EventRefused, Act: act}
	var ruled interface{ Rule() string }
	if errors.As(err, &ruled) {
		e.Rule = ruled.Rule()
	}
	ca.log.WarnContext(ctx, "refused", "act", act, "rule", e.Rule, "error", err.Error())
	ca.observe(ctx, e)
}
