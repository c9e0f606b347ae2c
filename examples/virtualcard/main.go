// SPDX-License-Identifier: Apache-2.0

// Command virtualcard makes a virtual smartcard that any program with PKCS#11 can use:
//
//	go run ./examples/virtualcard -dir ~/.wardkey-card
//
// It makes a tray in the folder, with one card of two P-256 keys in reader 0,
// and prints what to tell pkcs11-tool, p11-kit, OpenSSL's engine and Firefox. The
// card stays when this program ends; a second run finds it as it was left, also
// locked. -remove pulls it and -insert puts it back, while others use it.
//
// The PIN is 123456 and the SO PIN 87654321: test PINs, for a test card. It needs
// SoftHSM 2 and a C compiler.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func main() {
	dir := flag.String("dir", "", "folder of the tray; it is made if need be")
	remove := flag.Bool("remove", false, "pull the card out of its reader")
	insert := flag.Bool("insert", false, "put the card back into reader 0")
	flag.Parse()
	if err := run(os.Stdout, *dir, *remove, *insert); err != nil {
		fmt.Fprintln(os.Stderr, "virtualcard:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, dir string, remove, insert bool) error {
	if dir == "" {
		return errors.New("-dir says where the card is kept")
	}
	tray, err := cardtest.Open(cardtest.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer tray.Close()
	cards, err := tray.Cards()
	if err != nil {
		return err
	}
	switch {
	case len(cards) == 0 && (remove || insert):
		return errors.New("there is no card yet; run without -remove and -insert first")
	case len(cards) == 0:
		serial, err := tray.Personalised(0, cardtest.Personal{})
		if err != nil {
			return err
		}
		cards = []cardtest.Card{{Serial: serial}}
	case remove:
		err = tray.Remove(0)
	case insert:
		err = tray.Insert(0, cards[0].Serial)
	}
	if err != nil {
		return err
	}
	if remove || insert {
		return nil
	}
	_, err = fmt.Fprintf(out, `card %[2]s, PIN 123456, SO PIN 87654321
module %[1]s

pkcs11-tool:  pkcs11-tool --module %[1]s --login --list-objects
p11-kit:      echo 'module: %[1]s' > ~/.config/pkcs11/modules/wardkey.module
OpenSSL:      PKCS11_MODULE_PATH=%[1]s openssl pkeyutl -engine pkcs11 -keyform engine -sign -inkey 'pkcs11:serial=%[2]s;object=authentication' …
Firefox:      modutil -dbdir sql:PROFILE -add wardkey -libfile %[1]s
`, tray.Module(), cards[0].Serial)
	return err
}
