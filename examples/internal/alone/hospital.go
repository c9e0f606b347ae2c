// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	careidstore "github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/examples/internal/database"
	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
	"github.com/wardkey-sdk/wardkey/examples/internal/remind"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/mailbox"
	"github.com/wardkey-sdk/wardkey/pki"
	pkistore "github.com/wardkey-sdk/wardkey/pki/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// Config says where a hospital lives. Dir, Base and Agent are needed.
type Config struct {
	Dir   string        // of the keys
	DB    string        // a file, or a postgres:// URL; default hospital.db in Dir
	Base  string        // the address of the pages
	Agent string        // of the card service
	Idle  time.Duration // after which a session that is left locks; 0 is never
	// Models are the security keys and the sorts of Windows Hello that are approved; none: there are no such ways to sign
	// in. Browsers bind keys to a name, so that Base has to be at localhost then.
	Models  []webauthn.Model
	Observe func(context.Context, careid.Event) // hears what happens to people; nil: nobody
	Now     func() time.Time
	Log     *slog.Logger // nil is silent
}

func (c Config) withDefaults() Config {
	c.DB = cmp.Or(c.DB, filepath.Join(c.Dir, "hospital.db"))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Hospital is an open one.
type Hospital struct {
	Care   *careid.Service
	Cards  *cardhttp.Handler
	CA     *pki.CA
	Book   *wardkey.Rulebook
	Outbox *Outbox
	Mail   *mailbox.Mailbox  // the mail accounts that examples/myidentity opens
	Keys   *webauthn.Handler // nil without Config.Models
	DB     *sql.DB           // for what a program keeps of its own
	People *careidstore.Store

	config  Config
	closers []func(context.Context) error // in the order in which things were opened
	stopDue context.CancelFunc
	running sync.WaitGroup
}

// Open takes a hospital up, or makes it. What a stop left unfinished is finished
// first.
func Open(ctx context.Context, c Config) (*Hospital, error) {
	h := &Hospital{config: c.withDefaults()}
	h.Outbox = &Outbox{now: h.config.Now}
	if err := h.open(ctx); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	return h, nil
}

func (h *Hospital) open(ctx context.Context) error {
	if err := os.MkdirAll(h.config.Dir, 0o700); err != nil {
		return err
	}
	var err error
	if h.Book, err = book(h.config.Idle); err != nil {
		return err
	}
	if h.DB, err = database.Open(h.config.DB); err != nil {
		return err
	}
	h.closes(h.DB.Close)
	if err := h.openCA(ctx); err != nil {
		return err
	}
	if h.Mail, err = mailbox.Open(ctx, mailbox.Config{DB: h.DB, Sender: h.Outbox, Now: h.config.Now, Log: h.config.Log}); err != nil {
		return err
	}
	h.AtClose(h.Mail.Close)
	if err := h.openCare(ctx); err != nil {
		return err
	}
	return h.openKeys()
}

// AtClose has something done before what was opened by now is closed.
func (h *Hospital) AtClose(do func(context.Context) error) { h.closers = append(h.closers, do) }

func (h *Hospital) closes(last func() error) {
	h.AtClose(func(context.Context) error { return last() })
}

// book is the published rulebook, or the hospital's tighter one.
func book(idle time.Duration) (*wardkey.Rulebook, error) {
	published, err := careid.Rules()
	if err != nil || idle == 0 {
		return published, err
	}
	overlay, err := json.Marshal(map[string]any{
		"sources": map[string]any{"hospital": map[string]string{"document": "This hospital's own rule", "date": "2026-11-22"}},
		"rules": []any{map[string]any{
			"id": "session.idle", "value": int(idle.Minutes()), "unit": "minutes", "from": "2022-11-19", "zone": "Europe/London", "source": "hospital", "tighter": "lower",
		}},
		"refusals": []any{},
	})
	if err != nil {
		return nil, err
	}
	tighter, err := published.Overlay(overlay)
	if err != nil {
		return nil, fmt.Errorf("-idle: %w", err)
	}
	return tighter, nil
}

// shards is how many lists the CA publishes; it can't change.
const shards = 4

func (h *Hospital) openCA(ctx context.Context) error {
	ca := filepath.Join(h.config.Dir, "ca")
	if err := os.MkdirAll(ca, 0o700); err != nil {
		return err
	}
	const organization = "Wardkey demonstration"
	signer, err := stepca.Open(ctx, stepca.Config{
		Dir: ca, Passphrase: func() ([]byte, error) { return h.secret("ca.passphrase") }, Now: h.config.Now,
		Organization: organization, RootName: organization + " Root CA", IssuingName: organization + " Issuing CA",
	})
	if err != nil {
		return err
	}
	h.closes(signer.Close)
	ledger, err := pkistore.Open(ctx, pkistore.Config{DB: h.DB})
	if err != nil {
		return err
	}
	h.closes(ledger.Close)
	base, err := h.settled("base", h.config.Base)
	if err != nil {
		return err
	}
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: base, UPNSuffix: "hospital.example", Organization: organization, Shards: shards})
	if err != nil {
		return err
	}
	h.CA, err = pki.New(pki.Config{
		Signer: signer, SignerVerifies: true, Chain: signer.Chain(), Ledger: ledger, Profile: profile, Now: h.config.Now, Log: h.config.Log,
		Remind: func(ctx context.Context, r pki.Reminder) error {
			return remind.Holder(ctx, h.Care, h.Outbox, h.config.Base+"/my", r)
		},
	})
	return err
}

func (h *Hospital) openCare(ctx context.Context) error {
	secret, err := h.secret("card-master")
	if err != nil {
		return err
	}
	defer clear(secret)
	master, err := careid.NewSoftwareMaster(secret)
	if err != nil {
		return err
	}
	text, err := h.secret("authenticators")
	if err != nil {
		return err
	}
	defer clear(text)
	key := make([]byte, hex.DecodedLen(len(text)))
	defer clear(key)
	if _, err := hex.Decode(key, text); err != nil {
		return fmt.Errorf("%s is damaged", filepath.Join(h.config.Dir, "authenticators"))
	}
	if h.People, err = careidstore.Open(ctx, careidstore.Config{DB: h.DB, Now: h.config.Now}); err != nil {
		return err
	}
	h.closes(h.People.Close)
	h.Care, err = careid.New(careid.Config{
		Store: h.People, CA: h.CA, Mail: h.Mail, Sender: h.Outbox, CardMaster: master, AuthenticatorKey: key, Rules: h.Book,
		Servers: []string{h.config.Base}, Origins: []string{h.config.Base}, ApplyURL: h.config.Base + "/apply/",
		Observe: h.config.Observe, Now: h.config.Now, Log: h.config.Log,
	})
	if err != nil {
		return err
	}
	h.AtClose(h.Care.Drain)
	h.Cards, err = cardhttp.New(cardhttp.Config{Service: h.Care, Server: h.config.Base, SignInPage: "/signin", Now: h.config.Now, Log: h.config.Log})
	if err != nil {
		return err
	}
	return h.Care.Resume(ctx)
}

// secret is a secret of the hospital's, 32 random bytes in hexadecimal, made by
// the first start. A deployment keeps its own in a vault or an HSM.
func (h *Hospital) secret(name string) ([]byte, error) {
	fresh := kept.FreshHex(32)
	defer clear(fresh)
	return kept.First(filepath.Join(h.config.Dir, name), fresh)
}

// settled is what the first start has said of something that can't change.
func (h *Hospital) settled(name, now string) (string, error) {
	text, err := kept.First(filepath.Join(h.config.Dir, name), []byte(now))
	return string(text), err
}

// keepDue does every second what the calendar asks for.
func (h *Hospital) keepDue() {
	ctx, stop := context.WithCancel(context.Background())
	h.stopDue = stop
	h.running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for ctx.Err() == nil {
			_, pkiErr := h.CA.Due(ctx)
			_, careErr := h.Care.Due(ctx)
			_, mailErr := h.Mail.Due(ctx)
			if err := errors.Join(pkiErr, careErr, mailErr); err != nil && ctx.Err() == nil {
				h.config.Log.Error("what fell due could not be done; it is tried again", "cause", err)
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
}

// toClose is how long each part may take to end. A logout token under way, the
// slowest, takes five seconds at most.
const toClose = 6 * time.Second

// Close lets messages leave and gives everything back, the last first. One part
// that takes all of its time takes none of the others'.
func (h *Hospital) Close(ctx context.Context) error {
	if h.stopDue != nil {
		h.stopDue()
	}
	h.running.Wait()
	var errs []error
	for _, end := range slices.Backward(h.closers) {
		errs = append(errs, inTime(ctx, end))
	}
	h.closers = nil
	return errors.Join(errs...)
}

func inTime(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), toClose)
	defer cancel()
	return end(ctx)
}
