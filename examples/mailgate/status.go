// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

const (
	// fetchPatience bounds one question to one address, and statusPatience all
	// about one certificate. The mail system before waits meanwhile, ten minutes
	// at most (RFC 5321 §4.5.3.2.6), and one message may have a hundred
	// recipients: gateway.Config.Timeout bounds them together.
	fetchPatience  = 5 * time.Second
	statusPatience = 15 * time.Second
)

// status asks the issuers of recipients' certificates whether they still stand
// by them.
type status struct {
	verifier *pki.Verifier
	patience time.Duration
	log      *slog.Logger
}

// newStatus asks by OCSP first, which is newest, and then reads the lists. The
// lists are kept for a few minutes each, OCSP answers are not. No nonce is sent:
// few public responders return one. A responder whose certificate has to be
// looked up itself is looked up in the lists.
func newStatus(roots []*x509.Certificate, patience, each time.Duration, log *slog.Logger) (*status, error) {
	fetcher, err := pki.NewFetcher(pki.FetcherConfig{Timeout: each})
	if err != nil {
		return nil, err
	}
	lists, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: fetcher})
	if err != nil {
		return nil, err
	}
	live, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: fetcher, Responders: lists})
	if err != nil {
		return nil, err
	}
	verifier, err := pki.NewVerifier(pki.VerifierConfig{Roots: roots, Sources: []pki.StatusSource{live, lists}})
	return &status{verifier, patience, log}, err
}

var errNotAsked = errors.New("the certificate names its list or responder by addresses that are not http")

// revoked is smime.Config.Revoked.
func (s *status) revoked(ctx context.Context, cert *x509.Certificate) error {
	if unpublished(cert) {
		return nil
	}
	addresses := slices.DeleteFunc(slices.Concat(cert.OCSPServer, cert.CRLDistributionPoints), notHTTP)
	if len(addresses) == 0 {
		return errNotAsked // and waiting doesn't help
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	_, err := s.verifier.Verify(ctx, []*x509.Certificate{cert}, pki.PurposeAny, time.Time{})
	if errors.Is(err, pki.ErrStatus) { // which has the holder's name in it
		s.log.Warn("mailgate: nobody tells whether a certificate is revoked", "serial", cert.SerialNumber.Text(16), "asked", addresses)
	}
	return err
}

func notHTTP(address string) bool {
	address = strings.ToLower(address) // RFC 3986 §3.1
	return !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://")
}

// unpublished says that the issuer has put into a certificate, over its own
// signature, that there is nobody to ask: neither a responder nor a list.
func unpublished(cert *x509.Certificate) bool {
	points := asn1.ObjectIdentifier{2, 5, 29, 31} // may name them otherwise than by an address
	return len(cert.OCSPServer) == 0 && !slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(points) })
}
