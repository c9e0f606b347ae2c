// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
	openidstore "github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	careidstore "github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// hospital is the provider of a hospital in a folder, which package alone opens and serves.
type hospital struct {
	options options
	log     *slog.Logger

	db       *sql.DB
	people   *careidstore.Store
	grants   *openidstore.Store
	provider *openid.Provider
	running  sync.WaitGroup
}

// run serves it until ctx ends, and returns the exit status.
func (o options) run(ctx context.Context, stdout, stderr io.Writer) int {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	h := &hospital{options: o, log: logger(stderr, o.verbose)}
	program := alone.Program{
		Name: "signin", Listen: o.listen, Title: "Wardkey sign-in",
		Lead:  "Applications send people here, who show their card and go back. There is nothing to begin at this page.",
		Mount: func(site *pages.Site, mux *http.ServeMux) error { return h.mount(ctx, site, mux) },
	}
	status := program.Run(ctx, o.forHospital, stdout, stderr)
	stop()
	if err := h.close(); err != nil {
		fmt.Fprintln(stderr, "signin:", err)
		return 1
	}
	return status
}

func logger(to io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}

// mount adds the provider and its pages to the site of the hospital.
func (h *hospital) mount(ctx context.Context, site *pages.Site, mux *http.ServeMux) error {
	if err := h.open(ctx); err != nil {
		return err
	}
	keys, err := signing(h.options.clients, h.key)
	if err != nil {
		return err
	}
	issuer := h.options.issuer
	if issuer == "" {
		issuer = site.Base
	}
	h.provider, err = openid.New(openid.Config{
		Issuer: issuer, Service: site.Care, Records: h.people, Store: h.grants, Keys: keys, Clients: h.options.clients,
		SignIn: entry.Path, SessionToken: site.Cards.Token, Now: site.Now, Log: h.log,
	})
	if err != nil {
		return err
	}
	at, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	for _, endpoint := range []string{"/.well-known/openid-configuration", "/authorize", "/access_token", "/userinfo", "/connect/jwk_uri"} {
		mux.Handle(strings.TrimSuffix(at.Path, "/")+endpoint, h.provider.Handler())
	}
	e, err := entry.New(entry.Config{Site: site, Provider: h.provider, Clients: h.options.clients})
	if err != nil {
		return err
	}
	e.Routes(mux)
	h.running.Go(func() { h.keepDue(ctx) })
	return nil
}

// open opens the database that package alone has made a second time: the provider keeps its own tables in it.
func (h *hospital) open(ctx context.Context) (err error) {
	if h.db, err = sqlkit.OpenSQLite(filepath.Join(h.options.dir, "hospital.db")); err != nil {
		return err
	}
	if h.people, err = careidstore.Open(ctx, careidstore.Config{DB: h.db}); err != nil {
		return err
	}
	h.grants, err = openidstore.Open(ctx, openidstore.Config{DB: h.db})
	return err
}

// key is the hospital's for an algorithm, made by the first start that needs it. A deployment keeps its own in an HSM.
func (h *hospital) key(algorithm string) (crypto.Signer, error) {
	path := filepath.Join(h.options.dir, "signin-"+algorithm+".pem")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path, algorithm)
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok && err == nil {
		return signer, nil
	}
	return nil, fmt.Errorf("%s is damaged", path)
}

// makeKey writes a fresh one. A start that was killed in between leaves no half of one under the name.
func makeKey(path, algorithm string) (crypto.Signer, error) {
	key, err := newKey(algorithm)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return nil, err
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return key, os.Rename(f.Name(), path)
}

// keepDue does every second what clocks ask for, and tells relying parties of the ends of sessions.
func (h *hospital) keepDue(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := h.provider.Due(ctx); err != nil && ctx.Err() == nil {
				h.log.Error("what fell due could not be done; it is tried again", "cause", err)
			}
		}
	}
}

// close waits for logout tokens under way and gives everything back.
func (h *hospital) close() error {
	h.running.Wait()
	var failed []error
	if h.provider != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second) // one try of a logout takes 5 at most
		defer cancel()
		failed = append(failed, h.provider.Drain(ctx))
	}
	if h.grants != nil {
		failed = append(failed, h.grants.Close())
	}
	if h.people != nil {
		failed = append(failed, h.people.Close())
	}
	if h.db != nil {
		failed = append(failed, h.db.Close())
	}
	return errors.Join(failed...)
}
