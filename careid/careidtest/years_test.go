// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"cmp"
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
// the card in over TLS, what the CA's OCSP responder and its list tell strangers, and that the code of an authenticator
// app, beside the password of a mail account, signs its holder in all the while.
func Example_threeYears() {
	ctx, day := context.Background(), 24*time.Hour
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	card, first := h.Nurse.Card, *h.Nurse.Card
	mail, err := h.Register(ctx, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	app, no := h.RegisterApp(ctx, h.Nurse)
	fmt.Println("registered", err, no)
	ends, ward := first.Certificates[0].NotAfter, h.TLSServer(http.NotFoundHandler())
	show := func(what string, at time.Time, card *careidtest.Card) *careidtest.SignedIn {
		h.Clock.Set(at)
		in, no := h.SignIn(ctx, card)
		_, totp := h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		ocsp, list, err := h.Status(ctx, card.Certificates[0])
		fmt.Println(at.Format(time.DateOnly), what+":", cmp.Or(wardkey.RuleOf(no), "signs in"), "| TLS", h.TLSCall(ctx, ward, card) == nil, "| OCSP", ocsp.State, "| CRL", list.State, "| TOTP", totp == nil, err)
		return in
	}
	in := show("issued", h.Clock.Now().Add(30*time.Second), card)
	for _, after := range []time.Duration{8*time.Hour - time.Second, time.Second} {
		h.Clock.Add(after)
		_, err := h.Service.Session(ctx, in.Token)
		fmt.Println("session at", h.Clock.Now().Format(time.TimeOnly), err)
	}
	fmt.Println(show("91 days left", ends.Add(-91*day), card).Alerts)
	fmt.Println(h.Renew(ctx, card))
	fmt.Println("alert:", show("90 days left", ends.Add(-90*day), card).Alerts[0].DaysLeft)
	fmt.Println("renewed", h.Renew(ctx, card), h.Renew(ctx, h.RAManager.Card))
	show("the old pair", ends, &first)
	show("the old pair", ends.Add(time.Second), &first)
	show("the new pair", ends.Add(time.Minute), card)
	manager, _ := h.Actor(ctx, h.RAManager, careid.RAManager)
	_, err = h.Service.ReportLost(ctx, manager, card.Serial)
	fmt.Println("lost", err)
	show("the new pair", ends.Add(2*time.Minute), card)
	// Output:
	// registered <nil> <nil>
	// 2026-01-05 issued: signs in | TLS true | OCSP good | CRL good | TOTP true <nil>
	// session at 17:00:29 <nil>
	// session at 17:00:30 session.ended: Your session has ended.
	// 2028-10-06 91 days left: signs in | TLS true | OCSP good | CRL good | TOTP true <nil>
	// []
	// renewal.early: These certificates can be renewed from 2028-10-07 on.
	// 2028-10-07 90 days left: signs in | TLS true | OCSP good | CRL good | TOTP true <nil>
	// alert: 90
	// renewed <nil> <nil>
	// 2029-01-05 the old pair: cert.superseded | TLS true | OCSP good | CRL good | TOTP true <nil>
	// 2029-01-05 the old pair: cert.expired | TLS false | OCSP  | CRL good | TOTP true pki: OCSP: made after the certificate's end
	// 2029-01-05 the new pair: signs in | TLS true | OCSP good | CRL good | TOTP true <nil>
	// lost <nil>
	// 2029-01-05 the new pair: card.lost | TLS false | OCSP revoked | CRL revoked | TOTP true <nil>
}
