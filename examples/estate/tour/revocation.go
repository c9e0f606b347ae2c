// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

// maxObject bounds what is fetched: a CRL of the demo is a few hundred bytes.
const maxObject = 8 << 20

// certificate fetches a CA certificate of the estate (RFC 5280 §4.2.2.1).
func (s *story) certificate(ctx context.Context, path string) (*x509.Certificate, error) {
	der, err := s.fetch(ctx, s.h.Web()+path)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (s *story) fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return s.read(req)
}

func (s *story) read(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxObject))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", req.URL, resp.Status)
	}
	return data, err
}

// ocspStatus asks the responder that the certificate names, and believes the
// answer only if it is signed for this issuer and in its time (RFC 6960 §3.2).
func (s *story) ocspStatus(ctx context.Context, c *x509.Certificate) (*ocsp.Response, error) {
	if s.issuing == nil {
		return nil, errors.New("the issuing CA is not known: step 1 failed")
	}
	if len(c.OCSPServer) == 0 {
		return nil, errors.New("the certificate names no OCSP responder")
	}
	question, err := ocsp.CreateRequest(c, s.issuing, nil)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.OCSPServer[0], bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	data, err := s.read(req)
	if err != nil {
		return nil, err
	}
	answer, err := ocsp.ParseResponseForCert(data, c, s.issuing)
	if err != nil {
		return nil, err
	}
	// The library checks that the issuer signed a delegate, not what for (RFC
	// 6960 §4.2.2.2).
	if d := answer.Certificate; d != nil && !bytes.Equal(d.Raw, s.issuing.Raw) && !slices.Contains(d.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
		return nil, errors.New("the answer is signed by a certificate that is not for OCSP")
	}
	now, err := s.h.Now(ctx)
	if err != nil {
		return nil, err
	}
	if now.Before(answer.ThisUpdate) || now.After(answer.NextUpdate) {
		return nil, fmt.Errorf("the answer is for %s to %s and it is %s", stamp(answer.ThisUpdate), stamp(answer.NextUpdate), stamp(now))
	}
	return answer, nil
}

// listed looks for a certificate on the CRL that it names, and believes the
// list only if the issuer signed it and it is in its time (RFC 5280 §5).
func (s *story) listed(ctx context.Context, c *x509.Certificate) (bool, error) {
	if s.issuing == nil {
		return false, errors.New("the issuing CA is not known: step 1 failed")
	}
	if len(c.CRLDistributionPoints) == 0 {
		return false, errors.New("the certificate names no CRL")
	}
	der, err := s.fetch(ctx, c.CRLDistributionPoints[0])
	if err != nil {
		return false, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return false, err
	}
	if err := list.CheckSignatureFrom(s.issuing); err != nil {
		return false, err
	}
	now, err := s.h.Now(ctx)
	if err != nil {
		return false, err
	}
	if now.Before(list.ThisUpdate) || now.After(list.NextUpdate) {
		return false, fmt.Errorf("the list is for %s to %s and it is %s", stamp(list.ThisUpdate), stamp(list.NextUpdate), stamp(now))
	}
	return slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(c.SerialNumber) == 0
	}), nil
}

// good fails unless OCSP and the CRL have nothing against a certificate.
func (s *story) good(ctx context.Context, c *x509.Certificate) error {
	answer, err := s.ocspStatus(ctx, c)
	if err != nil {
		return must("OCSP answers", err)
	}
	on, err := s.listed(ctx, c)
	if err != nil {
		return must("the CRL is published", err)
	}
	return first(
		holds(answer.Status == ocsp.Good, "OCSP says good before the loss", "status %d", answer.Status),
		holds(!on, "the CRL does not list it before the loss", "it does"),
	)
}

// visible is how soon a revocation must be seen by those who ask.
const visible = 10 * time.Second

// revoked fails unless OCSP and the CRL say soon that a certificate is revoked.
func (s *story) revoked(ctx context.Context, c *x509.Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, visible)
	defer cancel()
	var missing []string
	for {
		missing = nil
		answer, err := s.ocspStatus(ctx, c)
		switch {
		case err != nil && ctx.Err() == nil:
			return must("OCSP answers", err)
		case err != nil || answer.Status != ocsp.Revoked:
			missing = append(missing, "OCSP does not say revoked")
		}
		on, err := s.listed(ctx, c)
		switch {
		case err != nil && ctx.Err() == nil:
			return must("the CRL is published", err)
		case err != nil || !on:
			missing = append(missing, "the CRL does not list it")
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return holds(false, "the certificate is revoked for everybody to see", "%s", strings.Join(missing, ", "))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
