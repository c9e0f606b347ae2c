// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// A card from its first day to its renewal, and what is said on the way.
func Example() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = h.Close() }()
	ends := h.Nurse.Card.Certificates[0].NotAfter
	fmt.Println("ends", ends.Format(time.DateOnly))

	for _, days := range []int{91, 90, 1, -1} {
		h.Clock.Set(ends.Add(-time.Duration(days) * 24 * time.Hour))
		in, err := h.SignIn(ctx, h.Nurse.Card)
		var no *wardkey.Refusal
		switch {
		case errors.As(err, &no):
			fmt.Println(days, no.Rule, no.Source.Date, no.Fixer, no.InPerson)
		case err == nil && len(in.Alerts) == 0:
			fmt.Println(days, "no alert")
		case err == nil:
			fmt.Println(days, "alert:", in.Alerts[0].DaysLeft, "days left")
		}
	}
	// Output:
	// ends 2029-01-05
	// 91 no alert
	// 90 alert: 90 days left
	// 1 alert: 1 days left
	// -1 cert.expired 2025-04-02 ra-agent true
}

// The role table says who may do what, in which term of a card's certificates.
func ExamplePermissions() {
	for _, row := range careid.Permissions() {
		if row.Action == careid.ActionRenew {
			fmt.Println(row.Term, row.Roles, row.Evidence)
		}
	}
	// Output:
	// due [ra-manager advanced-ra-agent ra-agent sponsor local-smartcard-administrator holder] [presence]
	// expired [ra-manager advanced-ra-agent ra-agent] [presence]
}

// A code works once.
func ExampleService_RedeemUnlock() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = h.Close() }()
	unlocking, err := h.StartUnlock(ctx, h.Nurse)
	if err != nil {
		fmt.Println(err)
		return
	}
	reset, err := h.Redeem(ctx, h.Nurse, unlocking)
	fmt.Println(len(reset.Candidates), err)
	_, err = h.Redeem(ctx, h.Nurse, unlocking)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// unlock.code: This code was not accepted.
}

// A code is one factor: it signs somebody in beside another, and once.
func ExampleService_SignInWith() {
	ctx := context.Background()
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = h.Close() }()
	password, err := h.Register(ctx, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	if err != nil {
		fmt.Println(err)
		return
	}
	app, err := h.RegisterApp(ctx, h.Nurse)
	if err != nil {
		fmt.Println(err)
		return
	}
	h.Clock.Add(30 * time.Second) // the code before confirmed the app
	_, err = h.Service.SignInWith(ctx, app.Use())
	fmt.Println(err)
	in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: password}, app.Use())
	fmt.Println(in.Session.Name, in.Session.ACR, in.Session.AMR, err)
	_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: password}, app.Use())
	fmt.Println(err)
	// Output:
	// signin.weak: One factor alone signs nobody in.
	// Asha Patel AAL2_ANY [NHSMAIL TOTP] <nil>
	// totp.code: This code was not accepted.
}

// What was shown counts, and not what was registered: a key that did not ask for its PIN is one factor.
func ExampleAssurance() {
	book, err := careid.Rules()
	if err != nil {
		fmt.Println(err)
		return
	}
	day := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for _, shown := range [][]careid.Shown{
		{{Kind: careid.KindCard}},
		{{Kind: careid.KindSecurityKey, Verified: careid.Yes}},
		{{Kind: careid.KindSecurityKey}},
		{{Kind: careid.KindSecurityKey}, {Kind: careid.KindAuthenticatorApp}},
		{{Kind: careid.KindMailAccount}, {Kind: careid.KindAuthenticatorApp}},
	} {
		level, factors, err := careid.Assurance(book, shown, day)
		fmt.Println(level, factors, err)
	}
	// Output:
	// 3 [has knows] <nil>
	// 3 [has knows or is] <nil>
	// 1 [has] <nil>
	// 1 [has] <nil>
	// 2 [knows has] <nil>
}
