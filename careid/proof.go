// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Limits of what a card's answer may be.
const (
	proofType = "wardkey-card+jwt"
	maxProof  = 16 << 10
	minRSA    = 2048
)

// claims are those of a proof: every one present, none besides.
type claims struct {
	Audience string  `json:"aud"`
	Origin   string  `json:"origin"`
	Nonce    string  `json:"nonce"`
	Purpose  Purpose `json:"purpose"`
	Act      string  `json:"act"`
	Bind     string  `json:"bind"`
	IssuedAt int64   `json:"iat"`
}

// proof is a card's answer whose form and signature hold. Nothing is yet proven about the certificate but that its
// key signed.
type proof struct {
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
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.RS256, jose.PS256})
	if err != nil {
		return nil, s.no("proof.form").Because(err)
	}
	if !fits(jws.Signatures[0].Protected.Algorithm, p.certificate.PublicKey) {
		return nil, s.no("proof.signature").Because(reason("algorithm does not fit the key"))
	}
	if _, err := jws.Verify(p.certificate.PublicKey); err != nil {
		return nil, s.no("proof.signature").Because(err)
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
	var header struct {
		Algorithm string   `json:"alg"`
		Type      string   `json:"typ"`
		Chain     []string `json:"x5c"`
	}
	if err := readPart(parts[0], &header, "alg", "typ", "x5c"); err != nil {
		return nil, bad("header")
	}
	if header.Type != proofType || len(header.Chain) != 1 {
		return nil, bad("type or certificate")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(header.Chain[0])
	if err != nil || base64.StdEncoding.EncodeToString(der) != header.Chain[0] {
		return nil, bad("certificate encoding")
	}
	p := &proof{fingerprint: sha256.Sum256(der)}
	if p.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, bad("certificate")
	}
	if err := readPart(parts[1], &p.claims, "aud", "origin", "nonce", "purpose", "act", "bind", "iat"); err != nil {
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

// readPart decodes one part of a JWS: an object with exactly these members, none twice.
func readPart(part string, into any, members ...string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("no object")
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if seen[text] || !slices.Contains(members, text) || string(value) == "null" {
			return errors.New("a member twice, unknown or null")
		}
		seen[text] = true
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || len(seen) != len(members) {
		return errors.New("something missing or besides")
	}
	return json.Unmarshal(raw, into)
}

// fits says whether the algorithm is the one for the key. RFC 7518 §3.
func fits(alg string, public any) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return alg == string(jose.ES256) && key.Curve == elliptic.P256() || alg == string(jose.ES384) && key.Curve == elliptic.P384()
	case *rsa.PublicKey:
		return (alg == string(jose.RS256) || alg == string(jose.PS256)) && key.N.BitLen() >= minRSA
	}
	return false
}

// known says whether a proof can be for this.
func (p Purpose) known() bool {
	return p == SignIn || p == StepUp || p == Presence || p == Renew
}

// Nonce gives a nonce of 128 bits for one proof of that purpose, good for 60 seconds by Wall on any server.
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
