// SPDX-License-Identifier: Apache-2.0

// Package rooms opens the rooms of the SDK beside each other, as one hospital
// has them: the certificate authority, the care identities with the OpenID
// Provider on them, the workstations, the mail accounts and their gateway, on one
// database and one calendar.
//
//	all, err := rooms.Open(ctx, rooms.Config{Dir: dir, Addresses: addresses, Log: log})
//	defer all.Close(ctx)
//
// It serves nothing by itself: the listeners belong to the program. A folder
// that was opened before is taken up as it was left.
package rooms

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	careidstore "github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/clock"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/inbox"
	"github.com/wardkey-sdk/wardkey/examples/internal/loopback"
	"github.com/wardkey-sdk/wardkey/examples/internal/remind"
	"github.com/wardkey-sdk/wardkey/examples/internal/virtualkeys"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	mailstore "github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki"
	pkistore "github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

// Addresses are where the parts are reached, all on this machine. Web is the base
// URL of the identity service, at the name localhost; Agent that of the desk's agent,
// Ward of the ward's, Portal of the clinical portal, MailPortal of the mail portal;
// SMTP and Inbox are host:port.
type Addresses struct {
	Web, Agent, Ward, Portal, MailPortal string
	SMTP, Inbox                          string
}

// MailPolicyVersion is the acceptable use policy of the mail accounts.
const MailPolicyVersion = "2026-1"

// Config says where the estate lives. Dir and Addresses are needed.
type Config struct {
	Dir       string
	Addresses Addresses
	Wall      func() time.Time // the machine's clock; default time.Now
	Log       *slog.Logger     // nil is silent
}

func (c Config) withDefaults() Config {
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Rooms is an open estate.
type Rooms struct {
	Addresses Addresses
	Clock     *clock.Clock
	Inbox     *inbox.Box
	CA        *pki.CA
	Care      *careid.Service
	Cards     *cardhttp.Handler
	Keys      *webauthn.Handler
	Provider  *openid.Provider
	Clients   []openid.Client // of the provider
	Desk      *Desk
	Mail      *mailpolicy.Accounts
	Gateway   *Gateway
	Demo      *Demo

	// Refused shows a person an authorization request that has no application to go
	// back to. It is set before anything is served; nil is a line of plain text.
	Refused func(http.ResponseWriter, *http.Request, *openid.Error)

	dir   string
	wall  func() time.Time
	told  atomic.Pointer[openid.Provider] // hears what careid tells
	log   *slog.Logger
	db    *sql.DB
	care  *careidstore.Store
	close []func(context.Context) error // in the order in which things were opened
}

// Open takes up the folder, or makes a new estate in it. What a stop left
// unfinished is finished first.
func Open(ctx context.Context, c Config) (*Rooms, error) {
	c = c.withDefaults()
	if c.Dir == "" || c.Addresses.Web == "" || c.Addresses.Portal == "" {
		return nil, errors.New("estate: a folder and addresses are needed")
	}
	r := &Rooms{Addresses: c.Addresses, dir: c.Dir, wall: c.Wall, log: c.Log}
	for _, open := range []func(context.Context) error{
		r.openFolder, r.openPKI, r.openMail, r.openCare, r.openKeys, r.openProvider, r.openGateway, r.openDesk,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, r.Close(ctx))
		}
	}
	return r, nil
}

func (r *Rooms) openFolder(context.Context) error {
	for _, dir := range []string{r.dir, r.path("secrets"), r.path("ca")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("estate: %w", err)
		}
	}
	var err error
	if r.Clock, err = clock.Open(clock.Config{File: r.path("clock"), Wall: r.wall}); err != nil {
		return err
	}
	if r.Inbox, err = inbox.Open(inbox.Config{Dir: r.path("inbox"), Now: r.Clock.Now, Log: r.log}); err != nil {
		return err
	}
	if r.Demo, err = openDemo(r.path("demo.json")); err != nil {
		return err
	}
	if r.db, err = sqlkit.OpenSQLite(r.path("estate.db")); err != nil {
		return err
	}
	r.closes(r.db.Close)
	return nil
}

// closes keeps what Close has to do, last first.
func (r *Rooms) closes(last func() error) {
	r.close = append(r.close, func(context.Context) error { return last() })
}

func (r *Rooms) path(name string) string { return filepath.Join(r.dir, name) }

func (r *Rooms) openPKI(ctx context.Context) error {
	authority, err := openAuthority(ctx, r.path("ca"), r.Clock.Now)
	if err != nil {
		return err
	}
	r.closes(authority.Close)
	ledger, err := pkistore.Open(ctx, pkistore.Config{DB: r.db})
	if err != nil {
		return err
	}
	r.closes(ledger.Close)
	profile, err := pki.NewProfile(pki.ProfileConfig{
		Base: r.Addresses.Web, UPNSuffix: "care.estate.test", Organization: "Wardkey demonstration", Shards: 4,
	})
	if err != nil {
		return err
	}
	r.CA, err = pki.New(pki.Config{
		Signer: authority, Chain: authority.Chain(), Ledger: ledger, Profile: profile,
		Now: r.Clock.Now, Wall: r.wall, Log: r.log, Remind: r.remind,
	})
	return err
}

// remind tells a holder that the certificates on a card end soon. The authority
// reminds when something falls due, which is after all rooms are open.
func (r *Rooms) remind(ctx context.Context, due pki.Reminder) error {
	return remind.Holder(ctx, r.Care, r.Inbox.Sender(r.Addresses.Inbox), r.Addresses.Web+"/my", due)
}

func (r *Rooms) openMail(ctx context.Context) error {
	store, err := mailstore.Open(ctx, mailstore.Config{DB: r.db, Now: r.Clock.Now, Wall: r.wall})
	if err != nil {
		return err
	}
	r.closes(store.Close)
	key, err := secretBytes(r.path("secrets"), "mail-desk", 32)
	if err != nil {
		return err
	}
	defer clear(key)
	r.Mail, err = mailpolicy.NewAccounts(mailpolicy.AccountsConfig{
		Store: store, Sender: r.Inbox.Sender(r.Addresses.Inbox), PolicyVersion: MailPolicyVersion, Key: key,
		Now: r.Clock.Now, Log: r.log,
	})
	if err != nil {
		return err
	}
	r.close = append(r.close, r.Mail.Close)
	return nil
}

func (r *Rooms) openCare(ctx context.Context) error {
	secret, err := secretBytes(r.path("secrets"), "card-master", 32)
	if err != nil {
		return err
	}
	defer clear(secret)
	master, err := careid.NewSoftwareMaster(secret)
	if err != nil {
		return err
	}
	authenticators, err := secretBytes(r.path("secrets"), "authenticators", 32)
	if err != nil {
		return err
	}
	defer clear(authenticators)
	if r.care, err = careidstore.Open(ctx, careidstore.Config{DB: r.db, Now: r.Clock.Now, Wall: r.wall}); err != nil {
		return err
	}
	r.closes(r.care.Close)
	r.Care, err = careid.New(careid.Config{
		Store: r.care, CA: r.CA, Mail: r.Mail, Sender: r.Inbox.Sender(r.Addresses.Inbox), CardMaster: master,
		AuthenticatorKey: authenticators,
		Servers:          []string{r.Addresses.Web}, Origins: []string{r.Addresses.Web}, ApplyURL: r.Addresses.Web + "/apply/",
		Now: r.Clock.Now, Wall: r.wall, Log: r.log, Observe: r.tell,
	})
	if err != nil {
		return err
	}
	r.close = append(r.close, r.Care.Drain)
	r.Cards, err = cardhttp.New(cardhttp.Config{
		Service: r.Care, Server: r.Addresses.Web, SignInPage: "/signin", Now: r.Clock.Now, Wall: r.wall, Log: r.log,
	})
	if err != nil {
		return err
	}
	return r.Care.Resume(ctx)
}

// openKeys takes the security keys that a browser makes up itself, as the cards here
// are made up: nothing of a maker is needed, and nothing of a maker is approved.
func (r *Rooms) openKeys(context.Context) error {
	models, err := virtualkeys.Models()
	if err != nil {
		return err
	}
	r.Keys, err = webauthn.New(webauthn.Config{
		Service: r.Care, Sessions: r.Cards, RPID: loopback.Name, RPName: "Wardkey estate", Origins: []string{r.Addresses.Web},
		Models: models, Now: r.Clock.Now, Wall: r.wall, Log: r.log,
	})
	return err
}

func (r *Rooms) openDesk(context.Context) error {
	var err error
	r.Desk, err = openDesk(r.path("tray"), agent.Config{
		Servers: []string{r.Addresses.Web}, Origins: []string{r.Addresses.Web, r.Addresses.Portal},
		Pages: agent.Pages{Unlock: r.Addresses.Web + "/unlock", Renew: r.Addresses.Web + "/my", Help: r.Addresses.Web + "/unlock/help"},
		Now:   r.Clock.Now, Wall: r.wall, Log: r.log,
	}, []Workstation{
		{Name: DeskStation, Address: r.Addresses.Agent, Readers: []int{1, 2}},
		{Name: WardStation, Address: r.Addresses.Ward, Readers: []int{3}},
	})
	if err != nil {
		return err
	}
	r.close = append(r.close, r.Desk.Close)
	return nil
}

// Wall is the machine's clock, which nobody moves.
func (r *Rooms) Wall() time.Time { return r.wall() }

// Operator is the program itself, which may look at everything and change
// nothing.
func (r *Rooms) Operator() careid.Actor { return careid.Operator("estate") }

// Due does in every room what the calendar asks for by now.
func (r *Rooms) Due(ctx context.Context) error {
	_, pkiErr := r.CA.Due(ctx)
	_, careErr := r.Care.Due(ctx)
	_, openidErr := r.Provider.Due(ctx)
	_, mailErr := r.Mail.Due(ctx)
	_, gatewayErr := r.Gateway.Due(ctx)
	return errors.Join(pkiErr, careErr, openidErr, mailErr, gatewayErr)
}

// Ready says whether the rooms can work: the database answers and the issuing
// certificate is in date.
func (r *Rooms) Ready(ctx context.Context) error {
	if err := r.db.PingContext(ctx); err != nil {
		return fmt.Errorf("estate: database: %w", err)
	}
	if r.Clock.Now().After(r.CA.Chain()[0].NotAfter) {
		return errors.New("estate: the issuing certificate has ended")
	}
	return nil
}

// Close ends the agents first, if Desk.Close has not, then lets messages leave,
// then gives back the database: nothing may ask the rooms any more.
func (r *Rooms) Close(ctx context.Context) error {
	var errs []error
	for _, end := range slices.Backward(r.close) {
		errs = append(errs, end(ctx))
	}
	r.close = nil
	return errors.Join(errs...)
}
