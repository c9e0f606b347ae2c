// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// CA is what careid asks of a certificate authority; *pki.CA has these methods. act is the idempotency key: a
// repeated act returns what was committed. csrs and results are in the order authentication, signing. Verify tells
// of a revocation before an expiry; an error that has a method Rule() string is a "no", any other is a failure.
type CA interface {
	Issue(ctx context.Context, act string, subject pkix.Name, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error)
	Renew(ctx context.Context, act string, old []*x509.Certificate, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error)
	Revoke(ctx context.Context, cert *x509.Certificate, reason int, at time.Time) error
	Verify(ctx context.Context, cert *x509.Certificate) error
}

// MailDirectory answers for mail accounts. An address that has no account is not active. An error that is a Refusal
// by a rule mail.… counts as that condition; any other is a failure.
type MailDirectory interface {
	LinkState(ctx context.Context, address string) (active, locked, policyAccepted bool, err error)
}

// Sender carries messages to people, by "email" or "text". It is called outside any request and transaction.
type Sender interface {
	Send(ctx context.Context, channel, to, subject, body string) error
}

// CardMaster keeps the secret that all security officer PINs derive from. The same serial and generation always give
// the same PIN. The caller clears it.
type CardMaster interface {
	SOPIN(ctx context.Context, serial string, generation int64) ([]byte, error)
}

// Config is what a Service is made of. Store, CA, Sender, CardMaster, Servers and Origins are needed: an empty list
// of servers or origins would accept anybody's proof, and New refuses it.
type Config struct {
	Store      Store
	CA         CA
	Mail       MailDirectory // nil: no mail accounts can be linked
	Sender     Sender
	CardMaster CardMaster

	// Servers are this service's base URLs as agents know them (the claim aud), Origins those of its pages (the
	// claim origin). Both are compared byte for byte.
	Servers []string
	Origins []string

	// Rules defaults to the built-in book. An organisation's is an Overlay of Rules().
	Rules *wardkey.Rulebook

	// Binding says what pulling the card does. Default: the book's card.binding, close.
	Binding Binding

	// KeyAlgorithm goes into each KeyPlan: "" for P-256, or RSA-2048, RSA-3072, P-384.
	KeyAlgorithm string

	// ApplyURL is put before the token in invitations, such as "https://care.example/apply?token=".
	ApplyURL string

	// Queue bounds the messages under way at once; more are dropped and logged. Default 64.
	Queue int

	Now     func() time.Time // the calendar; default time.Now
	Wall    func() time.Time // the wire; default time.Now
	Log     *slog.Logger     // nil is silent
	Observe func(context.Context, Event)
}

// EventName is one of the closed list below.
type EventName string

// What Observe is told, after the commit.
const (
	EventSignedIn     EventName = "careid.signed-in"
	EventSessionEnded EventName = "careid.session-ended"
	EventRefused      EventName = "careid.refused"
	EventActOpened    EventName = "careid.act-opened"
	EventActConfirmed EventName = "careid.act-confirmed"
	EventCardChanged  EventName = "careid.card-changed"
	EventUnlocked     EventName = "careid.unlocked"
	EventMessageSent  EventName = "careid.message-sent"
	EventMessageLost  EventName = "careid.message-lost"
)

// Event is one thing that happened. It names no person.
type Event struct {
	Name    EventName
	Rule    string // EventRefused
	Card    string
	Session string // Session.ID, EventSessionEnded
	Reason  string // EventSessionEnded
}

// Service is the domain. It is safe for concurrent use, and any number of them may share one store.
type Service struct {
	Config
	slots chan struct{} // one for each message under way
}
