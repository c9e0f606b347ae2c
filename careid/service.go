// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// CA is what careid asks of a certificate authority; *pki.CA has these methods. act is the idempotency key: a
// repeated act returns what was committed. subject has the person's name as CommonName and the user id as SerialNumber,
// or is an earlier certificate's; the CN that comes of it is the name, alone or after the user id and a space. csrs and
// results are in the order authentication, signing. Verify tells of a revocation before an expiry; an error that has a
// method Rule() string is a "no", any other is a failure.
type CA interface {
	Issue(ctx context.Context, act string, subject pkix.Name, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error)
	Renew(ctx context.Context, act string, old []*x509.Certificate, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error)
	Revoke(ctx context.Context, cert *x509.Certificate, reason int, at time.Time) error
	Verify(ctx context.Context, cert *x509.Certificate) error
}

// MailDirectory answers for mail accounts. An address that has no account is not active, or a Refusal with status
// 404. Any other Refusal by a rule mail.… counts as a condition of its own, as it is; any other error is a failure.
type MailDirectory interface {
	LinkState(ctx context.Context, address string) (active, locked, policyAccepted bool, err error)
}

// Sender carries messages to people, by "email" or "text". It is called outside any request and transaction.
type Sender interface {
	Send(ctx context.Context, channel, to, subject, body string) error
}

// Config is what a Service is made of. Store, CA, Sender, CardMaster, Servers and Origins are needed: an empty list
// of servers or origins would accept anybody's proof, and New refuses it.
type Config struct {
	Store      Store
	CA         CA
	Mail       MailDirectory // nil: no mail account can be linked
	Sender     Sender
	CardMaster CardMaster

	// AuthenticatorKey, 32 bytes, encrypts the secrets of authenticator apps and imported SO PINs in the store
	// (AES-256-GCM), and applicants are known again by a mark under it (HMAC-SHA-256). It is the caller's to keep beside the CardMaster and not in the database, and to clear after New.
	// Without one no app can be registered and no applicant be known again. To change it, put the new one here and the one before among
	// EarlierAuthenticatorKeys, on all servers before any of them seals under it: first add the new one as an earlier one
	// everywhere, then swap them.
	AuthenticatorKey []byte
	// EarlierAuthenticatorKeys open what was sealed under them, and seal nothing. A good code of an app has its secret
	// sealed again under AuthenticatorKey. A key that is taken away leaves the apps that were not used since refused: they
	// are registered again. An outside card whose SO PIN was imported under it is then unlocked by its issuer alone, until
	// its SO PIN is imported again. And who was approved under it alone is not known again as an applicant: keep it for as
	// long as somebody may apply twice.
	EarlierAuthenticatorKeys [][]byte

	// Servers are this service's base URLs as agents know them (the claim aud), Origins those of its pages (the
	// claim origin). Both are compared byte for byte.
	Servers []string
	Origins []string

	// Outside are the issuers of other cards that may be bound to profiles. Default: none.
	Outside []OutsideIssuer

	// Desks are whom refusals lead to, by organisation: a Refusal's Contact. Without one, to the published desks alone.
	Desks Desks

	// Rules defaults to the built-in book. An organisation's is an Overlay of it.
	Rules *wardkey.Rulebook

	// Binding says what pulling the card does. Default: the book's card.binding, close. Bindings say it for people whom the
	// Registration Authority of an organisation looks after, by its ODS code; all others have Binding.
	Binding  Binding
	Bindings map[string]Binding

	// Terms are what people accept. Default: the published ones, by using a card.
	Terms Terms

	// KeyAlgorithm goes into each KeyPlan: "" for P-256, or P-384, RSA-2048, RSA-3072.
	KeyAlgorithm string

	// ApplyURL is put before the token in invitations, such as "https://care.example/apply?token=".
	ApplyURL string

	// Queue bounds the messages under way at once; more are lost and logged. Default 64.
	Queue int

	Now     func() time.Time // the calendar, the same as the Store's; default time.Now
	Wall    func() time.Time // the wire, the same as the Store's; default time.Now
	Log     *slog.Logger     // nil is silent
	Observe func(context.Context, Event)
}

func (c Config) withDefaults() Config {
	if c.Queue == 0 {
		c.Queue = 64
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Event) {}
	}
	return c
}

// EventName is one of the closed list below.
type EventName string

// What Observe is told, after the commit.
const (
	EventSignedIn      EventName = "careid.signed-in"
	EventSessionEnded  EventName = "careid.session-ended"
	EventSessionLocked EventName = "careid.session-locked"
	EventRefused       EventName = "careid.refused"
	EventActOpened     EventName = "careid.act-opened"
	EventActConfirmed  EventName = "careid.act-confirmed"
	EventCardChanged   EventName = "careid.card-changed"
	EventUnlocked      EventName = "careid.unlocked"
	EventMessageSent   EventName = "careid.message-sent"
	EventMessageLost   EventName = "careid.message-lost"
)

// Event is one thing that happened. It names no person.
type Event struct {
	Name    EventName
	Rule    string // EventRefused
	Card    string
	Session string // Session.ID, EventSessionEnded and EventSessionLocked
	Reason  string // EventSessionEnded
}

// Service is the domain. It is safe for concurrent use, and any number of them may share one store.
type Service struct {
	store     Store
	ca        CA
	mail      MailDirectory
	sender    Sender
	master    CardMaster
	sealer    *sealer // nil without an AuthenticatorKey
	servers   []string
	origins   []string
	outside   []OutsideIssuer
	desks     Desks
	book      *wardkey.Rulebook
	binding   Binding
	bindings  map[string]Binding // by organisation
	terms     Terms
	algorithm string
	applyURL  string
	now, wall func() time.Time
	log       *slog.Logger
	observe   func(context.Context, Event)

	slots   chan struct{} // one for each message under way
	hashing chan struct{} // one for each code being hashed
	kept    atomic.Pointer[datedPolicy]
	look    lookout
}

// New makes a Service. It does no I/O; call Resume once before serving.
func New(c Config) (*Service, error) {
	c = c.withDefaults()
	book := c.Rules
	if book == nil {
		builtIn, err := Rules()
		if err != nil {
			return nil, err
		}
		book = builtIn
	}
	switch {
	case c.Store == nil || c.CA == nil || c.Sender == nil || c.CardMaster == nil:
		return nil, errors.New("careid: Config needs a Store, a CA, a Sender and a CardMaster")
	case len(c.Servers) == 0 || len(c.Origins) == 0 || slices.Contains(c.Servers, "") || slices.Contains(c.Origins, ""):
		return nil, errors.New("careid: Config needs Servers and Origins: without them any proof would do")
	case c.Queue < 0:
		return nil, errors.New("careid: Queue must not be negative")
	}
	sealer, err := newSealer(c.AuthenticatorKey, c.EarlierAuthenticatorKeys)
	if err != nil {
		return nil, err
	}
	outside, err := checkIssuers(c.Outside)
	if err != nil {
		return nil, err
	}
	s := &Service{
		store: c.Store, ca: c.CA, mail: c.Mail, sender: c.Sender, master: c.CardMaster, sealer: sealer,
		servers: slices.Clone(c.Servers), origins: slices.Clone(c.Origins), outside: outside,
		desks: maps.Clone(c.Desks),
		book:  book, binding: c.Binding, bindings: maps.Clone(c.Bindings), terms: c.Terms, algorithm: c.KeyAlgorithm, applyURL: c.ApplyURL,
		now: c.Now, wall: c.Wall, log: c.Log, observe: c.Observe,
		slots:   make(chan struct{}, c.Queue),
		hashing: make(chan struct{}, runtime.GOMAXPROCS(0)),
		look:    lookout{turn: make(chan struct{}, 1)},
	}
	p, err := s.policy(s.now())
	if err != nil {
		return nil, err
	}
	choices, err := book.Strings("card.binding.choices", s.now())
	if err != nil {
		return nil, err
	}
	for organisation := range s.bindings {
		if err := s.checkODS(organisation); err != nil { // of a slip nobody would see that it binds nobody
			return nil, fmt.Errorf("careid: Bindings: %q is not an organisation's code", organisation)
		}
	}
	for _, b := range slices.Concat([]Binding{p.Binding}, slices.Collect(maps.Values(s.bindings))) {
		if !slices.Contains(choices, string(b)) {
			return nil, fmt.Errorf("careid: card binding %q is not one of %v", b, choices)
		}
	}
	if c.Terms.Explicit && !slices.Contains(p.TermsModes, string(TermsExplicit)) {
		return nil, errors.New("careid: the rulebook lets nobody be asked for the terms")
	}
	return s, nil
}
