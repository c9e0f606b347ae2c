// SPDX-License-Identifier: Apache-2.0

// Command estate is a hospital of care identities in one process, for looking
// at and for trying out: a certificate authority whose issuing key is in
// SoftHSM, the care identity service and its OpenID Provider, two portals that
// sign people in there, two workstations with virtual smartcards in their
// readers, mail accounts with a portal and a gateway, the page where people without
// a certificate pick their messages up, and an inbox that receives every message.
// It listens on this machine alone.
//
//	go run ./examples/estate            # prints the address to open
//	go run ./examples/estate -tour      # plays the life of a card, and exits
//
// The first start makes a few invented people with cards; a second start with
// the same -dir takes everything up as it was left. The calendar can be moved
// forward on the front page and stays where it was put.
//
// The pages are at http://localhost and the port of -addr, at both addresses of that
// name, since browsers bind security keys to names. Keys of no maker are taken, but
// those that Chromium's developer tools make up. The portals are at 127.0.0.1, and so
// have cookies of their own.
//
// # What it is not
//
// A demonstration, for professionals. It is not affiliated with or approved by
// the NHS and must never be used with live cards, middleware or services. Its
// control addresses ask for no session, and its secrets stand in files of its
// folder.
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

	"github.com/wardkey-sdk/wardkey/examples/estate/tour"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the command; it returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("estate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var c config
	flags.StringVar(&c.dir, "dir", "", "`folder` that keeps the estate (default: wardkey/estate in the user's cache)")
	flags.StringVar(&c.web, "addr", "127.0.0.1:8460", "`address` of the pages")
	flags.StringVar(&c.agent, "agent", "127.0.0.1:8461", "`address` of the agent of the desk")
	flags.StringVar(&c.ward, "ward", "127.0.0.1:8462", "`address` of the agent of the ward")
	flags.StringVar(&c.portal, "portal", "127.0.0.1:8463", "`address` of the clinical portal")
	flags.StringVar(&c.mailPortal, "mail", "127.0.0.1:8464", "`address` of the mail portal")
	flags.StringVar(&c.smtp, "smtp", "127.0.0.1:8465", "`address` of the mail gateway")
	playTour := flags.Bool("tour", false, "play the tour on a fresh estate, leave nothing behind, and exit")
	verbose := flags.Bool("v", false, "tell what happens")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "estate: %q is not understood; see -help\n", flags.Arg(0))
		return 2
	}
	level := slog.LevelError
	if *verbose {
		level = slog.LevelInfo
	}
	c.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	var err error
	if *playTour {
		err = tourOnce(ctx, c, stdout)
	} else {
		err = serve(ctx, c, stdout)
	}
	if err != nil && !errors.Is(err, errFailed) {
		fmt.Fprintf(stderr, "estate: %s\n", strings.TrimPrefix(err.Error(), "estate: "))
	}
	if err != nil {
		return 1
	}
	return 0
}

// serve runs an estate until ctx ends.
func serve(ctx context.Context, c config, stdout io.Writer) error {
	if c.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no cache folder here, so say with -dir where the estate is to live: %w", err)
		}
		c.dir = filepath.Join(cache, "wardkey", "estate")
	}
	fmt.Fprintf(stdout, "Opening the estate in %s …\n", c.dir)
	e, err := start(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n  Open  %s\n\n  clinical portal          %s\n  mail portal              %s\n  agents of desk and ward  %s  %s\n  mail gateway             %s\n\nA demonstration. Stop it with Ctrl-C; it is kept for the next start.\n",
		e.addresses.Web, e.addresses.Portal, e.addresses.MailPortal, e.addresses.Agent, e.addresses.Ward, e.addresses.SMTP)
	<-ctx.Done()
	fmt.Fprintln(stdout, "Closing the estate …")
	return e.stop(ctx)
}

// errFailed is a tour that was played and did not pass; it has told why.
var errFailed = errors.New("the tour failed")

// tourOnce plays the tour on an estate of its own, at free ports, and removes
// it.
func tourOnce(ctx context.Context, c config, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "wardkey-estate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := start(ctx, config{dir: dir, log: c.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop(ctx)) }()
	passed, failed, err := tour.Run(ctx, tour.Addresses{Web: e.addresses.Web}, stdout)
	if err != nil {
		return err
	}
	if failed > 0 || passed == 0 {
		return errFailed
	}
	return nil
}
