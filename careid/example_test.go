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
