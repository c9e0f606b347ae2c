// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// Three years of one card on one clock: what a sign-in says and how long its session lasts, whether an application lets
// the card in over TLS, and what the CA's OCSP responder and its list tell strangers. TOTP joins when careid has it.
func Example_threeYears() {
	ctx, day := context.Background(), 24*time.Hour
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	card, first := h.Nurse.Card, *h.Nurse.Card
	ends, ward := first.Certificates[0].NotAfter, h.TLSServer(http.NotFoundHandler())
	show := func(what string, at time.Time, card *careidtest.Card) *careidtest.SignedIn {
		h.Clock.Set(at)
		in, no := h.SignIn(ctx, card)
		said := wardkey.RuleOf(no)
		if no == nil {
			said = fmt.Sprint(len(in.Alerts), " alerts")
		}
		ocsp, list, err := h.Status(ctx, card.Certificates[0])
		fmt.Println(at.Format(time.DateOnly), what+":", said, "| TLS", h.TLSCall(ctx, ward, card) == nil, "| OCSP", ocsp.State, "| CRL", list.State, err)
		return in
	}
	in := show("issued", h.Clock.Now(), card)
	for _, after := range []time.Duration{8*time.Hour - time.Second, time.Second} {
		h.Clock.Add(after)
		_, err := h.Service.Session(ctx, in.Token)
		fmt.Println("session at", h.Clock.Now().Format(time.TimeOnly), err)
	}
	show("91 days left", ends.Add(-91*day), card)
	fmt.Println(h.Renew(ctx, card))
	fmt.Println(show("90 days left", ends.Add(-90*day), card).Alerts[0].DaysLeft)
	fmt.Println("renewed", h.Renew(ctx, card), h.Renew(ctx, h.RAManager.Card))
	show("the old pair", ends, &first)
	show("the old pair", ends.Add(time.Second), &first)
	show("the new pair", ends.Add(time.Second), card)
	manager, _ := h.Actor(ctx, h.RAManager, careid.RAManager)
	_, err = h.Service.ReportLost(ctx, manager, card.Serial)
	fmt.Println("lost", err)
	show("the new pair", ends.Add(time.Second), card)
	// Output:
	// 2026-01-05 issued: 0 alerts | TLS true | OCSP good | CRL good <nil>
	// session at 16:59:59 <nil>
	// session at 17:00:00 session.ended: Your session has ended.
	// 2028-10-06 91 days left: 0 alerts | TLS true | OCSP good | CRL good <nil>
	// renewal.early: These certificates can be renewed from 2028-10-07 on.
	// 2028-10-07 90 days left: 1 alerts | TLS true | OCSP good | CRL good <nil>
	// 90
	// renewed <nil> <nil>
	// 2029-01-05 the old pair: cert.superseded | TLS true | OCSP good | CRL good <nil>
	// 2029-01-05 the old pair: cert.expired | TLS false | OCSP  | CRL good pki: OCSP: made after the certificate's end
	// 2029-01-05 the new pair: 0 alerts | TLS true | OCSP good | CRL good <nil>
	// lost <nil>
	// 2029-01-05 the new pair: card.lost | TLS false | OCSP revoked | CRL revoked <nil>
}
