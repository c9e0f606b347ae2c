// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/internal/inbox"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/seed"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/web"
	"github.com/wardkey-sdk/wardkey/examples/internal/loopback"
)

// config says where an estate lives and at which addresses it answers. The
// zero addresses take free ports.
type config struct {
	dir                                        string
	web, agent, ward, portal, mailPortal, smtp string
	log                                        *slog.Logger // nil is silent
}

// firstStart is there while the first people are being made. An estate that
// was stopped in the middle of that begins anew.
const firstStart = "first-start"

// estate is a running one.
type estate struct {
	addresses rooms.Addresses
	rooms     *rooms.Rooms
	log       *slog.Logger
	servers   []*http.Server
	inbox     net.Listener
	lock      *os.File
	running   sync.WaitGroup
	stopDue   context.CancelFunc
}

// start opens the folder, listens on loopback and, the first time, makes the
// first people. When it returns, the estate can be used.
func start(ctx context.Context, c config) (*estate, error) {
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	lock, err := lockFolder(c.dir)
	if err != nil {
		return nil, err
	}
	e := &estate{log: c.log, lock: lock}
	fresh, err := prepareFolder(c.dir)
	if err != nil {
		return nil, errors.Join(err, e.stop(ctx))
	}
	if err := e.open(ctx, c); err != nil {
		return nil, errors.Join(err, e.stop(ctx))
	}
	if !fresh {
		return e, nil
	}
	if err := seed.Run(ctx, e.addresses.Web, e.rooms.Demo.Note); err != nil {
		return nil, errors.Join(err, e.stop(ctx))
	}
	if err := os.Remove(filepath.Join(c.dir, firstStart)); err != nil {
		return nil, errors.Join(err, e.stop(ctx))
	}
	return e, nil
}

// lockFolder makes the folder and takes it for this process: an estate that
// another one is making must not be taken for one that was cut short.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the estate's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the estate's folder: %w", err)
	}
	taken, err := lockFile(f)
	switch {
	case taken:
		err = fmt.Errorf("the estate in %s is open in another process: stop that, or choose another folder with -dir", dir)
	case err != nil:
		err = fmt.Errorf("locking the estate's folder: %w", err)
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

// prepareFolder says whether this is a first start. What an earlier one left
// half made is removed: by name, and only beside its mark.
func prepareFolder(dir string) (fresh bool, err error) {
	mark := filepath.Join(dir, firstStart)
	if _, err := os.Stat(mark); err == nil {
		for _, name := range []string{
			"estate.db", "estate.db-wal", "estate.db-shm", "clock", "demo.json", "inbox", "secrets", "ca", "tray", "directory", "outside",
		} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return false, fmt.Errorf("beginning anew after a first start that was cut short: %w", err)
			}
		}
	} else if _, err := os.Stat(filepath.Join(dir, "estate.db")); err == nil {
		return false, nil
	}
	return true, os.WriteFile(mark, []byte("The first people of this estate are being made.\n"), 0o600)
}

// open listens first, because the rooms have to know their addresses.
func (e *estate) open(ctx context.Context, c config) error {
	listeners := map[string][]net.Listener{}
	defer func() {
		for _, unserved := range listeners {
			for _, l := range unserved {
				_ = l.Close()
			}
		}
	}()
	for name, address := range map[string]string{
		"web": c.web, "agent": c.agent, "ward": c.ward, "portal": c.portal, "mail": c.mailPortal, "smtp": c.smtp, "inbox": "",
	} {
		l, err := listen(name, address)
		if err != nil {
			return err
		}
		listeners[name] = l
	}
	at := func(name string) string { return listeners[name][0].Addr().String() }
	// Browsers give a cookie to every port of a host, RFC 6265 §8.5: the applications are not at the host of the identity
	// service, or their cookies would be mixed with those. The agents have none.
	e.addresses = rooms.Addresses{
		Web: loopback.Base(listeners["web"][0].Addr()), Agent: "http://" + at("agent"), Ward: "http://" + at("ward"),
		Portal: "http://" + at("portal"), MailPortal: "http://" + at("mail"), SMTP: at("smtp"), Inbox: at("inbox"),
	}
	all, err := rooms.Open(ctx, rooms.Config{Dir: c.dir, Addresses: e.addresses, Log: c.log})
	if err != nil {
		return err
	}
	e.rooms = all
	site, err := web.New(web.Config{Rooms: all, Log: c.log})
	if err != nil {
		return err
	}
	clinical, err := web.Portal(all, c.log)
	if err != nil {
		return err
	}
	mail, err := web.MailPortal(all, c.log)
	if err != nil {
		return err
	}
	for name, handler := range map[string]http.Handler{
		"web": site, "portal": clinical.Handler(), "mail": mail, "agent": all.Desk.Handler(rooms.DeskStation), "ward": all.Desk.Handler(rooms.WardStation),
	} {
		for _, l := range listeners[name] {
			e.serve(l, handler)
		}
		delete(listeners, name)
	}
	for _, server := range e.servers {
		server.RegisterOnShutdown(clinical.HangUp)
	}
	all.Gateway.Serve(listeners["smtp"][0])
	delete(listeners, "smtp")
	e.receive(all.Inbox, listeners["inbox"][0])
	delete(listeners, "inbox")
	e.keepDue()
	return nil
}

// listen takes a loopback address, or says in one sentence why it can't. The pages
// are at a name, and so at both of its addresses.
func listen(name, address string) ([]net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("-%s %s is not an address such as 127.0.0.1:8460", flagOf[name], address)
	}
	if host != "127.0.0.1" {
		return nil, fmt.Errorf("-%s %s: the estate answers on this machine alone, so its addresses begin with 127.0.0.1", flagOf[name], address)
	}
	var all []net.Listener
	if name == "web" {
		all, err = loopback.Listen(address)
	} else {
		var one net.Listener
		one, err = net.Listen("tcp4", address)
		all = []net.Listener{one}
	}
	var failed *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && errors.As(err, &failed):
		return nil, fmt.Errorf("%s is taken by another program, perhaps an estate that still runs: stop that, or choose another address with -%s", failed.Addr, flagOf[name])
	case err != nil:
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return all, nil
}

// flagOf is the flag that sets an address.
var flagOf = map[string]string{"web": "addr", "agent": "agent", "ward": "ward", "portal": "portal", "mail": "mail", "smtp": "smtp"}

func (e *estate) serve(l net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelWarn),
	}
	e.servers = append(e.servers, server)
	e.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("an address is no longer served", "address", l.Addr(), "cause", err)
		}
	})
}

func (e *estate) receive(box *inbox.Box, l net.Listener) {
	e.inbox = l
	e.running.Go(func() {
		if err := box.Serve(l); err != nil {
			e.log.Error("the inbox no longer receives", "cause", err)
		}
	})
}

// keepDue does every second what the calendar asks for.
func (e *estate) keepDue() {
	ctx, stop := context.WithCancel(context.Background())
	e.stopDue = stop
	e.running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := e.rooms.Due(ctx); err != nil && ctx.Err() == nil {
				e.log.Error("what fell due could not be done; it is tried again", "cause", err)
			}
		}
	})
}

// stop ends the estate so that nothing is lost: the agents first, while the
// web still answers them, then the addresses, then the rooms.
func (e *estate) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if e.stopDue != nil {
		e.stopDue()
	}
	var errs []error
	if e.rooms != nil {
		errs = append(errs, e.rooms.Desk.Close(ctx)) // what the agents still have to tell is answered
	}
	errs = append(errs, e.hangUp(ctx))
	if e.rooms != nil {
		errs = append(errs, e.rooms.Close(ctx))
		if e.inbox != nil {
			errs = append(errs, e.rooms.Inbox.Close(ctx))
		}
	}
	e.running.Wait()
	return errors.Join(append(errs, e.lock.Close())...) // now the folder is free
}

// hangUp ends the servers before the rooms that they ask. Requests under way get
// a second to end; streams of events never would.
func (e *estate) hangUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var errs []error
	for _, server := range e.servers {
		if server.Shutdown(ctx) != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
