// SPDX-License-Identifier: Apache-2.0

// Package alone is what stands behind an example that runs by itself: a hospital
// of its own in one folder, with a certificate authority, the care identity
// service and a database.
//
//	func main() {
//		alone.Main(alone.Program{Name: "radesk", Listen: "127.0.0.1:8480", Title: "RA desk", Mount: mount})
//	}
//
// Programs that are started with the same -dir are one hospital: somebody who
// got a card at the desk of the one unlocks it at the kiosk of the other. Cards
// are in the readers of the agent at -agent, which must know the program's
// address as a server and as an origin.
//
// With -models, a list as careid/webauthn.ParseModels reads it, people also sign
// in with security keys and Windows Hello. The pages are at http://localhost then,
// since browsers bind a key to a name, and at both of its addresses. The list examples/internal/virtualkeys/models.json
// has the keys that Chromium's developer tools make up. The password of a mail account and the code of an authenticator
// app sign in without more.
//
// A fresh hospital has nobody. The first start prints an address, good as long
// as the program runs, at which the first RA manager is made and their card
// issued; everybody else comes through the desk. Messages go to a page of the
// program, for nobody but its own machine.
//
// It is a demonstration: keys lie in files, and every page is for this machine
// alone.
package alone

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// Program is one example.
type Program struct {
	Name   string // the command
	Listen string // where it listens by default
	Title  string // of its pages
	Lead   string // a sentence on the front page
	After  string // where a sign-in leads
	Places []pages.Place
	// Opened, where set, gets the hospital before Mount is called, and Observe hears what happens to its people.
	Opened  func(context.Context, *Hospital) error
	Observe func(context.Context, careid.Event)
	Mount   func(*pages.Site, *http.ServeMux) error
	Now     func() time.Time // the calendar; default time.Now
}

// Main runs the program until it is interrupted, and exits.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Run is the command; it returns its exit status.
func (p Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := Config{Observe: p.Observe, Now: p.Now}
	listen := flags.String("listen", p.Listen, "loopback `address` of the pages")
	flags.StringVar(&c.Dir, "dir", "", "`folder` of the hospital's keys (default: wardkey/hospital in the user's cache)")
	flags.StringVar(&c.DB, "db", "", "SQLite `file` or postgres:// URL (default: hospital.db in -dir)")
	flags.StringVar(&c.Agent, "agent", "http://127.0.0.1:9443", "`URL` of the card service of this workstation")
	flags.DurationVar(&c.Idle, "idle", 0, "`time` after which a session that is left locks (default: never)")
	models := flags.String("models", "", "`file` of the approved security keys and sorts of Windows Hello; the pages are at localhost then (default: none)")
	verbose := flags.Bool("v", false, "tell what happens")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "%s: %q is not understood; see -help\n", p.Name, flags.Arg(0))
		return 2
	}
	level := slog.LevelError
	if *verbose {
		level = slog.LevelInfo
	}
	c.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	err := c.readModels(*models)
	if err == nil {
		err = p.serve(ctx, c, *listen, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return 1
	}
	return 0
}

func (p Program) serve(ctx context.Context, c Config, listen string, stdout io.Writer) error {
	if c.Dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no cache folder here, so say with -dir where the hospital is to live: %w", err)
		}
		c.Dir = filepath.Join(cache, "wardkey", "hospital")
	}
	if err := c.check(listen); err != nil {
		return err
	}
	listeners, err := c.listen(listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // the server has closed it, unless there never was one
		}
	}()
	c.Base = c.base(listeners[0].Addr())
	h, err := Open(ctx, c)
	if err != nil {
		return err
	}
	if p.Opened != nil {
		if err := p.Opened(ctx, h); err != nil {
			return errors.Join(err, h.Close(ctx))
		}
	}
	handler, first, err := p.handler(ctx, h)
	if err != nil {
		return errors.Join(err, h.Close(ctx))
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }()
	}
	h.keepDue()
	if first != "" {
		fmt.Fprintf(stdout, "first %s\n", first)
	}
	fmt.Fprintf(stdout, "ready %s\n", c.Base)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	return errors.Join(err, stop(ctx, server), h.Close(ctx))
}

// stop lets requests end, for five seconds.
func stop(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		return server.Close()
	}
	return nil
}

// check refuses what would open the demonstration to others.
func (c Config) check(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("-listen %s is not an address such as 127.0.0.1:8480", listen)
	}
	ip := net.ParseIP(host)
	if ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-listen %s: this demonstration answers on this machine alone, so its address begins with 127.0.0.1", listen)
	}
	if err := c.named(ip); err != nil {
		return err
	}
	agent, err := url.Parse(c.Agent)
	if err != nil {
		return errors.New("-agent is not a URL such as http://127.0.0.1:9443")
	}
	if ip := net.ParseIP(agent.Hostname()); agent.Scheme != "http" || ip == nil || !ip.IsLoopback() || agent.Port() == "" || agent.Path != "" {
		return fmt.Errorf("-agent %s: the card service is on this machine, at an address such as http://127.0.0.1:9443", agent.Redacted())
	}
	if c.Idle < 0 || c.Idle%time.Minute != 0 {
		return errors.New("-idle is a number of whole minutes, such as 15m")
	}
	return nil
}
