// SPDX-License-Identifier: Apache-2.0

// Command spineportal is a clinical portal in the place of the Spine portal: a
// relying party (package careid/relyingparty) that says whether and why its
// sign-in button is there, lets in who signs in at level 3 in a role, tells them
// what their card needs, and signs them out when the card is pulled.
//
//	SPINEPORTAL_SECRET=… go run ./examples/spineportal -issuer http://127.0.0.1:8484 -client-id portal
//
// It prints "ready" with its address. The provider has to know the client with the
// redirect_uri ADDRESS/auth/callback, the backchannel_logout_uri
// ADDRESS/auth/backchannel-logout and client_secret_post; examples/signin is such a
// provider, alone or with -test. The card is in a reader of the card service
// (package card/agent) at -agent, which must name this portal among its origins to
// tell it anything. Without an answer from there the portal works all the same, by
// what the person declares.
//
// A demonstration, not affiliated with or approved by the NHS, and never for
// live cards, middleware or services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/spineportal/portal"
)

// secretName is where the client's secret is: arguments can be seen by every user.
const secretName = "SPINEPORTAL_SECRET"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := command(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are what the command was asked.
type options struct {
	listen string
	portal portal.Config
}

// command is main with the exit status as its result.
func command(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	o, err := asked(args, env, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "spineportal:", err)
		return 2
	}
	if err := o.serve(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "spineportal:", err)
		return 1
	}
	return 0
}

// asked reads the arguments and the secret.
func asked(args []string, env func(string) string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("spineportal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8486", "loopback `address` of the pages")
	flags.StringVar(&o.portal.Login.Issuer, "issuer", "http://127.0.0.1:8484", "`URL` of the provider, as it spells itself")
	flags.StringVar(&o.portal.Login.ClientID, "client-id", "", "the portal's `name` at the provider")
	flags.StringVar(&o.portal.Agent, "agent", "http://127.0.0.1:9443", "`URL` of the card service of this workstation")
	flags.StringVar(&o.portal.Pages.Unlock, "unlock", "", "`URL` of the page at which a locked card is unlocked (default: none)")
	flags.StringVar(&o.portal.Pages.Renew, "renew", "", "`URL` of the page at which a card is renewed (default: none)")
	verbose := flags.Bool("v", false, "tell what happens")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	level := slog.LevelError
	if *verbose {
		level = slog.LevelInfo
	}
	o.portal.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	o.portal.Login.Secret = []byte(env(secretName))
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is not understood; see -help", flags.Arg(0))
	case o.portal.Login.ClientID == "":
		return o, errors.New("-client-id is missing: the name under which the provider knows this portal")
	case len(o.portal.Login.Secret) == 0:
		return o, errors.New("the environment has no " + secretName + ": the client_secret that the provider knows this portal by")
	}
	return o, o.check()
}

// check refuses what would open the demonstration to others.
func (o options) check() error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("-listen %s is not an address such as 127.0.0.1:8486", o.listen)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-listen %s: this demonstration answers on this machine alone, so its address begins with 127.0.0.1", o.listen)
	}
	return nil
}

// serve runs the portal until ctx ends.
func (o options) serve(ctx context.Context, stdout io.Writer) error {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	o.portal.Base = "http://" + l.Addr().String()
	p, err := portal.New(o.portal)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{
		Handler: p.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(o.portal.Log.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(p.HangUp)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Fprintf(stdout, "ready %s\n", o.portal.Base)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // for requests under way
	defer cancel()
	if server.Shutdown(ending) != nil {
		return server.Close()
	}
	return nil
}
