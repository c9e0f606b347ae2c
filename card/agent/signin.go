// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// proveCard is a sign-in, a step-up or a proof of presence: passcode, nonce,
// signature, answer. The nonce is asked for only after the card took the
// passcode, so that it is seconds old when it is signed.
func (a *Agent) proveCard(ctx context.Context, t *task, f form) error {
	c, _, give, err := a.take(ctx, t)
	if err != nil {
		return err
	}
	defer give()
	pulled, err := a.watched(ctx, c.Serial())
	if err != nil {
		return err
	}
	if err := a.login(ctx, c, f); err != nil {
		return err
	}
	got, err := a.prove(ctx, c, t, t.request.Kind)
	if err != nil {
		return err
	}
	if t.request.Kind == Presence {
		t.serial = c.Serial()
		return nil // it earns no session, whatever a server says
	}
	if got.Presence != "" { // also of a step-up: its session is a new one
		if err := a.hold(c.Serial(), pulled, t, got); err != nil {
			return err
		}
	}
	if got.Act != "" && t.request.Kind == SignIn {
		a.finishLeft(ctx, c, t, got.Act)
	}
	t.mu.Lock()
	if !t.given {
		t.result = got.Result
	}
	t.mu.Unlock()
	t.serial = c.Serial()
	return nil
}

// prove signs for one purpose with the certificate that the server accepts: the
// newest, or, where that one was given up or replaced since, the next.
func (a *Agent) prove(ctx context.Context, c *card.Card, t *task, purpose Kind) (answered, error) {
	candidates, err := a.candidates(ctx, c)
	if err != nil {
		return answered{}, err
	}
	for i, certificate := range candidates {
		key, err := c.Key(ctx, card.KeySelector{Public: certificate.PublicKey})
		if err != nil {
			return answered{}, err
		}
		jws, err := a.proof(ctx, t, signer{ctx, key}, certificate, claims{Purpose: string(purpose), Act: t.request.Act, Bind: t.request.Bind})
		if err != nil {
			return answered{}, err
		}
		got, err := a.server(t.request.Server).answer(ctx, jws)
		if last := i == len(candidates)-1; last || !slices.Contains([]string{"cert.revoked", "cert.superseded", "cert.unknown"}, wardkey.RuleOf(err)) {
			return got, err
		}
	}
	return answered{}, a.rules.Refuse("cert.none")
}

// candidates are the certificates that may sign in and whose key the card shows.
func (a *Agent) candidates(ctx context.Context, c *card.Card) ([]*x509.Certificate, error) {
	stored, err := c.Certificates(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]*x509.Certificate, len(stored))
	for i, s := range stored {
		all[i] = s.X509
	}
	fit := a.config.SignInCertificates(all)
	if len(fit) == 0 {
		return nil, a.rules.Refuse("cert.none")
	}
	return fit, nil
}

// proof asks for a nonce and makes the JWS of what; audience, origin, nonce and
// time are filled in here, never by a page.
func (a *Agent) proof(ctx context.Context, t *task, key crypto.Signer, certificate *x509.Certificate, what claims) (string, error) {
	nonce, err := a.server(t.request.Server).nonce(ctx, Kind(what.Purpose))
	if err != nil {
		return "", err
	}
	if !isNonce(nonce) {
		return "", fmt.Errorf("%w: its nonce is not 128 bits in base64url", errUnreachable)
	}
	what.Audience, what.Origin, what.Nonce = t.request.Server, t.origin, nonce
	what.IssuedAt = a.config.Wall().Unix()
	return what.sign(key, certificate)
}

// signer is a card key for code that gives no context.
type signer struct {
	ctx context.Context
	key *card.Key
}

func (s signer) Public() crypto.PublicKey { return s.key.Public() }

func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.SignContext(s.ctx, digest, opts)
}

// finishLeft goes on with an act of this card that an earlier agent left. It
// never spoils the sign-in that it rides on: the act stays open if it fails, and
// it takes no longer than a person is patient, since the result doesn't last.
func (a *Agent) finishLeft(ctx context.Context, c *card.Card, t *task, handle string) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Patience)
	defer cancel()
	left := &task{origin: t.origin, request: Request{Server: t.request.Server, Handle: handle}}
	err := a.openAct(ctx, left)
	if err == nil && left.serial == c.Serial() && (left.view.Kind == Renew || left.view.Kind == Repair) {
		err = a.pair(ctx, c, left)
	}
	if err != nil {
		a.config.Log.Warn("an unfinished act stays open", "card", c.Serial(), "rule", wardkey.RuleOf(err), "cause", err)
	}
}

func samePublic(a, b crypto.PublicKey) bool {
	x, errX := x509.MarshalPKIXPublicKey(a)
	y, errY := x509.MarshalPKIXPublicKey(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
