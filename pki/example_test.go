// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// Three years of one pair: issued, too early to renew, renewed, revoked.
func Example() {
	ctx := context.Background()
	clock := pkitest.NewClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	ca, err := newExampleCA(ctx, clock)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, csrs, _ := pkitest.Requests() // what a card makes
	subject := pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}
	pair, err := ca.Issue(ctx, "act-1", subject, csrs)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pair[0].Subject, "until", pair[0].NotAfter.Format(time.RFC3339))

	_, csrs, _ = pkitest.Requests()
	_, err = ca.Renew(ctx, "act-2", pair, csrs)
	var window *pki.RenewalError
	if errors.As(err, &window) {
		opens, _ := window.Window()
		fmt.Println("renewal opens", opens.Format(time.RFC3339))
		clock.Set(opens)
	}
	renewed, err := ca.Renew(ctx, "act-2", pair, csrs)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("renewed until", renewed[0].NotAfter.Format(time.RFC3339))

	err = ca.Revoke(ctx, renewed[0], 1, clock.Now()) // key compromise
	fmt.Println(err, ca.Verify(ctx, renewed[0]), ca.Verify(ctx, pair[0]))
	// Output:
	// SERIALNUMBER=555000000017,CN=555000000017 Amina Osei,OU=People,O=Wardkey until 2029-01-05T08:59:59Z
	// renewal opens 2028-10-07T08:59:59Z
	// renewed until 2031-10-07T08:59:58Z
	// <nil> pki: the certificate is revoked <nil>
}

func newExampleCA(ctx context.Context, clock *pkitest.Clock) (*pki.CA, error) {
	authority, err := stepca.Open(ctx, stepca.Config{Now: clock.Now})
	if err != nil {
		return nil, err
	}
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "care.example.org"})
	if err != nil {
		return nil, err
	}
	return pki.New(pki.Config{
		Signer: authority, Chain: authority.Chain(), Ledger: &pkitest.Memory{}, Profile: profile, Now: clock.Now,
	})
}

// The addresses that stand in the certificates, on one mux: OCSP needs "/ocsp"
// for POST and "/ocsp/" for GET.
func ExampleCA_OCSPHandler() {
	ctx := context.Background()
	clock := pkitest.NewClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	ca, err := newExampleCA(ctx, clock)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/ocsp", ca.OCSPHandler())
	mux.Handle("/ocsp/", ca.OCSPHandler())
	mux.Handle("/", ca.PublishHandler())
	server := httptest.NewServer(mux) // in a program: http.Server, and ca.Due each second
	defer server.Close()

	_, csrs, _ := pkitest.Requests()
	pair, err := ca.Issue(ctx, "act-1", pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs)
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := func() {
		request, _ := ocsp.CreateRequest(pair[0], ca.Chain()[0], nil)
		answer, err := http.Post(server.URL+"/ocsp", "application/ocsp-request", bytes.NewReader(request))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer answer.Body.Close()
		der, _ := io.ReadAll(answer.Body)
		told, err := ocsp.ParseResponseForCert(der, pair[0], ca.Chain()[0])
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("revoked:", told.Status == ocsp.Revoked, "reason:", told.RevocationReason)
	}
	ask()
	reason, _ := pki.CardLost.Reason()
	if err := ca.Revoke(ctx, pair[0], reason, time.Time{}); err != nil {
		fmt.Println(err)
		return
	}
	ask()
	list, err := http.Get(server.URL + "/crl/0.crl")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer list.Body.Close()
	fmt.Println(list.Status, list.Header.Get("Content-Type"))
	// Output:
	// revoked: false reason: 0
	// revoked: true reason: 1
	// 200 OK application/pkix-crl
}

// What ends in the next ninety days, for those who call people in.
func ExampleCA_Expiring() {
	ctx := context.Background()
	clock := pkitest.NewClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	ca, err := newExampleCA(ctx, clock)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, csrs, _ := pkitest.Requests()
	if _, err := ca.Issue(ctx, "act-1", pkix.Name{CommonName: "Amina Osei", SerialNumber: "555000000017"}, csrs); err != nil {
		fmt.Println(err)
		return
	}
	clock.Set(time.Date(2028, 12, 24, 9, 0, 0, 0, time.UTC))
	for r, err := range ca.Expiring(ctx, 90*24*time.Hour) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.UserID, r.Use, r.NotAfter.Format(time.DateOnly))
	}
	// Unordered output:
	// 555000000017 authentication 2029-01-05
	// 555000000017 signing 2029-01-05
}
