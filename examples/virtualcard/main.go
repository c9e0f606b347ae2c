// SPDX-License-Identifier: Apache-2.0

// Command virtualcard makes a virtual smartcard that any program with PKCS#11 can use:
//
//	go run ./examples/virtualcard
//
// It makes a tray in -dir, by default in the user's cache folder, with one card of
// two P-256 keys in reader 0, and prints what to type so that pkcs11-tool, p11-kit,
// OpenSSL and a browser load it. The card stays when this program ends; a second
// run finds it as it was left, also locked. -remove pulls it and -insert puts it
// back, while others use it.
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
	"path/filepath"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

func main() {
	dir := flag.String("dir", "", "`folder` of the tray, made if need be; by default wardkey/virtualcard in the user's cache")
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
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w; -dir says where the card is kept", err)
		}
		dir = filepath.Join(cache, "wardkey", "virtualcard")
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
	if err != nil || remove || insert {
		return err
	}
	_, err = fmt.Fprintf(out, howTo, tray.Module(), cards[0].Serial)
	return err
}

// howTo has the commands for a shell, indented.
const howTo = `card %[2]s, PIN 123456, SO PIN 87654321
module %[1]s

OpenSC's pkcs11-tool:
	pkcs11-tool --module '%[1]s' --login --pin 123456 --list-objects
p11-kit, and with it GnuTLS and OpenSSH's agent, as root and for the owner of this card:
	mkdir -p /etc/pkcs11/modules && echo 'module: %[1]s' > /etc/pkcs11/modules/wardkey.module
	p11-kit list-modules
Firefox, Chromium and others of NSS, with the folder of the profile (~/.pki/nssdb is Chromium's):
	modutil -force -dbdir "sql:${PROFILE:-$HOME/.pki/nssdb}" -add wardkey -libfile '%[1]s'
OpenSSL's engine of libp11 (Debian: libengine-pkcs11-openssl):
	PKCS11_MODULE_PATH='%[1]s' openssl req -new -subj /CN=test -engine pkcs11 -keyform engine -key 'pkcs11:serial=%[2]s;object=authentication;pin-value=123456'
`
