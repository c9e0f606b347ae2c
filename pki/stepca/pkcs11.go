// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/pkcs11"
)

// PKCS11 keeps a P-256 key in a token, made there and never extractable. The
// token must exist and have its PIN. The key's CKA_LABEL and CKA_ID are
// "wardkey-" and the key's name.
type PKCS11 struct {
	Module string // absolute path of the module. Required
	Token  string // the token's label. Required
	// PIN is called once when the key is opened. The library below takes it as
	// a string, which can't be cleared.
	PIN func() ([]byte, error)
}

// tokenKey closes the token's sessions with the key.
type tokenKey struct {
	crypto.Signer
	kms *pkcs11.PKCS11
}

// Close ends the sessions.
func (k tokenKey) Close() error { return k.kms.Close() }

// Key implements KeySource.
func (p PKCS11) Key(ctx context.Context, name string) (crypto.Signer, error) {
	if p.Module == "" || p.Token == "" || p.PIN == nil {
		return nil, errors.New("stepca: PKCS11 needs Module, Token and PIN")
	}
	if !filepath.IsAbs(p.Module) {
		return nil, fmt.Errorf("stepca: PKCS11: %q is not an absolute path: the system's search path decides what it loads", p.Module)
	}
	pin, err := p.PIN()
	if err != nil {
		return nil, fmt.Errorf("stepca: PIN: %w", err)
	}
	defer clear(pin)
	if len(pin) == 0 {
		return nil, errors.New("stepca: the PIN is empty") // the library below would go on without logging in
	}
	// The library reads the URI as a query: & and + have a meaning there.
	uri := "pkcs11:module-path=" + url.QueryEscape(p.Module) + ";token=" + url.QueryEscape(p.Token)
	kms, err := pkcs11.New(ctx, kmsapi.Options{URI: uri, Pin: string(pin)})
	if err != nil {
		return nil, fmt.Errorf("stepca: token %q of %s: %w", p.Token, p.Module, err)
	}
	signer, err := findOrMake(kms, "wardkey-"+name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stepca: key %q in token %q of %s: %w", name, p.Token, p.Module, err), kms.Close())
	}
	return tokenKey{signer, kms}, nil
}

// findOrMake makes the key first, since only that tells "there is one" from other
// failures.
func findOrMake(kms *pkcs11.PKCS11, label string) (crypto.Signer, error) {
	object := "pkcs11:id=" + hex.EncodeToString([]byte(label)) + ";object=" + label
	_, err := kms.CreateKey(&kmsapi.CreateKeyRequest{Name: object, SignatureAlgorithm: kmsapi.ECDSAWithSHA256})
	if err != nil && !errors.Is(err, kmsapi.AlreadyExistsError{}) {
		return nil, err
	}
	return kms.CreateSigner(&kmsapi.CreateSignerRequest{SigningKey: object})
}
