// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// An agent beside a tray with two readers, asked by a page of an allowed origin.
func ExampleClient_Status() {
	fail := func(err error) bool {
		if err != nil {
			fmt.Println(err)
		}
		return err != nil
	}
	dir, err := os.MkdirTemp("", "agent")
	if fail(err) {
		return
	}
	defer os.RemoveAll(dir)
	tray, err := cardtest.Open(cardtest.Config{Dir: dir})
	if fail(err) {
		return
	}
	defer tray.Close()
	if _, err := tray.Personalised(0, cardtest.Personal{Certify: certify}); fail(err) {
		return
	}
	module, err := card.Open(card.Config{Module: tray.Module()})
	if fail(err) {
		return
	}
	defer module.Close()

	a, err := agent.New(agent.Config{
		Module:  module,
		Servers: []string{"https://care.example"},
		Origins: []string{"https://portal.example"},
	})
	if fail(err) {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = a.Run(ctx) }() // ends with ctx
	listener := httptest.NewServer(a.Handler())
	defer listener.Close()

	page := agent.Client{Base: listener.URL, Origin: "https://portal.example"}
	status, err := page.Status(ctx)
	if fail(err) {
		return
	}
	for _, r := range status.Readers {
		fmt.Println("reader", r.Reader, r.State)
	}
	stranger := agent.Client{Base: listener.URL, Origin: "https://elsewhere.example"}
	_, err = stranger.Status(ctx)
	fmt.Println(err)
	// Output:
	// reader 0 present
	// reader 1 absent
	// origin.refused: This page may not use the card service.
}

// A support person's look at a workstation whose module can't be loaded.
func ExampleDoctor() {
	care := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"nonce":"AAAAAAAAAAAAAAAAAAAAAA"}`)) // a server, or as much as is asked of one
	}))
	defer care.Close()
	module, err := card.Open(card.Config{Module: "relative/path.so"})
	report := agent.Doctor(context.Background(), agent.Config{
		Module:  module,
		Servers: []string{care.URL},
		Origins: []string{"https://portal.example"},
		OneUser: true,
		SetUpOn: "the build before",
	}, err)
	for _, check := range report.Checks {
		if no := check.Refusal; no != nil {
			fmt.Println(check.Name, "is wrong:", no.Rule+", for the", no.Fixer)
		}
	}
	// Output:
	// module is wrong: module.untrusted, for the local-administrator
	// set-up is wrong: device.changed, for the local-administrator
}
