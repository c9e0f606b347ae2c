// SPDX-License-Identifier: Apache-2.0

// Package remind tells people that the certificates on their cards end soon: it
// is what the examples give a certificate authority as its Config.Remind.
package remind

import (
	"context"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/pki"
)

// Holder sends a reminder to the contact on the holder's profile, by e-mail where
// there is one, and says where to renew: page is the address of the holder's own
// page. Who has no contact, or is no longer there, is not reminded, and that is
// no error: it would be tried again for ever.
func Holder(ctx context.Context, care *careid.Service, sender careid.Sender, page string, r pki.Reminder) error {
	p, err := care.Profile(ctx, careid.Operator("reminders"), r.UserID)
	if wardkey.RuleOf(err) == "org.scope" {
		return nil // the CA issued to somebody whom this service does not know
	}
	if err != nil {
		return err
	}
	channel, to := "email", p.Email
	if to == "" {
		channel, to = "text", p.Mobile
	}
	if to == "" || p.State != careid.ProfileOpen {
		return nil
	}
	subject, body := Letter(r.Days, r.NotAfter, page)
	return sender.Send(ctx, channel, to, subject, body)
}

// Letter is what a reminder says. It names nobody and asks for no passcode.
func Letter(days int, notAfter time.Time, page string) (subject, body string) {
	left := fmt.Sprintf("%d days", days)
	if days == 1 {
		left = "one day"
	}
	subject = "The certificates on your smartcard end within " + left
	return subject, fmt.Sprintf(`%s: they are good until %s UTC.

Renew them yourself with your card and passcode, at
%s

After that day only your Registration Authority can renew the card, with you there.
`, subject, notAfter.UTC().Format("2 January 2006, 15:04:05"), page)
}
