// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// A hospital, a nurse with a card, a reader on a ward. A test calls New(t, …) instead of Open, and needs no Close.
func Example() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	ward := h.Reader("ward 3")
	if err := ward.Insert(h.Nurse.Card); err != nil {
		log.Fatal(err)
	}
	in, err := ward.SignIn(ctx, careidtest.Passcode)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(in.Session.Name, in.Session.AMR)
	_, err = h.Service.Session(ctx, in.Token)
	fmt.Println(err, ward.Remove(ctx))
	_, err = h.Service.Session(ctx, in.Token)
	fmt.Println(err)
	// Output:
	// Asha Patel [N3_SMARTCARD]
	// <nil> <nil>
	// session.ended: Your session has ended.
}

// The days around the end of a card.
func Example_days() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	ends := h.Nurse.Card.Certificates[0].NotAfter
	for _, days := range []int{91, 90, 1, 0, -1} {
		h.Clock.Set(ends.AddDate(0, 0, -days))
		in, err := h.SignIn(ctx, h.Nurse.Card)
		if err != nil {
			fmt.Println(days, err)
			continue
		}
		for _, alert := range in.Alerts {
			fmt.Println(days, alert.Rule, alert.DaysLeft, "days left")
		}
	}
	// Output:
	// 90 cert.alert 90 days left
	// 1 cert.alert 1 days left
	// 0 cert.alert 0 days left
	// -1 cert.expired: This card's certificates have ended.
}

// Why was this refused, and who can mend it?
func Example_refusal() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{People: []careidtest.Persona{careidtest.Expired()}})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	_, err = h.SignIn(ctx, h.People[0].Card)
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		fmt.Println(no.Rule)
		fmt.Println(no.Source.Document, no.Source.Date)
		fmt.Println(no.Fixer, no.InPerson)
		fmt.Println(no.Next[0])
	}
	// Output:
	// cert.expired
	// Smartcard and authenticator users, NHS England 2025-04-02
	// ra-agent true
	// Contact your Registration Authority: a manager or agent renews the certificates, and you must be there.
}

// Staff unlock their own card at three in the morning, as far as they can be reached.
func Example_unlock() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{People: []careidtest.Persona{careidtest.LockedNoEmail(), careidtest.ExpiredLocked(), careidtest.Locked()}})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	kiosk := h.Reader("kiosk")
	for _, p := range h.People {
		if err := kiosk.Insert(p.Card); err != nil {
			log.Fatal(err)
		}
		u, err := kiosk.StartUnlock(ctx, careid.ByEmail)
		if no, refused := errors.AsType[*wardkey.Refusal](err); refused {
			fmt.Println(no.Rule, "can be mended by", no.Fixer)
		} else {
			message, _ := h.Inbox.Last(ctx, h.Service, p.Profile.Email)
			fmt.Println(kiosk.FinishUnlock(ctx, u, message.Code(), "975310"))
			in, err := kiosk.SignIn(ctx, "975310")
			fmt.Println(in.Session.Name, err)
		}
		if err := kiosk.Remove(ctx); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// contact.none can be mended by ra-agent
	// cert.expired can be mended by ra-agent
	// <nil>
	// Nadia Rahman <nil>
}

// An RA agent renews an expired card with its holder at the desk; a sponsor must not.
func Example_renewal() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{People: []careidtest.Persona{careidtest.Expired(), careidtest.RenewalDue()}})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	card := h.People[0].Card
	fmt.Println(h.RenewAtDesk(ctx, h.Sponsor, careid.Sponsor, card))
	fmt.Println(h.RenewAtDesk(ctx, h.RAAgent, careid.RAAgent, card), card.Certificates[0].NotAfter.Format(time.DateOnly))
	for due, err := range h.CA.Expiring(ctx, 90*24*time.Hour) {
		fmt.Println("ends soon:", due.UserID == h.People[1].Profile.ID, due.NotAfter.Format(time.DateOnly), err)
	}
	// Output:
	// role.action: sponsor may not do this: renew card.
	// <nil> 2032-01-06
	// ends soon: true 2029-02-05 <nil>
	// ends soon: true 2029-02-05 <nil>
}

// A card is linked to a mailbox: everything that is missing is told at once.
func Example_link() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	nurse, err := h.Actor(ctx, h.Nurse, careid.Holder)
	if err != nil {
		log.Fatal(err)
	}
	slow := 10 * time.Minute
	old, desk := "asha.patel@nhs.net", careid.Workstation{Browser: careid.Firefox, CredentialManagement: careid.Yes, ClockSkew: &slow}
	h.Mail.Set(old, careidtest.Mailbox{Active: true})
	missing, err := h.Service.LinkPreflight(ctx, nurse, careid.LinkRequest{Address: old, Workstation: desk})
	for _, no := range missing {
		fmt.Println(no.Rule, no.Fixer, err)
	}
	desk.Browser, desk.ClockSkew = careid.Edge, nil
	h.Mail.Set(old, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	h.Mail.Set("asha.patel2@nhs.net", careidtest.Mailbox{Active: true, PolicyAccepted: true})
	_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: old, Workstation: desk})
	fmt.Println(err)
	link, err := h.Service.Relink(ctx, nurse, old, careid.LinkRequest{Address: "asha.patel2@nhs.net", Workstation: desk})
	fmt.Println(link.Address, link.State, err)
	// Output:
	// mail.aup holder <nil>
	// browser.unsupported holder <nil>
	// device.clock local-administrator <nil>
	// <nil>
	// asha.patel2@nhs.net active <nil>
}
