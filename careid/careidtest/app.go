// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"encoding/base32"
	"net/url"

	"github.com/wardkey-sdk/wardkey/careid"
)

// App is an authenticator app on somebody's phone, whose clock is the hospital's.
type App struct {
	ID     string // of the authenticator
	Secret []byte
	clock  *Clock
}

// Code is what the app shows now.
func (a *App) Code() []byte { return []byte(careid.TOTP(a.Secret, a.clock.Now())) }

// Use is a use of the app with the code that it shows now.
func (a *App) Use() careid.Use { return careid.Use{Authenticator: a.ID, Code: a.Code()} }

// Scan reads the QR code of a registration.
func (h *Hospital) Scan(r *careid.Registered) (*App, error) {
	uri, err := url.Parse(string(r.URI))
	if err != nil {
		return nil, err
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(uri.Query().Get("secret"))
	return &App{ID: r.Authenticator.ID, Secret: secret, clock: h.Clock}, err
}

// RegisterApp has a person register an authenticator app from a fresh sign-in by card, and confirm it. The code that
// confirmed it is spent: the next one shows thirty seconds later.
func (h *Hospital) RegisterApp(ctx context.Context, p Person) (*App, error) {
	holder, err := h.Actor(ctx, p, careid.Holder)
	if err != nil {
		return nil, err
	}
	registered, err := h.Service.RegisterAuthenticator(ctx, holder, careid.NewAuthenticator{Profile: p.Profile.ID, Kind: careid.KindAuthenticatorApp})
	if err != nil {
		return nil, err
	}
	app, err := h.Scan(registered)
	if err != nil {
		return nil, err
	}
	return app, h.Service.ConfirmAuthenticator(ctx, holder, app.ID, app.Code())
}

// Register has a person register another authenticator than an app from a fresh sign-in by card, under a credential,
// and returns its id.
func (h *Hospital) Register(ctx context.Context, p Person, kind careid.AuthenticatorKind, credential string) (string, error) {
	holder, err := h.Actor(ctx, p, careid.Holder)
	if err != nil {
		return "", err
	}
	registered, err := h.Service.RegisterAuthenticator(ctx, holder, careid.NewAuthenticator{Profile: p.Profile.ID, Kind: kind, Credential: []byte(credential)})
	if err != nil {
		return "", err
	}
	return registered.Authenticator.ID, nil
}
