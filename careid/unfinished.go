// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// This file holds the agreed signatures whose bodies are still being written; it goes away with the last of them.
var errUnfinished = errors.New("careid: unfinished")

// New makes a Service. It does no I/O.
func New(c Config) (*Service, error) { return nil, errUnfinished }

// Rules returns the built-in rulebook.
func Rules() *wardkey.Rulebook { return nil }

// Drain waits until the messages under way are sent or lost.
func (s *Service) Drain(ctx context.Context) error { return errUnfinished }

// NewSoftwareMaster derives SO PINs with HKDF-SHA256 from a master secret of at least 32 bytes.
func NewSoftwareMaster(master []byte) (*SoftwareMaster, error) { return nil, errUnfinished }

// SoftwareMaster is a CardMaster in memory.
type SoftwareMaster struct{ master []byte }

func (m *SoftwareMaster) SOPIN(ctx context.Context, serial string, generation int64) ([]byte, error) {
	return nil, errUnfinished
}

// Bootstrap makes the first RA manager.
func (s *Service) Bootstrap(ctx context.Context, f Founder) (*Founded, error) {
	return nil, errUnfinished
}

// Actor makes an Actor from a session token; organisation is not read for Holder.
func (s *Service) Actor(ctx context.Context, token string, role Role, organisation string) (Actor, error) {
	return Actor{}, errUnfinished
}

// Grants lists the roles that a person holds now.
func (s *Service) Grants(ctx context.Context, token string) ([]Grant, error) {
	return nil, errUnfinished
}
func (s *Service) GrantRole(ctx context.Context, a Actor, profile string, role Role) error {
	return errUnfinished
}
func (s *Service) EndRole(ctx context.Context, a Actor, profile string, role Role) error {
	return errUnfinished
}

func (s *Service) Invite(ctx context.Context, a Actor, in Invitation) (*Application, error) {
	return nil, errUnfinished
}
func (s *Service) Submit(ctx context.Context, token string, sub Submission) (*Application, error) {
	return nil, errUnfinished
}
func (s *Service) RecordCheck(ctx context.Context, a Actor, application string, c Check) (*Application, error) {
	return nil, errUnfinished
}
func (s *Service) Approve(ctx context.Context, a Actor, application string) (*Profile, error) {
	return nil, errUnfinished
}
func (s *Service) Applications(ctx context.Context, a Actor) ([]Application, error) {
	return nil, errUnfinished
}

// OpenProfile always refuses: profile.apply.
func (s *Service) OpenProfile(ctx context.Context, a Actor, p NewProfile) (*Profile, error) {
	return nil, errUnfinished
}
func (s *Service) Profile(ctx context.Context, a Actor, id string) (*Profile, error) {
	return nil, errUnfinished
}
func (s *Service) Profiles(ctx context.Context, a Actor) ([]Profile, error) {
	return nil, errUnfinished
}
func (s *Service) SetContact(ctx context.Context, a Actor, profile string, c Contact) error {
	return errUnfinished
}
func (s *Service) CloseProfile(ctx context.Context, a Actor, profile string) error {
	return errUnfinished
}

func (s *Service) Card(ctx context.Context, a Actor, serial string) (*Card, error) {
	return nil, errUnfinished
}
func (s *Service) Cards(ctx context.Context, a Actor, profile string) ([]Card, error) {
	return nil, errUnfinished
}
func (s *Service) Certificates(ctx context.Context, a Actor, serial string) ([]Certificate, error) {
	return nil, errUnfinished
}
func (s *Service) Orders(ctx context.Context, a Actor) ([]Order, error) { return nil, errUnfinished }
func (s *Service) ReportLost(ctx context.Context, a Actor, serial string) (*Order, error) {
	return nil, errUnfinished
}
func (s *Service) CancelCard(ctx context.Context, a Actor, serial string) error { return errUnfinished }
func (s *Service) ReturnCard(ctx context.Context, a Actor, serial string) error { return errUnfinished }

func (s *Service) OpenAct(ctx context.Context, a Actor, r ActRequest) (*Act, error) {
	return nil, errUnfinished
}
func (s *Service) AbandonAct(ctx context.Context, a Actor, act string) error { return errUnfinished }
func (s *Service) OpenHandle(ctx context.Context, handle string, agentKey []byte) (*ActView, error) {
	return nil, errUnfinished
}
func (s *Service) Requests(ctx context.Context, handle string, csrs [][]byte) ([]*x509.Certificate, error) {
	return nil, errUnfinished
}
func (s *Service) Confirm(ctx context.Context, handle string, jws string) error { return errUnfinished }

func (s *Service) Nonce(ctx context.Context, p Purpose) (string, error) { return "", errUnfinished }
func (s *Service) Answer(ctx context.Context, jws string) (*Answered, error) {
	return nil, errUnfinished
}
func (s *Service) Redeem(ctx context.Context, result string, cookie []byte) (*SignedIn, error) {
	return nil, errUnfinished
}
func (s *Service) Lease(ctx context.Context, presence string) error   { return errUnfinished }
func (s *Service) Removed(ctx context.Context, presence string) error { return errUnfinished }
func (s *Service) Session(ctx context.Context, token string) (*Session, error) {
	return nil, errUnfinished
}
func (s *Service) SignOut(ctx context.Context, token string) error { return errUnfinished }

// OpenUnlock gives an anonymous page a handle for one unlock, bound to the cookie of its browser.
func (s *Service) OpenUnlock(ctx context.Context, cookie []byte) (string, error) {
	return "", errUnfinished
}
func (s *Service) StartUnlock(ctx context.Context, u UnlockStart) (*UnlockStarted, error) {
	return nil, errUnfinished
}
func (s *Service) RedeemUnlock(ctx context.Context, u UnlockCode) (*Reset, error) {
	return nil, errUnfinished
}
func (s *Service) ResetOpened(ctx context.Context, token string, generation int64) (SealedSOPIN, error) {
	return SealedSOPIN{}, errUnfinished
}
func (s *Service) ResetConfirm(ctx context.Context, token string) error { return errUnfinished }

// LinkPreflight lists every missing condition at once, in a fixed order.
func (s *Service) LinkPreflight(ctx context.Context, a Actor, r LinkRequest) (wardkey.Refusals, error) {
	return nil, errUnfinished
}
func (s *Service) Link(ctx context.Context, a Actor, r LinkRequest) (*Link, error) {
	return nil, errUnfinished
}
func (s *Service) Unlink(ctx context.Context, a Actor, address string) error { return errUnfinished }
func (s *Service) Links(ctx context.Context, a Actor, profile string) ([]Link, error) {
	return nil, errUnfinished
}

// Due does the work that the calendar asks for and says when to come again.
func (s *Service) Due(ctx context.Context) (time.Time, error) { return time.Time{}, errUnfinished }

// Resume finishes what a stop left open: call it once at start.
func (s *Service) Resume(ctx context.Context) error               { return errUnfinished }
func (s *Service) VerifyAudit(ctx context.Context) (int64, error) { return 0, errUnfinished }
func (s *Service) Audit(ctx context.Context, after int64, limit int) ([]AuditEntry, error) {
	return nil, errUnfinished
}

// Operator is the program that runs the service: it reads everything and changes nothing.
func Operator(name string) Actor { return Actor{} }

// AuditEntry is one row of the chain.
type AuditEntry struct {
	Seq                            int64
	At                             time.Time
	Actor, Action, Subject, Detail string
}
