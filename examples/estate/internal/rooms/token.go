// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package rooms

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/miekg/pkcs11"
)

const tokenLabel = "estate-issuing"

// prepareToken makes the SoftHSM token that holds the issuing key, where it
// doesn't exist yet. SoftHSM reads where its tokens are from SOFTHSM2_CONF, so
// one process has one such folder at a time.
func prepareToken(module, dir string, soPIN, pin []byte) error {
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens)
	if err := replaceFile(conf, []byte(text)); err != nil {
		return err
	}
	if err := os.Setenv("SOFTHSM2_CONF", conf); err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	p := pkcs11.New(module)
	if p == nil {
		return fmt.Errorf("estate: %s can't be loaded as a PKCS#11 module", module)
	}
	defer p.Destroy()
	if err := p.Initialize(); err != nil {
		return fmt.Errorf("estate: SoftHSM: %w", err)
	}
	defer func() { _ = p.Finalize() }() // the signer opens it again for itself
	return initToken(p, soPIN, pin)
}

func initToken(p *pkcs11.Ctx, soPIN, pin []byte) error {
	slots, err := p.GetSlotList(true)
	if err != nil {
		return fmt.Errorf("estate: SoftHSM: %w", err)
	}
	var free *uint
	for _, slot := range slots {
		info, err := p.GetTokenInfo(slot)
		if err != nil {
			return fmt.Errorf("estate: SoftHSM: %w", err)
		}
		if info.Label == tokenLabel && info.Flags&pkcs11.CKF_USER_PIN_INITIALIZED != 0 {
			return nil
		}
		if info.Label == tokenLabel || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			free = &slot // also one that a stop left half made
		}
	}
	if free == nil {
		return fmt.Errorf("estate: SoftHSM has no free slot for the issuing key")
	}
	if err := p.InitToken(*free, string(soPIN), tokenLabel); err != nil {
		return fmt.Errorf("estate: making the token of the issuing key: %w", err)
	}
	session, err := p.OpenSession(*free, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("estate: making the token of the issuing key: %w", err)
	}
	if err = p.Login(session, pkcs11.CKU_SO, string(soPIN)); err == nil {
		err = p.InitPIN(session, string(pin))
	}
	if closed := p.CloseSession(session); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("estate: making the token of the issuing key: %w", err)
	}
	return nil
}
