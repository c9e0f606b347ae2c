// SPDX-License-Identifier: Apache-2.0

// Command cardcheck holds a PKCS#11 module to what the standard says of a card,
// and prints a table:
//
//	CARD_PIN=123456 go run ./examples/cardcheck -module /opt/acme/libacme-p11.so
//	CARD_PIN=123456 CARD_SOPIN=87654321 go run ./examples/cardcheck -module … -destructive -by-hand -junit cardcheck.xml
//
// PINs come from the environment, CARD_PIN, CARD_SOPIN and CARD_PUK: arguments can
// be seen by all users. Without -destructive nothing is done that changes the
// card; with it, the card is locked and unlocked, so take one that may be lost.
// With -by-hand, a person at the keyboard is told when to pull the card and to put
// it back, and with -other too when to insert another. -departs names the
// behaviours that are known to differ, and -lacks the features that the card is
// without, with commas between.
//
// On a terminal it says how far it is; in a pipe there is only the table. The exit
// code is 0 if nothing failed, 1 if something did, and 2 if nothing could be asked.
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
	os.Exit(command(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command is main with the exit code as its result.
func command(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	m, junit, err := asked(args, bufio.NewReader(stdin), stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = run(stdout, progress(stderr), m, junit)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		fmt.Fprintln(stderr, "cardcheck:", err)
		return 1
	}
	fmt.Fprintln(stderr, "cardcheck:", err)
	return 2
}

// asked reads what is asked from arguments and environment.
func asked(args []string, keys *bufio.Reader, stderr io.Writer) (m cardtest.Module, junit string, err error) {
	var departs, lacks string
	var byHand, other bool
	flags := flag.NewFlagSet("cardcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&m.Path, "module", "", "absolute `path` of the PKCS#11 module")
	flags.StringVar(&m.InitArgs, "init-args", "", "reserved `argument` of C_Initialize, for modules that want one, as NSS's softokn")
	flags.StringVar(&m.Serial, "serial", "", "`serial` of the card; by default the only one")
	flags.BoolVar(&m.Destructive, "destructive", false, "allow what changes the card")
	flags.BoolVar(&byHand, "by-hand", false, "ask for the card to be pulled and put back")
	flags.BoolVar(&other, "other", false, "with -by-hand: ask for another card of the same label, too")
	flags.StringVar(&departs, "departs", "", "`behaviours` known to differ, with commas between")
	flags.StringVar(&lacks, "lacks", "", "`features` that the card is without: writing, always-authenticate, slot-events, pin-flags, locking")
	flags.StringVar(&junit, "junit", "", "`file` for the results in JUnit's form")
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: CARD_PIN=… [CARD_SOPIN=…] [CARD_PUK=…] cardcheck -module path [flags]\n\n"+
			"CARD_PIN is the card's PIN. CARD_SOPIN, the security officer's PIN, and CARD_PUK,\n"+
			"for cards that take one in C_SetPIN, let a locked card be opened again. They come\n"+
			"from the environment because all users can see arguments.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return m, "", err
	}
	if flags.NArg() > 0 {
		return m, "", fmt.Errorf("%q is no flag; PINs come from the environment", flags.Arg(0))
	}
	m.PIN, m.SOPIN, m.PUK = secret("CARD_PIN"), secret("CARD_SOPIN"), secret("CARD_PUK")
	m.Departures = declared[string](departs)
	m.Lacks = declared[cardtest.Feature](lacks)
	if byHand {
		m.Remove = func() error { return tell(keys, stderr, "Pull the card, then press Enter.") }
		m.Insert = func() error { return tell(keys, stderr, "Put the card back, then press Enter.") }
		if other {
			m.InsertOther = func() error { return tell(keys, stderr, "Insert the other card, then press Enter.") }
		}
	}
	return m, junit, nil
}

// secret is a PIN from the environment; nil where there is none.
func secret(name string) []byte {
	if pin := os.Getenv(name); pin != "" {
		return []byte(pin)
	}
	return nil
}

func declared[K ~string](names string) map[K]string {
	all := map[K]string{}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			all[K(name)] = "declared on the command line"
		}
	}
	return all
}

func tell(keys *bufio.Reader, stderr io.Writer, what string) error {
	fmt.Fprintln(stderr, "\n"+what)
	_, err := keys.ReadString('\n')
	return err
}

// progress is where a terminal is told how far it is; elsewhere nothing is.
func progress(stderr io.Writer) io.Writer {
	if file, is := stderr.(*os.File); is {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return stderr
		}
	}
	return io.Discard
}

// run asks all, says in between how far it is, and prints the table.
func run(out, progress io.Writer, m cardtest.Module, junit string) error {
	if m.Path == "" {
		return errors.New("-module says which module; -help says more")
	}
	if len(m.PIN) == 0 {
		return errors.New("CARD_PIN is empty: PINs come from the environment")
	}
	if m.Serial == "" {
		var err error
		if m.Serial, err = onlyCard(m); err != nil {
			return err
		}
	}
	var results []cardtest.Result
	all := len(cardtest.Behaviours())
	err := cardtest.Check(m, func(r cardtest.Result) {
		results = append(results, r)
		fmt.Fprintf(progress, "\r\x1b[K%d of %d: %s", len(results), all, r.Name)
	})
	fmt.Fprint(progress, "\r\x1b[K")
	if err != nil {
		return err
	}
	failed, err := printTable(out, results)
	if err != nil {
		return err
	}
	if junit != "" {
		if err := writeJUnit(junit, results); err != nil {
			return err
		}
	}
	if failed > 0 {
		return errFailed
	}
	return nil
}

// printTable says how many failed.
func printTable(out io.Writer, results []cardtest.Result) (failed int, err error) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	count := map[cardtest.Outcome]int{}
	for _, r := range results {
		count[r.Outcome]++
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Outcome, r.Name, r.Clause, r.Detail)
	}
	fmt.Fprintf(table, "\ncardcheck: %d passed, %d failed, %d departed as declared, %d not asked\n",
		count[cardtest.Passed], count[cardtest.Failed], count[cardtest.Departed], count[cardtest.NotAsked])
	return count[cardtest.Failed], table.Flush()
}

// onlyCard is the serial of the one card in the module's readers.
func onlyCard(module cardtest.Module) (string, error) {
	m, err := card.Open(card.Config{Module: module.Path, InitArgs: module.InitArgs})
	if err != nil {
		return "", err
	}
	c, err := m.Card(context.Background(), card.Selector{})
	if err != nil {
		return "", errors.Join(err, m.Close())
	}
	return c.Serial(), m.Close()
}
