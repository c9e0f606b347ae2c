// SPDX-License-Identifier: Apache-2.0

package alonetest

import (
	"context"
	"errors"
	"net/http"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/linking"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/mailbox"
	"github.com/wardkey-sdk/wardkey/examples/myidentity/holder"
	"github.com/wardkey-sdk/wardkey/examples/radesk/desk"
	"github.com/wardkey-sdk/wardkey/examples/unlock/kiosk"
)

// Everything has the pages of all examples that run on a hospital in a folder, but
// for the provider's.
func Everything() alone.Program {
	var mail *mailbox.Mailbox
	return alone.Program{
		Name: "trial", Listen: "127.0.0.1:0", Title: "Trial", After: "/my", Lead: "All of it.",
		Places: []pages.Place{{Path: "/desk", Name: "Desk"}, {Path: "/my", Name: "My identity"}, {Path: "/unlock", Name: "Unlock"}},
		Opened: func(_ context.Context, h *alone.Hospital) error {
			mail = h.Mail
			return nil
		},
		Mount: func(site *pages.Site, mux *http.ServeMux) error {
			d, deskErr := desk.New(site)
			k, kioskErr := kiosk.New(site)
			h, holderErr := holder.New(holder.Config{Site: site, MailAccount: mail.Account})
			l, linkErr := linking.New(linking.Config{Site: site, MailAccount: mail.Account})
			if err := errors.Join(deskErr, kioskErr, holderErr, linkErr); err != nil {
				return err
			}
			d.Routes(mux)
			k.Routes(mux)
			h.Routes(mux)
			l.Routes(mux)
			return mail.Routes(site, mux)
		},
	}
}
