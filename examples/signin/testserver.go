// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/signin/mock"
)

// mock runs the provider for tests until ctx ends.
func (o options) mock(ctx context.Context, stdout, stderr io.Writer) error {
	people, err := o.people()
	if err != nil {
		return err
	}
	keys, err := signing(o.clients, newKey)
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	defer func() { _ = public.Close() }() // Serve has closed it
	issuer := o.issuer
	if issuer == "" {
		issuer = "http://" + public.Addr().String()
	}
	log := logger(stderr, o.verbose)
	m, err := mock.Open(ctx, mock.Config{Issuer: issuer, Keys: keys, Clients: o.clients, People: people, Log: log})
	if err != nil {
		return err
	}
	pages, failed := server(m, log), make(chan error, 2)
	go func() { failed <- pages.Serve(public) }()
	servers := []*http.Server{pages}
	if o.control != "" {
		control, err := net.Listen("tcp", o.control)
		if err != nil {
			return errors.Join(fmt.Errorf("-control: %w", err), pages.Close(), m.Close())
		}
		port := server(m.Control(control.Addr()), log)
		go func() { failed <- port.Serve(control) }()
		servers = append(servers, port)
		fmt.Fprintf(stdout, "control http://%s\n", control.Addr())
	}
	fmt.Fprintf(stdout, "ready %s\n", issuer)
	err = keepDue(ctx, m, log, failed)
	for _, s := range servers {
		err = errors.Join(err, stop(ctx, s))
	}
	return errors.Join(err, m.Close())
}

func (o options) people() ([]openid.Person, error) {
	if o.personasFile == "" {
		return mock.Personas()
	}
	text, err := os.ReadFile(o.personasFile)
	if err != nil {
		return nil, fmt.Errorf("-personas: %w", err)
	}
	people, err := mock.ParsePersonas(text)
	if err != nil {
		return nil, fmt.Errorf("-personas %s: %w", o.personasFile, err)
	}
	return people, nil
}

func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// keepDue does every second what clocks ask for, until ctx ends or a server fails.
func keepDue(ctx context.Context, m *mock.Mock, log *slog.Logger, failed <-chan error) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-tick.C:
			if err := m.Due(ctx); err != nil && ctx.Err() == nil {
				log.Error("what fell due could not be done; it is tried again", "cause", err)
			}
		}
	}
}

// stop lets requests end, for five seconds.
func stop(ctx context.Context, s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		return s.Close()
	}
	return nil
}
