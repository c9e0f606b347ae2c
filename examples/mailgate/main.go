// SPDX-License-Identifier: Apache-2.0

// Command mailgate is a mail gateway in one program: it stands between a mail
// system and the way out, encrypts what its sender tagged [secure], and lets
// nothing out in clear that was meant to be encrypted.
//
//	go run ./examples/mailgate -upstream 127.0.0.1:2525 -certs certs -roots roots.pem -db mailgate.db
//
// It prints "ready" with its address when it takes mail, and stops on SIGTERM:
// what it is delivering it goes on with for a few seconds, what it can't deliver
// it keeps in -db for the next start.
//
// # Who can be written to
//
// -certs is a folder of certificates in PEM, each for the e-mail addresses in it;
// it is looked at again whenever a file in it changes. -roots is a file with the
// authorities that such certificates must chain to, each trusted as it stands. A
// tagged message to somebody without a good certificate is refused, and the mail
// system before tells its sender.
//
// Whether a certificate is revoked is asked each time, of the OCSP responder that
// it names and, where that has no answer that counts, of the list (CRL) that it
// names; a list is asked for again after five minutes. The gateway must reach
// those addresses by http or https; what names only others, such as ldap, is
// refused. What is revoked or on hold is refused with that reason. Where nobody
// can tell, the message is answered with 451, within seconds for each certificate
// and minutes for all; the log says who was asked, and the mail system before tries
// again. Meanwhile such messages hold places of those that are taken at once
// (gateway.Config.MaxAtOnce), and other mail may have to wait for one.
//
// A certificate that names neither responder nor list has nobody to ask: it is good
// until it expires or its file is taken out of the folder, which works at once and
// is the way to revoke it. How many of those there are is in the log. The
// authorities of -roots are not asked about: they are taken out of the file, at the
// next start.
//
// Messages are not kept for people without a certificate: that needs a web address
// (gateway.Config.PickupURL), and examples/estate shows it.
//
// # Where it stands
//
// -upstream takes what goes out, for all domains. Beyond this machine it must
// offer STARTTLS, with a certificate for its name that the system trusts. Only
// programs on this machine may hand mail to the gateway, because it takes their
// word for the sender.
//
// # What it keeps
//
// -db is an SQLite file, or a postgres:// URL without a password (PGPASSWORD or a
// .pgpass file has that). Mail in it is sealed under a key of 32 bytes, in
// hexadecimal: WARDKEY_MAILGATE_KEY, or else a file that the first start makes and
// only its user can read. For an SQLite file that is the file of its name with
// .key after it; for a server, wardkey/mailgate.key in the user's configuration
// folder, which every machine needs that works on the same database. A key beside
// its database protects copies of the database alone, such as backups: leave the
// key out of those. A key in an argument could be seen by every user of the
// machine. Without its key the mail can't be read by anyone.
//
// A demonstration, not affiliated with or approved by the NHS.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/database"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// patience is how long the end waits for conversations and deliveries.
const patience = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

type config struct{ listen, upstream, certs, roots, db string }

// command is main with the exit status as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("mailgate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8525", "`address` to take mail on")
	flags.StringVar(&c.upstream, "upstream", "", "`address` of the mail server that takes what goes out")
	flags.StringVar(&c.certs, "certs", "", "`folder` of recipients' certificates in PEM")
	flags.StringVar(&c.roots, "roots", "", "`file` of the authorities to trust, in PEM")
	flags.StringVar(&c.db, "db", "mailgate.db", "SQLite `file` or postgres:// URL")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "mailgate: %q is not understood; see -help\n", flags.Arg(0))
		return 2
	case c.upstream == "" || c.certs == "" || c.roots == "":
		fmt.Fprintln(stderr, "mailgate: -upstream, -certs and -roots are needed; see -help")
		return 2
	}
	if err := c.serve(ctx, stdout, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		fmt.Fprintln(stderr, "mailgate:", err)
		return 1
	}
	return 0
}

// serve runs the gateway until ctx ends.
func (c config) serve(ctx context.Context, stdout io.Writer, log *slog.Logger) (err error) {
	if !onServer(c.db) {
		c.db = fileOf(c.db)
	}
	key, err := spoolKey(c.db)
	if err != nil {
		return err
	}
	db, err := database.Open(c.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return fmt.Errorf("-db: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	g, err := c.gateway(store, key, log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.listen)
	if err != nil {
		return errors.Join(fmt.Errorf("-listen: %w", err), g.Close())
	}
	failed := make(chan error, 1)
	go func() { failed <- g.Serve(l) }()
	fmt.Fprintf(stdout, "ready %s\n", l.Addr())
	select {
	case err = <-failed:
		return errors.Join(err, g.Close())
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if g.Shutdown(ending) != nil { // somebody holds the line
		return g.Close()
	}
	return nil
}

func (c config) gateway(store gateway.Store, key []byte, log *slog.Logger) (*gateway.Gateway, error) {
	roots, err := certificatesIn(c.roots)
	if err != nil {
		return nil, fmt.Errorf("-roots: %w", err)
	}
	directory := &folder{path: c.certs}
	known, err := directory.read()
	if err != nil {
		return nil, fmt.Errorf("-certs: %w", err)
	}
	if n := count(known, unpublished); n > 0 {
		log.Info("mailgate: certificates that name neither responder nor list; only taking them out of the folder revokes them", "certificates", n, "of", len(known))
	}
	status, err := newStatus(roots, statusPatience, fetchPatience, log)
	if err != nil {
		return nil, err
	}
	encrypter, err := smime.New(smime.Config{Roots: poolOf(roots), Revoked: status.revoked})
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return gateway.New(gateway.Config{
		NextHop: c.upstream, NextHopTLS: tlsFor(c.upstream), Encrypter: encrypter, Directory: directory,
		Store: store, Key: key, Hostname: name, Log: log,
	})
}

// tlsFor is nil on this machine, where nobody stands between.
func tlsFor(upstream string) *tls.Config {
	host, _, err := net.SplitHostPort(upstream)
	if err != nil {
		return nil // gateway.New says what is wrong
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}
