// SPDX-License-Identifier: Apache-2.0

// Command radesk is a Registration Authority's desk in one program: it invites,
// checks and approves people, issues, renews, repairs, unlocks and cancels their
// cards, gives positions, follows lost cards, leavers and who comes back, reports,
// and shows its audit.
//
//	go run ./examples/radesk            # prints "first" once, and "ready" with its address
//
// The cards are in the readers of the card service (package card/agent) at
// -agent, which must name this program's address as a server and an origin. See
// examples/internal/alone for the folder and the database, and package desk for
// the pages, which examples/estate has too.
//
// A demonstration, not affiliated with or approved by the NHS, and never for
// live cards, middleware or services.
package main

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/radesk/desk"
)

func main() { alone.Main(program()) }

func program() alone.Program {
	return alone.Program{
		Name: "radesk", Listen: "127.0.0.1:8480", Title: "Wardkey RA desk", After: "/desk",
		Lead:   "The Registration Authority’s desk: people, their cards, their positions. Sign in with a card whose holder has a role here.",
		Places: []pages.Place{{Path: "/desk", Name: "Desk"}},
		Mount: func(site *pages.Site, mux *http.ServeMux) error {
			d, err := desk.New(site)
			if err == nil {
				d.Routes(mux)
			}
			return err
		},
	}
}
