// SPDX-License-Identifier: Apache-2.0

// Command signin is an OpenID Provider for the tests of applications: the one of
// package openid with its pages, on a hospital in memory.
//
//	go run ./examples/signin -test -clients clients.json -control 127.0.0.1:8485
//
// It prints ready when it listens, and ends by SIGTERM. Without -test it does not
// start yet.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
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
	o, err := asked(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "signin:", err)
		return 2
	}
	if err := o.mock(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "signin:", err)
		return 1
	}
	return 0
}
