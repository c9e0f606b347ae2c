// SPDX-License-Identifier: Apache-2.0

// Command agent is the card service of a workstation: it stands between a browser
// and the smartcards in the readers (package card/agent).
//
//	go run ./examples/agent -module /usr/lib/opensc-pkcs11.so \
//		-server https://care.example -origin https://portal.example
//
// It listens on the loopback addresses alone, 127.0.0.1 and ::1, by plain HTTP, and
// prints a line when it does:
//
//	ready http://127.0.0.1:9443
//
// -server and -origin may be given several times. -unlock-page, -renew-page and
// -help-page are where people are sent to have a card mended. -removal is run when
// the signed-in card leaves its reader, such as "pkill -u ada chromium": words
// between blanks, the program first; for anything else name a script. It serves
// its own user's connections; -one-user is for systems where those of others can't
// be told, and says that there are none. An interrupt or SIGTERM ends it, and the
// sessions of the signed-in card.
//
// -doctor checks the workstation instead and prints what is wrong and who mends it,
// for a support person; with -json for a program:
//
//	go run ./examples/agent -doctor -module … -server … -origin … -set-up-on 10.0.22631
//
// The exit code is 0 if all is right, 1 if something is not, and 2 if it could not
// be asked for or the agent failed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// asked is what the command line says.
type asked struct {
	config       agent.Config
	module       string
	port         uint16
	doctor, json bool
}

// errWrong is a checkup that found something.
var errWrong = errors.New("something is wrong")

// command is main with the exit code as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil && a.doctor:
		err = checkup(ctx, a, stdout)
	case err == nil:
		err = serve(ctx, a, stdout, stderr)
	}
	if errors.Is(err, errWrong) {
		return 1
	}
	if err != nil {
		fmt.Fprintln(stderr, "agent:", err)
		return 2
	}
	return 0
}

func parse(args []string, stderr io.Writer) (asked, error) {
	var a asked
	var removal, listen string
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := func(name, usage string, into *[]string) {
		flags.Func(name, usage, func(text string) error { *into = append(*into, text); return nil })
	}
	flags.StringVar(&a.module, "module", "", "`path` of the card's PKCS#11 module, or a pkcs11: URI with it")
	list("server", "base `URL` of a server that proofs go to; several times", &a.config.Servers)
	list("origin", "`origin` whose pages may ask; several times", &a.config.Origins)
	flags.StringVar(&listen, "listen", "127.0.0.1:9443", "loopback `address`, whose port is taken on 127.0.0.1 and ::1; port 0 is a free one")
	flags.StringVar(&a.config.Pages.Unlock, "unlock-page", "", "`URL` where a locked card is unlocked")
	flags.StringVar(&a.config.Pages.Renew, "renew-page", "", "`URL` where a card is renewed")
	flags.StringVar(&a.config.Pages.Help, "help-page", "", "`URL` that says who helps where the holder can't")
	flags.StringVar(&removal, "removal", "", "`command` that is run when the signed-in card leaves its reader")
	flags.StringVar(&a.config.SetUpOn, "set-up-on", "", "`build` of the system on which the workstation was set up")
	flags.BoolVar(&a.config.OneUser, "one-user", false, "nobody else can log in to this machine")
	flags.BoolVar(&a.doctor, "doctor", false, "check the workstation and end")
	flags.BoolVar(&a.json, "json", false, "with -doctor: print JSON")
	if err := flags.Parse(args); err != nil {
		return a, err
	}
	if flags.NArg() > 0 {
		return a, fmt.Errorf("what is %q? -help lists the flags", strings.Join(flags.Args(), " "))
	}
	a.config.RemovalCommand = strings.Fields(removal)
	var err error
	a.port, err = loopbackPort(listen)
	return a, err
}

// loopbackPort is the port of an address of this machine's own.
func loopbackPort(address string) (uint16, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("-listen: %w", err)
	}
	if host != "127.0.0.1" && host != "::1" && host != "localhost" {
		return 0, fmt.Errorf("-listen: %s is not 127.0.0.1, ::1 or localhost, and nobody else is to reach the cards", host)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("-listen: %w", err)
	}
	return uint16(port), nil
}

// checkup prints what the doctor says, with or without a module.
func checkup(ctx context.Context, a asked, stdout io.Writer) error {
	module, opened := card.Open(card.Config{Module: a.module})
	if opened == nil {
		a.config.Module = module
		defer closed(module)
	}
	report := agent.Doctor(ctx, a.config, opened)
	if err := show(stdout, report, a.json); err != nil {
		return err
	}
	if !report.OK {
		return errWrong
	}
	return nil
}

func show(stdout io.Writer, report agent.Report, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(stdout, report.String())
		return err
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// serve runs the agent until ctx ends.
func serve(ctx context.Context, a asked, stdout, stderr io.Writer) error {
	module, err := card.Open(card.Config{Module: a.module})
	if err != nil {
		return err
	}
	defer closed(module)
	a.config.Module, a.config.Log = module, slog.New(slog.NewTextHandler(stderr, nil))
	service, err := agent.New(a.config)
	if err != nil {
		return err
	}
	listeners, err := agent.Listen(a.port)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{Handler: service.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, len(listeners)+1)
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	go func() { ended <- service.Run(ctx) }()
	if _, err := fmt.Fprintln(stdout, "ready", address(listeners[0])); err != nil {
		return errors.Join(err, server.Close())
	}
	var failed error
	for i := range cap(ended) {
		err := <-ended
		if i == 0 { // the first to end, by ctx or by itself, ends the others
			stop()
			failed = server.Close() // not Shutdown: events have no end of their own
		}
		if !errors.Is(err, context.Canceled) && !errors.Is(err, http.ErrServerClosed) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// closed closes the module, unless it hangs: then the end of this process does.
func closed(module *card.Module) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = module.Close() // the program ends
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
}

func address(l net.Listener) string { return "http://" + l.Addr().String() }
