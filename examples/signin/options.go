// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// options are what the command was asked.
type options struct {
	test                      bool
	listen, issuer, control   string
	clientsFile, personasFile string
	verbose                   bool

	dir         string
	forHospital []string // what package alone is asked

	clients []openid.Client
}

// isOfTest and isOfHospital say which of the two kinds of provider a flag belongs to, where it is one.
func isOfTest(name string) bool { return name == "personas" || name == "control" }

func isOfHospital(name string) bool {
	return slices.Contains([]string{"dir", "db", "agent", "models", "idle"}, name)
}

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
	flags.StringVar(&o.dir, "dir", "", "`folder` of the hospital (default: wardkey/hospital in the user's cache)")
	flags.String("db", "", "SQLite `file` or postgres:// URL of the hospital (default: hospital.db in -dir)")
	flags.String("models", "", "`file` of the approved security keys and sorts of Windows Hello; the pages are at localhost then (default: none)")
	flags.String("agent", "http://127.0.0.1:9443", "`URL` of the card service of this workstation")
	flags.Duration("idle", 0, "`time` after which a session that is left locks (default: never)")
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
	err := o.sort(flags)
	if err == nil {
		err = o.checkControl()
	}
	if err == nil {
		o.clients, err = readClients(o.clientsFile)
	}
	return o, err
}

// sort refuses flags of the other kind of provider, and passes a hospital's on.
func (o *options) sort(flags *flag.FlagSet) error {
	var wrong error
	flags.Visit(func(f *flag.Flag) {
		switch {
		case !o.test && isOfTest(f.Name):
			wrong = fmt.Errorf("-%s is for a test server alone: say -test too, or leave it out", f.Name)
		case o.test && isOfHospital(f.Name):
			wrong = fmt.Errorf("-%s is not for -test, which keeps everything in memory", f.Name)
		case f.Name != "dir" && isOfHospital(f.Name) || f.Name == "listen" || f.Name == "v":
			o.forHospital = append(o.forHospital, "-"+f.Name+"="+f.Value.String())
		}
	})
	if wrong != nil || o.test {
		return wrong
	}
	if o.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no cache folder here, so say with -dir where the hospital is to live: %w", err)
		}
		o.dir = filepath.Join(cache, "wardkey", "hospital")
	}
	o.forHospital = append(o.forHospital, "-dir="+o.dir)
	return nil
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
