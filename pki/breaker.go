// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A signer that fails this often in a row is left alone for signerPause: an HSM
// that is away mostly answers by a timeout, and everyone who waits for it holds a
// connection.
const signerFailures = 3

var errSignerPaused = errors.New("it failed before and is left alone for a while")

// breaker is a Signer that fails at once while the one behind it is away. After
// the pause one caller tries it; the others fail until that one has its answer.
type breaker struct {
	signer Signer
	wall   func() time.Time

	mu      sync.Mutex
	failed  int // in a row
	retryAt time.Time
}

func (b *breaker) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) (der []byte, err error) {
	if err := b.admit(); err != nil {
		return nil, err
	}
	der, err = b.signer.SignCertificate(ctx, template, public)
	return der, b.report(ctx, err)
}

func (b *breaker) SignCRL(ctx context.Context, template *x509.RevocationList) (der []byte, err error) {
	if err := b.admit(); err != nil {
		return nil, err
	}
	der, err = b.signer.SignCRL(ctx, template)
	return der, b.report(ctx, err)
}

// admit refuses while the signer is left alone. Who is admitted after the pause
// begins the next one, in which nobody else is.
func (b *breaker) admit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < signerFailures {
		return nil
	}
	now := b.wall()
	if now.Before(b.retryAt) {
		return fmt.Errorf("%w: %w", ErrSignerUnavailable, errSignerPaused)
	}
	b.retryAt = now.Add(signerPause)
	return nil
}

// report counts a failure that isn't the caller's own giving up.
func (b *breaker) report(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrSignerUnavailable, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.failed = 0
		return nil
	}
	if b.failed++; b.failed == signerFailures {
		b.retryAt = b.wall().Add(signerPause)
	}
	return fmt.Errorf("%w: %w", ErrSignerUnavailable, err)
}
