// SPDX-License-Identifier: Apache-2.0

package cardhttp

import (
	"context"
	"crypto/x509"

	"github.com/wardkey-sdk/wardkey/careid"
)

// Service is what the endpoints ask of the domain; *careid.Service has it all.
type Service interface {
	Proofs
	Acts
	Unlocks
}

// Proofs is sign-in, and what a session is.
type Proofs interface {
	Nonce(ctx context.Context, p careid.Purpose) (string, error)
	Answer(ctx context.Context, jws string) (*careid.Answered, error)
	Redeem(ctx context.Context, result string, cookie []byte) (*careid.SignedIn, error)
	Lease(ctx context.Context, presence string) error
	Removed(ctx context.Context, presence string) error
	Session(ctx context.Context, token string) (*careid.Session, error)
	SignOut(ctx context.Context, token string) error
}

// Acts is the work on a card.
type Acts interface {
	OpenHandle(ctx context.Context, handle string, agentKey []byte) (*careid.ActView, error)
	Requests(ctx context.Context, handle string, csrs [][]byte) ([]*x509.Certificate, error)
	Confirm(ctx context.Context, handle string, jws string) error
	TakeUnlock(ctx context.Context, handle string, agentKey []byte) (*careid.Reset, error)
}

// Unlocks is the self-service unlock and its reset act.
type Unlocks interface {
	OpenUnlock(ctx context.Context, cookie []byte) (string, error)
	StartUnlock(ctx context.Context, u careid.UnlockStart) (*careid.UnlockStarted, error)
	RedeemUnlock(ctx context.Context, u careid.UnlockCode) (*careid.Reset, error)
	ResetOpened(ctx context.Context, token string, generation int64) (careid.SealedSOPIN, error)
	ResetConfirm(ctx context.Context, token string) error
}
