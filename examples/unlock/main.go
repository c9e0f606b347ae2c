// SPDX-License-Identifier: Apache-2.0

// Command unlock is the kiosk at which somebody with a locked card unlocks it by
// a code, signed in to nothing.
//
//	go run ./examples/unlock            # prints "ready" and its address
//
// Started with the -dir of examples/radesk it knows that hospital's people; by
// itself it begins with nobody, like that. The code appears on the page of
// messages. The cards are in the readers of the card service (package
// card/agent) at -agent.
//
// A demonstration, not affiliated with or approved by the NHS, and never for
// live cards, middleware or services.
package main

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/unlock/kiosk"
)

func main() { alone.Main(program()) }

func program() alone.Program {
	return alone.Program{
		Name: "unlock", Listen: "127.0.0.1:8481", Title: "Wardkey kiosk", After: "/",
		Lead:   "Unlock your card with a code that goes to your e-mail address or mobile number.",
		Places: []pages.Place{{Path: "/unlock", Name: "Unlock"}},
		Mount: func(site *pages.Site, mux *http.ServeMux) error {
			k, err := kiosk.New(site)
			if err == nil {
				k.Routes(mux)
			}
			return err
		},
	}
}
