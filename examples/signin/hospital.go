// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	openidstore "github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
)

// hospital is the provider of a hospital in a folder, which package alone opens and serves.
type hospital struct {
	options options
	log     *slog.Logger

	alone    *alone.Hospital
	provider *openid.Provider
	grants   *openidstore.Store
	ended    chan struct{} // one waits where a session has ended
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// run serves it until ctx ends, and returns the exit status.
func (o options) run(ctx context.Context, stdout, stderr io.Writer) int {
	h := &hospital{options: o, log: logger(stderr, o.verbose), ended: make(chan struct{}, 1)}
	program := alone.Program{
		Name: "signin", Listen: o.listen, Title: "Wardkey sign-in",
		Lead:   "Applications send people here, who show their card and go back. There is nothing to begin at this page.",
		Opened: h.open, Observe: h.observe,
		Mount: h.mount,
	}
	return program.Run(ctx, o.forHospital, stdout, stderr)
}

func logger(to io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}

// open takes the hospital over, and keeps the provider's own tables in its database.
func (h *hospital) open(ctx context.Context, opened *alone.Hospital) (err error) {
	h.alone = opened
	if h.grants, err = openidstore.Open(ctx, openidstore.Config{DB: opened.DB}); err != nil {
		return err
	}
	opened.AtClose(h.close)
	return nil
}

// mount adds the provider and its pages to the site of the hospital.
func (h *hospital) mount(site *pages.Site, mux *http.ServeMux) error {
	keys, err := signing(h.options.clients, h.key)
	if err != nil {
		return err
	}
	issuer := h.options.issuer
	if issuer == "" {
		issuer = site.Base
	}
	h.provider, err = openid.New(openid.Config{
		Issuer: issuer, Service: site.Care, Records: h.alone.People, Store: h.grants, Keys: keys, Clients: h.options.clients,
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
	h.keepDue()
	return nil
}

// key is the hospital's for an algorithm, made by the first start that needs it. A deployment keeps its own in an HSM.
func (h *hospital) key(algorithm string) (crypto.Signer, error) {
	return kept.Signer(filepath.Join(h.options.dir, "signin-"+algorithm+".pem"), func() (crypto.Signer, error) { return newKey(algorithm) })
}

// observe hears of the ends of sessions, such as by a card that was pulled, and has their relying parties told at once.
func (h *hospital) observe(ctx context.Context, e careid.Event) {
	if h.provider == nil || e.Name != careid.EventSessionEnded {
		return // what ends while the hospital is being opened is found by Due
	}
	h.provider.OnEvent(ctx, e)
	select {
	case h.ended <- struct{}{}:
	default: // one waits already
	}
}

// keepDue does every second what clocks ask for, and tells relying parties of the ends of sessions as they come.
func (h *hospital) keepDue() {
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-h.ended:
			}
			if _, err := h.provider.Due(ctx); err != nil && ctx.Err() == nil {
				h.log.Error("what fell due could not be done; it is tried again", "cause", err)
			}
		}
	})
}

// close waits for logout tokens under way and gives the tables back.
func (h *hospital) close(ctx context.Context) error {
	if h.stop != nil {
		h.stop()
	}
	h.running.Wait()
	var err error
	if h.provider != nil {
		err = h.provider.Drain(ctx)
	}
	return errors.Join(err, h.grants.Close())
}
