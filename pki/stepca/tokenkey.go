// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/pkcs11"
)

// tokenKey is a key in a token. The library below never finds back to a token that
// was away: its sessions stay dead. So when a signature fails, the token is opened
// anew and asked once more.
type tokenKey struct {
	source PKCS11
	name   string
	public crypto.PublicKey

	mu      sync.RWMutex  // held for reading by those who sign
	pin     []byte        // nil once closed
	session *tokenSession // nil while the token can't be opened
	refused error         // of the PIN: another try could lock the token
}

// tokenSession is a token as it was opened once.
type tokenSession struct {
	kms    *pkcs11.PKCS11
	signer crypto.Signer
}

// Public implements crypto.Signer.
func (k *tokenKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer.
func (k *tokenKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, used, err := k.trySign(random, digest, opts)
	if err == nil {
		return signature, nil
	}
	if reopened := k.reopen(used); reopened != nil {
		return nil, errors.Join(err, reopened)
	}
	signature, _, err = k.trySign(random, digest, opts)
	return signature, err
}

// trySign returns the session that was used, too.
func (k *tokenKey) trySign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, *tokenSession, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.session == nil {
		return nil, nil, fmt.Errorf("stepca: token %q is not open", k.source.Token)
	}
	signature, err := k.session.signer.Sign(random, digest, opts)
	return signature, k.session, err
}

// reopen opens the token anew, unless another did since a session failed. The key
// must be there: none is made.
func (k *tokenKey) reopen(failed *tokenSession) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.pin == nil:
		return errors.New("stepca: the key is closed")
	case k.session != failed:
		return nil
	case k.refused != nil:
		return k.refused
	}
	if failed != nil {
		_ = failed.kms.Close() // it is dead
		k.session = nil
	}
	session, err := k.open(context.Background(), findObject)
	switch {
	case err != nil && strings.Contains(err.Error(), "CKR_PIN_"):
		k.refused = err
		return err
	case err != nil:
		return err
	case !samePublic(session.signer.Public(), k.public):
		return errors.Join(fmt.Errorf("stepca: token %q has another key %q now", k.source.Token, k.name), session.kms.Close())
	}
	k.session = session
	return nil
}

// open opens the token and the key in it.
func (k *tokenKey) open(ctx context.Context, key keyObject) (*tokenSession, error) {
	// The library below reads the URI as a query: & and + have a meaning there.
	uri := "pkcs11:module-path=" + url.QueryEscape(k.source.Module) + ";token=" + url.QueryEscape(k.source.Token)
	kms, err := pkcs11.New(ctx, kmsapi.Options{URI: uri, Pin: string(k.pin)})
	if err != nil {
		return nil, fmt.Errorf("stepca: token %q of %s: %w", k.source.Token, k.source.Module, err)
	}
	label := "wardkey-" + k.name
	signer, err := key(kms, "pkcs11:id="+hex.EncodeToString([]byte(label))+";object="+label)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stepca: key %q in token %q of %s: %w", k.name, k.source.Token, k.source.Module, err), kms.Close())
	}
	return &tokenSession{kms, signer}, nil
}

// Close ends the sessions.
func (k *tokenKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.pin)
	k.pin = nil
	if k.session == nil {
		return nil
	}
	err := k.session.kms.Close()
	k.session = nil
	return err
}
