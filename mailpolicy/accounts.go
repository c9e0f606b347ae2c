// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Actor is who does something, as the audit names them. Whoever calls Accounts
// has already made sure who that is.
type Actor struct {
	// ID is a user id, an address or a name of a desk.
	ID   string
	Role Role
}

// Role is in what capacity an Actor acts.
type Role string

// The roles that mail accounts know.
const (
	// SiteApplicant applies for the site's accounts.
	SiteApplicant Role = "site"
	// LocalAdministrator locks out and lets in.
	LocalAdministrator Role = "local-administrator"
	// AdministrationService is the National Administration Service.
	AdministrationService Role = "administration-service"
)

// check refuses an Actor who is nobody: the audit must name who did it.
func (by Actor) check() error {
	switch by.Role {
	case SiteApplicant, LocalAdministrator, AdministrationService:
		if !isBlank(by.ID) && textFault(by.ID) == "" {
			return nil
		}
	}
	return Rules().Refuse("mail.role")
}

// Sender delivers texts. It is called after the commit, outside the caller's
// request, by one goroutine; an error is logged and the message is gone: the
// holder asks again.
type Sender interface {
	// Send delivers body to a mobile number on channel "text".
	Send(ctx context.Context, channel, to, subject, body string) error
}

// AccountsConfig configures Accounts.
type AccountsConfig struct {
	// Store is required.
	Store Store
	// Sender is required: without it nobody could ever sign in.
	Sender Sender
	// PolicyVersion is the acceptable use policy to be accepted. Default "1".
	PolicyVersion string
	// Rules are an organisation's Overlay of Rules. Default Rules themselves.
	Rules *wardkey.Rulebook
	// Key, of 32 bytes, is what the help desk needs to ask for some characters of
	// a security answer. It is the same on all servers, is kept beside the store
	// and not in it, and must not be changed later. Without one the desk can't
	// verify holders who have set questions, and the questions that an address
	// without an account is asked are others on each server and after each start,
	// which tells whoever compares.
	Key []byte
	// Blocklist is asked about each new password, beside a short list of the
	// commonest. Nil for none.
	Blocklist Blocklist
	// HashAtOnce bounds the argon2id hashes computed at once, 19 MiB each.
	// Default 2.
	HashAtOnce int
	// QueuedTexts bounds the texts waiting for the Sender. Default 256.
	QueuedTexts int
	// Now reads the calendar, for the policy in force. Default time.Now.
	Now func() time.Time
	// Log is silent when nil.
	Log *slog.Logger
}

func (c AccountsConfig) withDefaults() AccountsConfig {
	if c.PolicyVersion == "" {
		c.PolicyVersion = "1"
	}
	if c.Rules == nil {
		c.Rules = Rules()
	}
	if c.HashAtOnce <= 0 {
		c.HashAtOnce = 2
	}
	if c.QueuedTexts <= 0 {
		c.QueuedTexts = 256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Accounts opens and runs mail accounts. It is safe for concurrent use; any
// number of them may share a Store.
type Accounts struct {
	config AccountsConfig
	hasher *hasher
	decoys []byte // keys the questions of addresses without an account

	closing sync.RWMutex
	closed  bool
	texts   chan text
	done    chan struct{}
}

// keyBytes is the length of a Config's Key.
const keyBytes = 32

// NewAccounts returns the service. Close it to have its last texts sent.
func NewAccounts(c AccountsConfig) (*Accounts, error) {
	if c.Store == nil || c.Sender == nil {
		return nil, errors.New("mailpolicy: Accounts need a Store and a Sender")
	}
	if n := len(c.Key); n != 0 && n != keyBytes {
		return nil, errors.New("mailpolicy: the Key of Accounts has not 32 bytes")
	}
	c = c.withDefaults()
	c.Key = bytes.Clone(c.Key)
	a := &Accounts{
		config: c, hasher: newHasher(c.HashAtOnce), decoys: c.Key,
		texts: make(chan text, c.QueuedTexts), done: make(chan struct{}),
	}
	if len(c.Key) == 0 { // one server's, until it is started again
		a.decoys = make([]byte, keyBytes)
		_, _ = rand.Read(a.decoys) // never fails: crypto/rand
	}
	go a.sendTexts()
	return a, nil
}

// Policy is what the accounts go by now: the published one, or as AccountsConfig.Rules
// tightens it. A page shows this, so that it says what will happen. The error is that
// of a book of rules which can't be read.
func (a *Accounts) Policy() (*Policy, error) { return PolicyOf(a.config.Rules, a.config.Now()) }

// NewAccount is an application for one account.
type NewAccount struct {
	// Site is an ODS code, Address the mailbox at nhs.net, Name its holder.
	Site, Address, Name string
	// Mobile is a UK mobile number, to which the activation password goes.
	Mobile string
	// Purpose is what the account is for; the audit keeps it.
	Purpose string
}

// Open opens an account and sends its activation password by text, which works
// once and does not expire until then. Refusals: mail.role (an Actor without a
// name or a role), mail.site.unknown, mail.quota.accounts, mail.account.form,
// mail.account.exists, mail.recipient.address. A nil error does not say that the
// text arrived.
func (a *Accounts) Open(ctx context.Context, by Actor, n NewAccount) (Account, error) {
	if err := by.check(); err != nil {
		return Account{}, err
	}
	p, err := a.Policy()
	if err != nil {
		return Account{}, err
	}
	record, err := n.record()
	if err != nil {
		return Account{}, err
	}
	// The quota is asked before the costly hash, and again where it counts.
	if err := a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error { return p.room(ctx, tx, record.Site) }); err != nil {
		return Account{}, err
	}
	password := newActivation(p.ActivationLength)
	defer clear(password)
	if record.PasswordHash, err = a.hasher.hash(ctx, password); err != nil {
		return Account{}, err
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if err := p.room(ctx, tx, record.Site); err != nil {
			return err
		}
		record.Opened, record.Used = tx.Now(), tx.Now()
		record = p.scheduled(record)
		if err := tx.InsertAccount(ctx, record); err != nil {
			return refuseIf(err, ErrExists, "mail.account.exists")
		}
		return tx.Audit(ctx, by.ID, "mail.account.opened", record.Address, record.Site+": "+record.Purpose)
	})
	if err != nil {
		return Account{}, err
	}
	a.queueActivation(record.Address, record.RegisteredMobile, password)
	return p.view(record), nil
}

func (n NewAccount) record() (AccountRecord, error) {
	refuse := func(why string) error { return Rules().Refuse("mail.account.form", "why", why) }
	ods, err := ParseODS(n.Site)
	if err != nil {
		return AccountRecord{}, err
	}
	address, err := CanonicalAddress(n.Address)
	if err != nil {
		return AccountRecord{}, err
	}
	mobile, err := parseMobile(n.Mobile)
	if err != nil {
		return AccountRecord{}, err
	}
	local, domain, _ := strings.Cut(address, "@")
	switch {
	case domain != "nhs.net":
		return AccountRecord{}, refuse("the address is not at nhs.net")
	case strings.HasPrefix(local, "care.") || strings.HasPrefix(local, "pharmacy."):
		return AccountRecord{}, refuse("the address is kept for shared mailboxes")
	case isBlank(n.Name):
		return AccountRecord{}, refuse("the holder's name is missing")
	}
	for _, text := range []string{n.Name, n.Purpose} {
		if why := textFault(text); why != "" {
			return AccountRecord{}, refuse(why)
		}
	}
	return AccountRecord{
		Address: address, Site: ods, Name: n.Name, Purpose: n.Purpose, Mobile: mobile, RegisteredMobile: mobile,
		Activation: ActivationSent,
	}, nil
}

// room refuses where the site is unknown or has all its accounts.
func (p *Policy) room(ctx context.Context, tx StoreTx, ods string) error {
	site, err := tx.Site(ctx, ods)
	if err != nil {
		return refuseIf(err, ErrNotFound, "mail.site.unknown")
	}
	n, err := tx.CountAccounts(ctx, ods)
	if err != nil {
		return err
	}
	if limit := p.AccountsPerSite + site.MoreAccounts; n >= limit {
		return Rules().Refuse("mail.quota.accounts", "limit", strconv.Itoa(limit))
	}
	return nil
}

// Account returns an account, or the Refusal mail.account.unknown. One that is
// deleted and can be restored is still known.
func (a *Accounts) Account(ctx context.Context, address string) (Account, error) {
	p, r, err := a.read(ctx, address)
	if err != nil {
		return Account{}, err
	}
	return p.view(r), nil
}

func (a *Accounts) read(ctx context.Context, address string) (*Policy, AccountRecord, error) {
	p, err := a.Policy()
	if err != nil {
		return nil, AccountRecord{}, err
	}
	var r AccountRecord
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err = tx.Account(ctx, addressKey(address))
		if err == nil && p.state(r) == Removed {
			return p.refusal(r)
		}
		return refuseIf(err, ErrNotFound, "mail.account.unknown")
	})
	return p, r, err
}

// CanSend refuses where the owner of address may not send: mail.aup.pending
// until the three steps of the first login are done, mail.account.locked,
// mail.account.inactive, mail.account.disabled, mail.account.deleted,
// mail.account.unknown. A shared mailbox may send.
func (a *Accounts) CanSend(ctx context.Context, address string) error {
	return a.Can(ctx, address, Send)
}

// Can refuses where the account may not do what is asked.
func (a *Accounts) Can(ctx context.Context, address string, c Capability) error {
	p, r, err := a.read(ctx, address)
	if wardkey.RuleOf(err) == "mail.account.unknown" && (c == Send || c == Receive) {
		return a.sharedExists(ctx, address)
	}
	if err != nil {
		return err
	}
	if p.state(r).Can(c) {
		return nil
	}
	return p.refusal(r)
}

// Used notes that mail was sent from an account, or that it was opened in some
// other way than by SignIn, such as with a Care Identity: one that is not used
// becomes inactive. It writes at most once an hour for each account. Refusals:
// mail.account.unknown, mail.account.deleted, mail.account.disabled.
func (a *Accounts) Used(ctx context.Context, address string) error {
	p, r, err := a.read(ctx, address)
	if err != nil {
		return err
	}
	if state := p.state(r); state == Deleted || state == Disabled {
		return p.refusal(r)
	}
	if p.At.Sub(r.Used) < time.Hour {
		return nil
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := tx.Account(ctx, r.Address)
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.account.unknown")
		}
		r.Used, r.Inactive = tx.Now(), time.Time{}
		return p.update(ctx, tx, r)
	})
}

func (a *Accounts) sharedExists(ctx context.Context, address string) error {
	return a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		_, err := tx.Shared(ctx, addressKey(address))
		return refuseIf(err, ErrNotFound, "mail.account.unknown")
	})
}

// LinkState tells what linking a Care Identity to the mail account at address
// depends on: whether it is not disabled, whether it is locked, and whether its
// holder has accepted the acceptable use policy. An inactive account is active
// again with its first use and counts as active here. Refusals:
// mail.account.unknown, mail.account.deleted.
func (a *Accounts) LinkState(ctx context.Context, address string) (active, locked, policyAccepted bool, err error) {
	p, r, err := a.read(ctx, address)
	if err == nil && p.state(r) == Deleted {
		err = p.refusal(r)
	}
	if err != nil {
		return false, false, false, err
	}
	return !r.Disabled, r.Locked, r.PolicyVersion != "", nil
}

// VerifyAudit counts the rows of the unbroken audit chain, or names the first
// bad row in its error.
func (a *Accounts) VerifyAudit(ctx context.Context) (int64, error) {
	var n int64
	err := a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		var err error
		n, err = tx.VerifyAudit(ctx)
		return err
	})
	return n, err
}

// refuseIf turns a Store's sentinel into a Refusal and leaves other errors.
func refuseIf(err, sentinel error, id string) error {
	if errors.Is(err, sentinel) {
		return Rules().Refuse(id)
	}
	return err
}
