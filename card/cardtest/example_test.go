// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"testing"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// A vendor's middleware, with a robot that pulls the card, in the vendor's tests.
func ExampleTestModule() {
	var t *testing.T // the test's own
	var robot struct{ Pull, PutBack func() error }
	cardtest.TestModule(t, cardtest.Module{
		Path: "/opt/acme/libacme-p11.so", Serial: "A0012345",
		PIN: []byte(os.Getenv("CARD_PIN")), SOPIN: []byte(os.Getenv("CARD_SOPIN")),
		Destructive: true,
		Remove:      robot.Pull, Insert: robot.PutBack,
		Lacks:      map[cardtest.Feature]string{cardtest.AlwaysAuthenticate: "the applet has one PIN, for the session"},
		Departures: map[string]string{"session-serial": "kept for programs of 2003"},
	})
}

// The same behaviours without a test, here of a virtual card whose reader obeys.
func ExampleCheck() {
	dir, err := os.MkdirTemp("", "tray")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tray, err := cardtest.Open(cardtest.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer tray.Close()
	serial, err := tray.Personalised(0, cardtest.Personal{})
	if err != nil {
		log.Fatal(err)
	}
	count := map[cardtest.Outcome]int{}
	err = cardtest.Check(cardtest.Module{
		Path: tray.Module(), Serial: serial, PIN: []byte("123456"), SOPIN: []byte("87654321"),
		Destructive: true,
		Remove:      func() error { return tray.Remove(0) },
		Insert:      func() error { return tray.Insert(0, serial) },
		Departures:  map[string]string{"wrong-pins-lock": "it never locks, somebody thought"},
	}, func(r cardtest.Result) {
		count[r.Outcome]++
		if r.Outcome == cardtest.Failed {
			fmt.Printf("%s (%s): %s\n", r.Name, r.Clause, r.Detail)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(count[cardtest.Passed] > 90, count[cardtest.Failed], count[cardtest.Departed])
	// Output:
	// wrong-pins-lock (§5.6 C_Login, CKR_PIN_LOCKED): declared to differ, and the module does it
	// true 1 0
}

// A test needs a locked card. Tests call New(t, …) instead of Open.
func Example() {
	dir, err := os.MkdirTemp("", "tray")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tray, err := cardtest.Open(cardtest.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer tray.Close()
	serial, err := tray.Personalised(0, cardtest.Personal{PIN: []byte("482913"), SOPIN: []byte("90346182")})
	if err != nil {
		log.Fatal(err)
	}
	module, err := card.Open(card.Config{Module: tray.Module()})
	if err != nil {
		log.Fatal(err)
	}
	defer module.Close()
	ctx := context.Background()
	c, err := module.Card(ctx, card.Selector{Serial: serial})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		err := c.Login(ctx, []byte("000000"), card.LoginOptions{FinalTry: true})
		info, _ := c.Info(ctx)
		fmt.Println(info.PIN, "-", err)
	}
	fmt.Println(c.Login(ctx, []byte("482913"), card.LoginOptions{}))
	fmt.Println(c.ResetPIN(ctx, []byte("90346182"), []byte("715504")))
	fmt.Println(c.Login(ctx, []byte("715504"), card.LoginOptions{}))
	// Output:
	// low - card: wrong PIN (login: C_Login: CKR_PIN_INCORRECT)
	// final try - card: wrong PIN (login: C_Login: CKR_PIN_INCORRECT)
	// locked - card: PIN is locked (login: C_Login: CKR_PIN_INCORRECT)
	// card: PIN is locked
	// <nil>
	// <nil>
}
