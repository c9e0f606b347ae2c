// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"context"
	"crypto"
	"errors"
	"fmt"
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
	// PIN is called once when the key is opened. What it returns is kept, and
	// cleared when the key is closed: a token that was away wants it again. The
	// library below takes it as a string, which can't be cleared.
	PIN func() ([]byte, error)
}

// Key implements KeySource.
func (p PKCS11) Key(ctx context.Context, name string) (crypto.Signer, error) {
	return p.key(ctx, name, findOrMake)
}

func (p PKCS11) find(ctx context.Context, name string) (crypto.Signer, error) {
	return p.key(ctx, name, findObject)
}

func (p PKCS11) key(ctx context.Context, name string, in keyObject) (crypto.Signer, error) {
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
	if len(pin) == 0 {
		return nil, errors.New("stepca: the PIN is empty") // the library below would go on without logging in
	}
	key := &tokenKey{source: p, name: name, pin: pin}
	if key.session, err = key.open(ctx, in); err != nil {
		clear(pin)
		return nil, err
	}
	key.public = key.session.signer.Public()
	return key, nil
}

// keyObject takes a key out of a token.
type keyObject func(kms *pkcs11.PKCS11, object string) (crypto.Signer, error)

// findOrMake makes the key first, since only that tells "there is one" from other
// failures.
func findOrMake(kms *pkcs11.PKCS11, object string) (crypto.Signer, error) {
	_, err := kms.CreateKey(&kmsapi.CreateKeyRequest{Name: object, SignatureAlgorithm: kmsapi.ECDSAWithSHA256})
	if err != nil && !errors.Is(err, kmsapi.AlreadyExistsError{}) {
		return nil, err
	}
	return findObject(kms, object)
}

func findObject(kms *pkcs11.PKCS11, object string) (crypto.Signer, error) {
	return kms.CreateSigner(&kmsapi.CreateSignerRequest{SigningKey: object})
}
