// SPDX-License-Identifier: Apache-2.0

// Command cardcheck holds a PKCS#11 module to what the standard says of a card,
// and prints a table:
//
//	CARD_PIN=123456 go run ./examples/cardcheck -module /opt/acme/libacme-p11.so
//	CARD_PIN=123456 CARD_SOPIN=87654321 go run ./examples/cardcheck -module … -destructive -by-hand -junit cardcheck.xml
//
// PINs come from the environment: arguments can be seen by all users. Without
// -destructive nothing is done that changes the card; with it, the card is locked
// and unlocked, so take one that may be lost. With -by-hand, a person at the
// keyboard is told when to pull the card and to put it back. -departs names what
// is known to differ, with commas between. The exit code is 1 if anything failed.
//
// The suite is cardtest.TestModule's, which a vendor's own tests can call.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

var errFailed = errors.New("the module departs from the standard in what isn't declared")

func main() {
	var (
		m       cardtest.Module
		departs string
		junit   string
		byHand  bool
	)
	flag.StringVar(&m.Path, "module", "", "absolute path of the PKCS#11 module")
	flag.StringVar(&m.Serial, "serial", "", "serial of the card; by default the only one")
	flag.BoolVar(&m.Destructive, "destructive", false, "allow what changes the card")
	flag.BoolVar(&byHand, "by-hand", false, "ask for the card to be pulled and put back")
	flag.StringVar(&departs, "departs", "", "behaviours known to differ, with commas between")
	flag.StringVar(&junit, "junit", "", "file for the results in JUnit's form")
	flag.Parse()
	m.PIN, m.SOPIN = []byte(os.Getenv("CARD_PIN")), []byte(os.Getenv("CARD_SOPIN"))
	m.Departures = declared(departs)
	if byHand {
		keys := bufio.NewReader(os.Stdin)
		m.Remove = func() error { return tell(keys, "Pull the card, then press Enter.") }
		m.Insert = func() error { return tell(keys, "Put the card back, then press Enter.") }
	}
	if err := run(os.Stdout, m, junit); err != nil {
		fmt.Fprintln(os.Stderr, "cardcheck:", err)
		os.Exit(1)
	}
}

func declared(names string) map[string]string {
	all := map[string]string{}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			all[name] = "declared on the command line"
		}
	}
	return all
}

func tell(keys *bufio.Reader, what string) error {
	fmt.Fprintln(os.Stderr, what)
	_, err := keys.ReadString('\n')
	return err
}

// run prints a line for each behaviour as it is found.
func run(out io.Writer, m cardtest.Module, junit string) error {
	if len(m.PIN) == 0 {
		return errors.New("CARD_PIN is empty: PINs come from the environment, CARD_PIN and with -destructive CARD_SOPIN too")
	}
	if m.Destructive && len(m.SOPIN) == 0 {
		return errors.New("-destructive unlocks the card with CARD_SOPIN, which is empty")
	}
	if m.Serial == "" {
		var err error
		if m.Serial, err = onlyCard(m.Path); err != nil {
			return err
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var results []cardtest.Result
	count := map[cardtest.Outcome]int{}
	err := cardtest.Check(m, func(r cardtest.Result) {
		results = append(results, r)
		count[r.Outcome]++
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Outcome, r.Name, r.Clause, r.Detail)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(table, "\ncardcheck: %d passed, %d failed, %d departed as declared, %d not asked\n",
		count[cardtest.Passed], count[cardtest.Failed], count[cardtest.Departed], count[cardtest.NotAsked])
	if err := table.Flush(); err != nil {
		return err
	}
	if junit != "" {
		if err := writeJUnit(junit, results); err != nil {
			return err
		}
	}
	if count[cardtest.Failed] > 0 {
		return errFailed
	}
	return nil
}

// onlyCard is the serial of the one card in the module's readers.
func onlyCard(path string) (string, error) {
	m, err := card.Open(card.Config{Module: path})
	if err != nil {
		return "", err
	}
	c, err := m.Card(context.Background(), card.Selector{})
	if err != nil {
		return "", errors.Join(err, m.Close())
	}
	return c.Serial(), m.Close()
}
