// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// options are what the command was asked.
type options struct {
	test                      bool
	listen, issuer, control   string
	clientsFile, personasFile string
	verbose                   bool

	clients []openid.Client
}

// Flags that belong to one of the two kinds of provider.
var (
	testOnly = []string{"personas", "control"}
	realOnly = []string{"dir", "agent", "idle", "keys"}
)

// asked reads the arguments, and the file of clients.
func asked(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("signin", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.test, "test", false, "a provider for the tests of applications, with people and cards in its memory")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8484", "`address` to listen on")
	flags.StringVar(&o.issuer, "issuer", "", "`URL` of the provider (default http://LISTEN)")
	flags.StringVar(&o.clientsFile, "clients", "", "`file` of the applications")
	flags.StringVar(&o.personasFile, "personas", "", "-test: `file` of the people (default: some that are built in)")
	flags.StringVar(&o.control, "control", "", "-test: loopback `address` of the control port (default: none)")
	flags.BoolVar(&o.verbose, "v", false, "tell what happens")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood; see -help", flags.Arg(0))
	}
	if o.clientsFile == "" {
		return o, errors.New("-clients is missing: the file that says which applications may ask; see the documentation")
	}
	if !o.test {
		return o, errors.New("-test is missing")
	}
	var err error
	flags.Visit(func(f *flag.Flag) {
		switch {
		case !o.test && slices.Contains(testOnly, f.Name):
			err = fmt.Errorf("-%s is for a test server alone: say -test too, or leave it out", f.Name)
		case o.test && slices.Contains(realOnly, f.Name):
			err = fmt.Errorf("-%s is not for -test, which keeps everything in memory", f.Name)
		}
	})
	if err == nil {
		err = o.checkControl()
	}
	if err == nil {
		o.clients, err = readClients(o.clientsFile)
	}
	return o, err
}

// checkControl keeps others off the control port.
func (o options) checkControl() error {
	if o.control == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.control)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-control %s: whoever reaches it can be anybody, so its address is a loopback one such as 127.0.0.1:8485", o.control)
	}
	return nil
}

func readClients(name string) ([]openid.Client, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("-clients: %w", err)
	}
	clients, err := openid.ParseClients(text)
	if err != nil {
		return nil, fmt.Errorf("-clients %s: %w", name, err)
	}
	return clients, nil
}
