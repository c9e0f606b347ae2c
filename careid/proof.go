// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// Limits of what a card's answer may be.
const (
	proofType = "wardkey-card+jwt"
	maxProof  = 16 << 10
	minRSA    = 2048
	maxRSA    = 8192 // as crypto/tls: the key is a stranger's, and is used before anybody vouches for it
)

// claims are those of a proof: every one present, none besides.
type claims struct {
	Audience, Origin, Nonce string
	Purpose                 Purpose
	Act, Bind               string
	IssuedAt                int64
}

func (c *claims) read(part string) error {
	return readPart(part, map[string]any{
		"aud": &c.Audience, "origin": &c.Origin, "nonce": &c.Nonce, "purpose": &c.Purpose, "act": &c.Act, "bind": &c.Bind, "iat": &c.IssuedAt,
	})
}

// proof is a card's answer whose form and signature hold. Nothing is yet proven about the certificate but that its
// key signed.
type proof struct {
	algorithm   algorithm
	input       string // what was signed: header and claims as they were sent. RFC 7515 §5.2
	signature   []byte
	claims      claims
	bind        []byte // 32 bytes, or nil when empty
	certificate *x509.Certificate
	fingerprint [32]byte
}

// verifyProof checks all that needs no store: form, type, algorithm against key, key usage, signature, audience,
// origin, and the workstation's clock. RFC 7515 §5.2.
func (s *Service) verifyProof(text string) (*proof, error) {
	p, err := s.parseProof(text)
	if err != nil {
		return nil, err
	}
	if !p.algorithm.fits(p.certificate.PublicKey) {
		return nil, s.no("proof.signature").Because(reason("algorithm does not fit the key"))
	}
	if !p.algorithm.verify(p.certificate.PublicKey, p.input, p.signature) {
		return nil, s.no("proof.signature")
	}
	cert := p.certificate
	if cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 || cert.KeyUsage&x509.KeyUsageContentCommitment != 0 ||
		!slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return nil, s.no("cert.usage")
	}
	if !slices.Contains(s.servers, p.claims.Audience) {
		return nil, s.no("proof.audience")
	}
	if !slices.Contains(s.origins, p.claims.Origin) {
		return nil, s.no("proof.origin")
	}
	policy, err := s.policy(s.now())
	if err != nil {
		return nil, err
	}
	skew := time.Unix(p.claims.IssuedAt, 0).Sub(s.wall()).Round(time.Second)
	if skew > policy.ClockSkew || skew < -policy.ClockSkew {
		return nil, s.no("device.clock", "skew", skew.String())
	}
	return p, nil
}

// parseProof reads the parts strictly.
func (s *Service) parseProof(text string) (*proof, error) {
	bad := func(why string) error { return s.no("proof.form").Because(reason(why)) }
	parts := strings.Split(text, ".")
	if len(text) > maxProof || len(parts) != 3 || strings.ContainsAny(text, "\r\n") { // which package base64 skips
		return nil, bad("not a compact JWS")
	}
	p := &proof{input: text[:strings.LastIndexByte(text, '.')]}
	var kind string
	var chain []string
	if err := readPart(parts[0], map[string]any{"alg": &p.algorithm, "typ": &kind, "x5c": &chain}); err != nil {
		return nil, bad("header")
	}
	if !p.algorithm.known() || kind != proofType || len(chain) != 1 {
		return nil, bad("algorithm, type or certificate")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(chain[0])
	if err != nil || base64.StdEncoding.EncodeToString(der) != chain[0] {
		return nil, bad("certificate encoding")
	}
	p.fingerprint = sha256.Sum256(der)
	if p.signature, err = base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, bad("signature encoding")
	}
	if p.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, bad("certificate")
	}
	if err := p.claims.read(parts[1]); err != nil {
		return nil, bad("claims")
	}
	if !p.claims.Purpose.known() {
		return nil, bad("purpose")
	}
	if p.claims.Bind != "" {
		p.bind, err = base64.RawURLEncoding.Strict().DecodeString(p.claims.Bind)
		if err != nil || len(p.bind) != sha256.Size {
			return nil, bad("bind")
		}
	}
	return p, nil
}

// known says whether a proof can be for this.
func (p Purpose) known() bool {
	return p == SignIn || p == StepUp || p == Presence || p == Renew
}

// Nonce gives a nonce of 128 bits for one proof of that purpose, good for 60 seconds by Wall on any server. Refusal:
// proof.purpose (another one than SignIn, StepUp, Presence or Renew).
func (s *Service) Nonce(ctx context.Context, p Purpose) (string, error) {
	if !p.known() {
		return "", s.no("proof.purpose")
	}
	nonce := newNonce()
	err := s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		return tx.Proofs.AddNonce(ctx, nonce, p, tx.Wall.Add(policy.NonceLife))
	})
	if err != nil {
		return "", err
	}
	return nonce, nil
}

// spend takes the proof's nonce. From then on the change is kept, so that a refused proof can't be tried again.
func (s *Service) spend(ctx context.Context, tx *Tx, rec *record, p *proof) error {
	taken, err := tx.Proofs.TakeNonce(ctx, p.claims.Nonce, p.claims.Purpose, tx.Wall)
	if err != nil {
		return err
	}
	if !taken {
		return s.no("proof.nonce")
	}
	rec.keep = true
	return nil
}
