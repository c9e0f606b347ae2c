// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

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
	// SERIALNUMBER=555000000017,CN=Amina Osei,OU=People,O=Wardkey until 2029-01-05T08:59:59Z
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
