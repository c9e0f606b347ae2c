// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// A signer that fails this often in a row is left alone for signerPause: an HSM
// that is away mostly answers by a timeout, and everyone who waits for it holds a
// connection.
const signerFailures = 3

// A call that isn't over after signerPatience, and for a list after a millisecond
// more for each entry, is a failure. HSMs and the networks before them give up
// within half a minute; a list of a million takes the better part of one on a busy
// machine.
const (
	signerPatience = 30 * time.Second
	entryPatience  = time.Millisecond
)

var (
	errSignerPaused = errors.New("it failed before and is left alone for a while")
	errSignerSilent = errors.New("it doesn't answer")
	errSignerBroke  = errors.New("it panicked")
)

// breaker is a Signer that fails at once while the one behind it is away. After
// the pause one caller tries it; the others fail until that one has its answer.
//
// Callers come back when their context ends, the signer is given a time of its own:
// that somebody gave up says nothing about it. One that never answers holds the
// calls of its first half minute, and no more. That it went away is logged once, and
// so is that it is back.
type breaker struct {
	signer Signer
	wall   func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	failed  int // in a row
	silent  int // calls that are counted as failed and not over
	retryAt time.Time
}

// signing is one call of the signer.
type signing struct {
	done chan struct{} // closed, under the breaker's lock, when it is over
	late bool          // under the breaker's lock: counted as failed before that
	der  []byte
	err  error
}

func (b *breaker) SignCertificate(ctx context.Context, template *x509.Certificate, public crypto.PublicKey) (der []byte, err error) {
	return b.sign(ctx, signerPatience, func(ctx context.Context) ([]byte, error) {
		return b.signer.SignCertificate(ctx, template, public)
	})
}

func (b *breaker) SignCRL(ctx context.Context, template *x509.RevocationList) (der []byte, err error) {
	patience := signerPatience + time.Duration(len(template.RevokedCertificateEntries))*entryPatience
	return b.sign(ctx, patience, func(ctx context.Context) ([]byte, error) { return b.signer.SignCRL(ctx, template) })
}

func (b *breaker) sign(ctx context.Context, patience time.Duration, do func(context.Context) ([]byte, error)) ([]byte, error) {
	err := ctx.Err()
	if err == nil {
		err = b.admit()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignerUnavailable, err)
	}
	s := &signing{done: make(chan struct{})}
	limited, end := context.WithTimeout(context.WithoutCancel(ctx), patience)
	context.AfterFunc(limited, func() { b.overdue(s) })
	go func() {
		defer end()
		b.call(limited, s, do)
	}()
	if err := s.wait(ctx, limited); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignerUnavailable, err)
	}
	return s.der, nil
}

// call asks the signer. A panic there is a failure of the signer's, since in a
// goroutine of its own it would end the process and not one request; where it came
// from is logged.
func (b *breaker) call(ctx context.Context, s *signing, do func(context.Context) ([]byte, error)) {
	defer b.report(s)
	s.err = errSignerBroke // unless do returns: runtime.Goexit is no panic
	defer func() {
		if v := recover(); v != nil {
			b.log.ErrorContext(ctx, "the signer panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	s.der, s.err = do(ctx)
}

// wait returns when the call is over, the caller gives up or its time has passed.
func (s *signing) wait(ctx, limited context.Context) error {
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	case <-limited.Done():
	}
	select {
	case <-s.done: // that is what ended it
		return s.err
	default:
		return errSignerSilent
	}
}

// admit refuses while the signer is left alone. Who is admitted after the pause
// begins the next one, in which nobody else is.
func (b *breaker) admit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent >= signerFailures {
		return errSignerSilent
	}
	if b.failed < signerFailures {
		return nil
	}
	now := b.wall()
	if now.Before(b.retryAt) {
		return errSignerPaused
	}
	b.retryAt = now.Add(signerPause)
	return nil
}

// overdue counts a call that took too long, when its time is over.
func (b *breaker) overdue(s *signing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-s.done:
	default:
		s.late = true
		b.silent++
		b.fail(errSignerSilent)
	}
}

// report ends a call.
func (b *breaker) report(s *signing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case s.err == nil:
		if b.failed >= signerFailures {
			b.log.Info("the signer is back")
		}
		b.failed = 0
	case !s.late:
		b.fail(s.err)
	}
	if s.late {
		b.silent--
	}
	close(s.done)
}

func (b *breaker) fail(why error) {
	if b.failed++; b.failed == signerFailures {
		b.retryAt = b.wall().Add(signerPause)
		b.log.Error("the signer is away", "error", why.Error())
	}
}
