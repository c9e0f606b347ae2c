// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/database"
	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

const (
	passphraseVariable = "WARDKEY_CA_PASSPHRASE"
	pinVariable        = "WARDKEY_CA_PIN"
)

// config says where a CA lives.
type config struct {
	dir, db, keys string
	said          statement
	demo          bool
	ask           func(prompt string) ([]byte, error)
	now           func() time.Time
	log           *slog.Logger
}

// statement is what the certificates say. It is settled by the first start, since
// they point at the base for years.
type statement struct {
	Base         string `json:"base"`
	UPNSuffix    string `json:"upnSuffix"`
	Organization string `json:"organization"`
	// Demo is when the first start was, if that was to invent a past.
	Demo time.Time `json:"demo,omitzero"`
}

// below is the path of the base, without a slash at its end: "" for most.
func (s statement) below() string {
	base, err := url.Parse(s.Base)
	if err != nil {
		return "" // no profile has such a base
	}
	return strings.TrimSuffix(base.Path, "/")
}

const statementFile = "profile.json"

// authority is an open CA.
type authority struct {
	*pki.CA
	ledger   *sqlstore.Ledger
	said     statement
	keyPlace string
	closers  []func() error // in the order in which things were opened
}

// openAuthority takes up the CA of a folder. One that isn't there is made when
// base says where it will be reached; the commands beside the server don't.
func openAuthority(ctx context.Context, c config, base string) (*authority, error) {
	if base == "" && missing(c.dir, statementFile) {
		return nil, fmt.Errorf("there is no CA in %s: the first start of the server makes one", c.dir)
	}
	a := &authority{}
	if err := a.open(ctx, c, base); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// open looks at all that was asked before it makes anything.
func (a *authority) open(ctx context.Context, c config, base string) error {
	if c.demo {
		c.said.Demo = c.now().UTC().Truncate(time.Second)
	}
	path := filepath.Join(c.dir, statementFile)
	said, fresh, err := settle(path, c.said, base)
	if err != nil {
		return err
	}
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: said.Base, UPNSuffix: said.UPNSuffix, Organization: said.Organization, Shards: shards})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	db, err := database.Open(cmp.Or(c.db, filepath.Join(c.dir, "ledger.db")))
	if err != nil {
		return err
	}
	a.closers = append(a.closers, db.Close)
	signer, err := a.openSigner(ctx, c, said)
	if err != nil {
		return err
	}
	if fresh {
		if err := keep(path, said); err != nil {
			return err
		}
	}
	if a.ledger, err = sqlstore.Open(ctx, sqlstore.Config{DB: db}); err != nil {
		return err
	}
	a.closers = append(a.closers, a.ledger.Close)
	made := pki.Config{Signer: signer, SignerVerifies: true, Chain: signer.Chain(), Ledger: a.ledger, Profile: profile, Now: c.now, Log: c.log}
	if c.demo {
		if err := populate(ctx, made, said.Demo); err != nil {
			return err
		}
	}
	a.said = said
	a.CA, err = pki.New(made)
	return err
}

// openSigner opens the keys, and makes those that are missing.
func (a *authority) openSigner(ctx context.Context, c config, said statement) (*stepca.Authority, error) {
	passphrase := &secret{name: "passphrase", variable: passphraseVariable, ask: c.ask, twice: missing(c.dir, "root.key")}
	pin := &secret{name: "PIN", variable: pinVariable, ask: c.ask}
	defer passphrase.forget()
	defer pin.forget()
	source, place, err := issuingKey(c.keys, pin)
	if err != nil {
		return nil, err
	}
	a.keyPlace = place
	begins := c.now
	if c.demo {
		begins = func() time.Time { return demoBegins(c.now()) }
	}
	signer, err := stepca.Open(ctx, stepca.Config{
		Dir: c.dir, Passphrase: passphrase.read, IssuingKey: source, Now: begins,
		Organization: said.Organization, RootName: said.Organization + " Root CA", IssuingName: said.Organization + " Issuing CA",
	})
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, signer.Close)
	return signer, nil
}

const shards = 16 // lists; an issuing CA can't change their number

// settle returns the statement that is kept, or a fresh one where there is none.
// One that differs from what is kept is refused.
func settle(path string, said statement, base string) (settled statement, fresh bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		said.Base = cmp.Or(said.Base, base)
		said.UPNSuffix = cmp.Or(said.UPNSuffix, "ca.example.org")
		said.Organization = cmp.Or(said.Organization, "Wardkey demonstration")
		return said, true, nil
	}
	if err != nil {
		return statement{}, false, err
	}
	var kept statement
	if err := json.Unmarshal(text, &kept); err != nil {
		return statement{}, false, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range []struct{ flag, kept, said string }{
		{"base", kept.Base, said.Base}, {"upn", kept.UPNSuffix, said.UPNSuffix}, {"organization", kept.Organization, said.Organization},
	} {
		if f.said != "" && f.said != f.kept {
			return statement{}, false, fmt.Errorf("-%s %s: the certificates of this CA say %s, and it can't change", f.flag, f.said, f.kept)
		}
	}
	return kept, false, nil
}

// keep writes the statement whole or not at all.
func keep(path string, s statement) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return kept.Replace(path, append(text, '\n'))
}

// close gives everything back, the last first.
func (a *authority) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	return errors.Join(errs...)
}
