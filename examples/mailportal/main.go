// SPDX-License-Identifier: Apache-2.0

// Command mailportal is a mail portal for care homes and pharmacies, in one
// program: sites and their accounts, the first login, recovery, the shared
// mailbox, and a message with the decision about it as one types.
//
//	go run ./examples/mailportal                       # prints "ready" with its address
//	go run ./examples/mailportal -smtp 127.0.0.1:8525  # and sends, through examples/mailgate
//
// Package mailpolicy decides everything; package webmail is the pages. Texts go to
// the phone of the demonstration, at /phone. Nobody proves who they are before they
// have an account: whoever opens /register or /apply is believed, and whoever opens
// /desk is the help desk.
//
// -db is an SQLite file, or a postgres:// URL without a password (PGPASSWORD or a
// .pgpass file has that). For what the help desk asks of security answers it needs
// a key of 32 bytes, in hexadecimal: WARDKEY_MAILPORTAL_KEY, or, beside an SQLite
// file, the file of that name with .key after it, which the first start makes. A
// portal on a server without that variable runs, and its desk can't ask.
//
// -breached is a list of passwords that others know, by their SHA-1 and in order, as
// Pwned Passwords can be downloaded: nobody chooses one of them.
//
// A demonstration, not affiliated with or approved by the NHS, and never for live
// services.
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

	"github.com/wardkey-sdk/wardkey/examples/internal/database"
	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// patience is how long the end waits for requests and texts under way.
const patience = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

type config struct{ listen, db, smtp, breached string }

// command is main with the exit status as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("mailportal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8488", "loopback `address` of the pages")
	flags.StringVar(&c.db, "db", "mailportal.db", "SQLite `file` or postgres:// URL")
	flags.StringVar(&c.smtp, "smtp", "", "loopback `address` of the mail gateway that takes what is sent (default: nothing is sent)")
	flags.StringVar(&c.breached, "breached", "", "`file` of breached passwords, SHA-1 in order (default: none)")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "mailportal: %q is not understood; see -help\n", flags.Arg(0))
		return 2
	}
	if err := c.serve(ctx, stdout, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))); err != nil {
		fmt.Fprintln(stderr, "mailportal:", err)
		return 1
	}
	return 0
}

// serve opens what the portal stands on and runs it until ctx ends.
func (c config) serve(ctx context.Context, stdout io.Writer, log *slog.Logger) (err error) {
	host, _, err := net.SplitHostPort(c.listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-listen %s: whoever reaches this demonstration can be anybody in it, so its address is a loopback one such as 127.0.0.1:8488", c.listen)
	}
	key, err := deskKey(c.db)
	if err != nil {
		return err
	}
	defer clear(key)
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
	phone := &webmail.Phone{}
	settings := mailpolicy.AccountsConfig{Store: store, Sender: phone, Key: key, Log: log}
	if c.breached != "" {
		list, openErr := mailpolicy.OpenHashFile(c.breached)
		if openErr != nil {
			return fmt.Errorf("-breached: %w", openErr)
		}
		defer func() { err = errors.Join(err, list.Close()) }()
		settings.Blocklist = list
	}
	accounts, err := mailpolicy.NewAccounts(settings)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		err = errors.Join(err, accounts.Close(ending))
	}()
	l, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	portal, err := webmail.New(webmail.Config{
		Base: "http://" + l.Addr().String(), Accounts: accounts, SMTP: c.smtp, Phone: phone, Log: log,
		Desk: mailpolicy.Actor{ID: "mail portal's desk", Role: mailpolicy.AdministrationService},
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return run(ctx, l, portal.Handler(), accounts, stdout, log)
}

// run serves the pages, and the calendar of the accounts beside them.
func run(ctx context.Context, l net.Listener, pages http.Handler, accounts *mailpolicy.Accounts, stdout io.Writer, log *slog.Logger) error {
	server := &http.Server{
		Handler: pages, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Fprintf(stdout, "ready http://%s\n", l.Addr())
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case err := <-failed:
			return err
		case <-every.C:
			if _, err := accounts.Due(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "the calendar of the accounts", "cause", err)
			}
			continue
		case <-ctx.Done():
		}
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if server.Shutdown(ending) != nil {
			return server.Close()
		}
		return nil
	}
}
