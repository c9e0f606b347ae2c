// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// An application in another organisation has the root's certificate. It asks the
// OCSP responder that a card's certificate names and, where there is no answer,
// reads the list. As of yesterday the card was good.
func ExampleVerifier() {
	var mux http.ServeMux
	server := httptest.NewServer(&mux)
	defer server.Close()
	ca, err := pkitest.Open(pkitest.Config{Profile: pki.ProfileConfig{Base: server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ca.Close()
	mux.Handle("/crl/", ca.PublishHandler())
	mux.Handle("/ocsp", ca.OCSPHandler())

	fetcher, err := pki.NewFetcher(pki.FetcherConfig{Now: ca.Clock.Now})
	if err != nil {
		fmt.Println(err)
		return
	}
	lists, _ := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: fetcher})
	live, _ := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: fetcher, Nonce: true})
	verifier, err := pki.NewVerifier(pki.VerifierConfig{
		Roots:   ca.Chain()[:1], // the issuing CA, since its root publishes no list
		Sources: []pki.StatusSource{live, lists},
		Now:     ca.Clock.Now,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	card := ca.Pair(pkitest.Good).Certificates[:1]
	path, err := verifier.Verify(ctx, card, pki.PurposeAuthentication, time.Time{})
	fmt.Println(len(path), err)

	ca.Clock.Add(24 * time.Hour)
	if err := ca.Revoke(ctx, card[0], pki.CessationOfOperation, ca.Clock.Now()); err != nil {
		fmt.Println(err)
		return
	}
	_, err = verifier.Verify(ctx, card, pki.PurposeAuthentication, time.Time{})
	fmt.Println(errors.Is(err, pki.ErrRevoked))
	_, err = verifier.Verify(ctx, card, pki.PurposeAuthentication, ca.Clock.Now().Add(-time.Hour))
	fmt.Println(err)
	_, err = verifier.Verify(ctx, []*x509.Certificate{ca.Pair(pkitest.Good).Certificates[1]}, pki.PurposeAuthentication, time.Time{})
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// true
	// <nil>
	// pki: the certificate is not for this use: keyUsage lacks digitalSignature
}
