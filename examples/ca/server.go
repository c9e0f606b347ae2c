// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server is a CA that is served.
type server struct {
	address string
	ca      *authority
	http    *http.Server
	log     *slog.Logger
	failed  chan error // the address is no longer served
	due     atomic.Pointer[error]
	running sync.WaitGroup
	stopDue context.CancelFunc
}

// start listens, takes up the CA or makes it, does what has fallen due, and
// serves. When it returns, all of it can be used.
func start(ctx context.Context, c config, listen string) (*server, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	s := &server{address: l.Addr().String(), log: c.log, failed: make(chan error, 1)}
	if s.ca, err = openAuthority(ctx, c, "http://"+s.address); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	handler, err := s.routes(c.now)
	if err != nil {
		return nil, errors.Join(err, l.Close(), s.ca.close())
	}
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
	}
	s.keepDue()
	s.running.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return s, nil
}

// keepDue does what the calendar asks for, now and then every second. A failure
// is told when it begins and when it ends.
func (s *server) keepDue() {
	ctx, stop := context.WithCancel(context.Background())
	s.stopDue = stop
	once := func() {
		_, err := s.ca.Due(ctx)
		if ctx.Err() != nil {
			return
		}
		before := s.due.Swap(&err)
		switch {
		case err != nil && (before == nil || *before == nil):
			s.log.Error("what fell due could not be done; it is tried again", "cause", err)
		case err == nil && before != nil && *before != nil:
			s.log.Info("what fell due is done again")
		}
	}
	once()
	s.running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				once()
			}
		}
	})
}

// routes joins what certificates point at, what watches the server, and the page.
func (s *server) routes(now func() time.Time) (http.Handler, error) {
	below := s.ca.said.below()
	mux := http.NewServeMux()
	mux.Handle(below+"/crl/", http.StripPrefix(below, s.ca.PublishHandler()))
	mux.Handle(below+"/aia/", http.StripPrefix(below, s.ca.PublishHandler()))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", s.ready)
	p, err := newPage(s.ca, s.address, now, s.log)
	if err != nil {
		return nil, err
	}
	mux.Handle("/", p)
	ocsp := s.ca.OCSPHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		// The base64 of a GET request may hold "//", which a mux would clean away.
		if r.URL.Path == below+"/ocsp" || strings.HasPrefix(r.URL.Path, below+"/ocsp/") {
			ocsp.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// ready is true while the ledger answers and nothing that fell due stays undone.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	if due := s.due.Load(); due == nil || *due != nil {
		http.Error(w, "what fell due could not be done", http.StatusServiceUnavailable)
		return
	}
	if _, err := s.ca.ledger.Revision(r.Context()); err != nil {
		http.Error(w, "the ledger does not answer", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// stop lets requests end, for five seconds, and closes the CA.
func (s *server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.stopDue()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.running.Wait()
	return errors.Join(err, s.ca.close())
}
