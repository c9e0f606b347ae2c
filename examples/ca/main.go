// SPDX-License-Identifier: Apache-2.0

// Command ca is a certificate authority in one program: it issues pairs of
// certificates for care smartcards and serves, on one port, the lists, the
// issuer's certificate and OCSP that they point at, and a page that shows what
// ends when.
//
//	export WARDKEY_CA_PASSPHRASE='four words or more'
//	go run ./examples/ca -demo               # people of the past three years
//	go run ./examples/ca                     # serve, on 127.0.0.1:8470
//	go run ./examples/ca issue -name 'Amina Osei' -id 555000000017 auth.csr sign.csr >pair.pem
//	go run ./examples/ca renew pair.pem auth2.csr sign2.csr >pair2.pem
//	go run ./examples/ca revoke -reason 1 pair.pem
//
// # Who gets a certificate
//
// Nobody over the network: the server has no address that issues, renews or
// revokes. Those are commands, for whoever has the CA's folder and its passphrase
// or PIN; they work on the same ledger beside a server that runs, whose next list
// and next OCSP answer tell of them. Which person stands behind a request is for
// the operator to know.
//
// # Keys
//
// In -dir stand the certificates and the keys, under a passphrase. With -keys, a
// PKCS#11 URI such as
//
//	pkcs11:token=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so
//
// the issuing key is made in that token and never leaves it, and only the root's
// key is a file: take root.key away when the first start has made the issuing CA,
// and keep it offline. Passphrase and PIN come from WARDKEY_CA_PASSPHRASE and
// WARDKEY_CA_PIN, or are asked for at the terminal; never from an argument, which
// every user of a machine can see.
//
// # The ledger
//
// -db is an SQLite file, or a postgres:// URL without a password (PGPASSWORD or a
// .pgpass file has that). Several servers may stand on one PostgreSQL ledger; each
// needs the same certificates in its -dir, and the issuing key.
//
// # What it publishes, and where
//
// What certificates say, -base, -upn and -organization, is settled by the first
// start and kept in -dir. The page names people, so it is served only while
// -listen is a loopback address, and only under that name: to publish the rest,
// put a reverse proxy before it, or listen on another address and do without the
// page.
//
// # What it is not
//
// A demonstration of package pki. It is not affiliated with or approved by the
// NHS, and must never issue for live national cards or services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	p := program{args: os.Args[1:], stdout: os.Stdout, stderr: os.Stderr, ask: askTerminal, now: time.Now}
	status := p.run(ctx)
	stop()
	os.Exit(status)
}

// program is one run of the command.
type program struct {
	args           []string
	stdout, stderr io.Writer
	ask            func(prompt string) ([]byte, error)
	now            func() time.Time
}

var errUsage = errors.New("usage")

// run returns the exit status.
func (p program) run(ctx context.Context) int {
	name, args := "serve", p.args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	commands := map[string]func(context.Context, []string) error{"serve": p.serve, "issue": p.issue, "renew": p.renew, "revoke": p.revoke}
	command, found := commands[name]
	if !found {
		fmt.Fprintf(p.stderr, "ca: %q is not a command: serve, issue, renew or revoke\n", name)
		return 2
	}
	switch err := command(ctx, args); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		fmt.Fprintf(p.stderr, "ca: %v\n", err)
		return 1
	}
}

// flags are those of every command.
func (p program) flags(name string, c *config) *flag.FlagSet {
	flags := flag.NewFlagSet("ca "+name, flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.StringVar(&c.dir, "dir", "", "`folder` of certificates and keys (default: wardkey/ca in the user's cache)")
	flags.StringVar(&c.db, "db", "", "SQLite `file` or postgres:// URL of the ledger (default: ledger.db in -dir)")
	flags.StringVar(&c.keys, "keys", "", "PKCS#11 `URI` of the issuing key's token (default: a file in -dir)")
	return flags
}

// parse reads the arguments and completes the config. want is how many arguments
// stand behind the flags.
func (p program) parse(flags *flag.FlagSet, c *config, args []string, want int) error {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage // flag has told why
	case flags.NArg() != want:
		fmt.Fprintf(p.stderr, "%s: %d arguments behind the flags, not %d; see -help\n", flags.Name(), flags.NArg(), want)
		return errUsage
	}
	if c.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no cache folder here, so say with -dir where the CA is to live: %w", err)
		}
		c.dir = filepath.Join(cache, "wardkey", "ca")
	}
	c.ask, c.now = p.ask, p.now
	if c.log == nil {
		c.log = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	return nil
}

// serve runs the server until ctx ends.
func (p program) serve(ctx context.Context, args []string) error {
	var c config
	flags := p.flags("serve", &c)
	listen := flags.String("listen", "127.0.0.1:8470", "`address` to serve at")
	flags.StringVar(&c.said.Base, "base", "", "http `URL` that certificates point at, on the first start (default: that of -listen)")
	flags.StringVar(&c.said.UPNSuffix, "upn", "", "`suffix` of user principal names, on the first start (default: ca.example.org)")
	flags.StringVar(&c.said.Organization, "organization", "", "`name` in certificates, on the first start (default: Wardkey demonstration)")
	flags.BoolVar(&c.demo, "demo", false, "on the first start, issue to invented people over the past three years")
	verbose := flags.Bool("v", false, "tell what happens")
	if err := p.parse(flags, &c, args, 0); err != nil {
		return err
	}
	if *verbose {
		c.log = slog.New(slog.NewTextHandler(p.stderr, nil))
	}
	s, err := start(ctx, c, *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "ready http://%s\n", s.address)
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop(ctx))
}

// askTerminal asks for a secret that is not shown.
func askTerminal(prompt string) ([]byte, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return nil, errors.New("there is no terminal to ask at")
	}
	fmt.Fprint(os.Stderr, prompt)
	defer fmt.Fprintln(os.Stderr)
	return term.ReadPassword(in)
}
