// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// ErrNoTools means that what the estate stands on is not installed.
var ErrNoTools = errors.New("SoftHSM and a C compiler are needed: `make demo` installs them, as does apt-get install softhsm2 build-essential")

// openAuthority takes up the root and the issuing CA, or makes them. The root's
// key is in a file under a passphrase and read only to make the issuing CA; the
// issuing key is made in SoftHSM and never leaves it.
func openAuthority(ctx context.Context, dir string, now func() time.Time) (*stepca.Authority, error) {
	module, err := need.Find("softhsm")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoTools, err)
	}
	token := filepath.Join(dir, "token")
	if err := os.MkdirAll(token, 0o700); err != nil {
		return nil, err
	}
	soPIN, err := secretText(dir, "token.so-pin", 8)
	if err != nil {
		return nil, err
	}
	defer clear(soPIN)
	pin := func() ([]byte, error) { return secretText(dir, "token.pin", 8) }
	first, err := pin()
	if err != nil {
		return nil, err
	}
	defer clear(first)
	if err := prepareToken(module, token, soPIN, first); err != nil {
		return nil, err
	}
	return stepca.Open(ctx, stepca.Config{
		Dir: dir, Passphrase: func() ([]byte, error) { return secretText(dir, "root.passphrase", 32) },
		IssuingKey:   stepca.PKCS11{Module: module, Token: tokenLabel, PIN: pin},
		Organization: "Wardkey demonstration", RootName: "Estate Root CA", IssuingName: "Estate Issuing CA",
		Now: now,
	})
}
