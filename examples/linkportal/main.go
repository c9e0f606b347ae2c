// SPDX-License-Identifier: Apache-2.0

// Command linkportal is the pages at which somebody links their card to their
// mail account, in one program with a hospital of its own in memory.
//
//	go run ./examples/linkportal            # prints "ready" with its address
//
// The cards of its people need no reader: one signs in by a click, which stands
// for the card and its passcode. Mail accounts are opened, signed in to and made
// fit for a link at /mail; what a message would have said is at /messages. All
// else is what it is in a deployment: each card signs, package careid verifies it
// and decides about the link, package mailpolicy about the account. When the
// program ends, nothing is left. There is no card service either, so what a real
// one tells of the workstation is declared by hand.
//
// Package linking is the pages for a site with real cards.
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
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// command is main with the exit status as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("linkportal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:8487", "loopback `address` of the pages")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "linkportal: %q is not understood; see -help\n", flags.Arg(0))
		return 2
	}
	if err := serve(ctx, *listen, stdout); err != nil {
		fmt.Fprintln(stderr, "linkportal:", err)
		return 1
	}
	return 0
}

// serve runs the program until ctx ends.
func serve(ctx context.Context, listen string, stdout io.Writer) error {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-listen %s: whoever reaches this demonstration can be anybody in it, so its address is a loopback one such as 127.0.0.1:8487", listen)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	d, err := openDemo(ctx, "http://"+l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{
		Handler: d.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Fprintf(stdout, "ready %s\n", d.base)
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // for requests and messages under way
	defer cancel()
	if server.Shutdown(ending) != nil {
		err = errors.Join(err, server.Close())
	}
	return errors.Join(err, d.close(ending))
}
