// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// The same Key signs before its card is pulled and after it is back, whatever
// the module; crypto11 has the same done to it.
func TestPulledAndReinserted(t *testing.T) {
	t.Run("softhsm", func(t *testing.T) {
		claim(t, "SoftHSM under the shim", virtual(t))
	})
	t.Run("nss", func(t *testing.T) {
		claim(t, "NSS softokn under the shim", shimmed(t, nss(t)))
	})
	t.Run("opencryptoki", func(t *testing.T) {
		need.Tool(t, "opencryptoki")
		apart(t, "opencryptoki", func(t *testing.T) {
			claim(t, "opencryptoki under the shim", shimmed(t, opencryptoki(t)))
		})
	})
	t.Run("p11-kit", func(t *testing.T) {
		claim(t, "p11-kit's client, its server killed", p11kit(t))
	})
	t.Run("opensc", func(t *testing.T) {
		need.Tool(t, "opensc")
		apart(t, "opensc", func(t *testing.T) {
			claim(t, "OpenSC on pcscd", opensc(t))
		})
	})
}

// virtual is cardtest's own card.
func virtual(t *testing.T) subject {
	t.Helper()
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{Keys: keys(card.P256, card.RSA2048)})
	require.NoError(t, err)
	return inTray(tray, subject{serial: serial, pin: []byte("123456"), so: []byte("87654321")})
}

// claim pulls the card of a key and puts it back. Should crypto11 learn it, the
// claim is no longer one.
func claim(t *testing.T, lane string, s subject) {
	t.Helper()
	require.NoError(t, s.pulled(t))
	theirs := s.crypto11Pulled(t)
	require.Error(t, theirs, "crypto11 signs again: README says that it doesn't")
	t.Logf("claim 2: %s: wardkey signs again; crypto11: %v", lane, theirs)
}

// pulled has one Key of package card sign before, while the card is out, and
// after.
func (s *subject) pulled(t *testing.T) error {
	t.Helper()
	ctx := t.Context()
	m, c := s.open(t)
	defer func() { require.NoError(t, m.Close()) }()
	asked := 0
	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
		asked++
		return bytes.Clone(s.pin), nil
	})
	key, err := c.Key(ctx, card.KeySelector{ID: []byte{1}})
	require.NoError(t, err)
	require.NoError(t, c.Login(ctx, s.pin, card.LoginOptions{}))
	if err := signs(key); err != nil {
		return err
	}
	for range 2 { // a card comes and goes more than once
		require.NoError(t, s.remove())
		asked = 0
		// What is only read, OpenSC gives from memory until it looks at its reader,
		// which it does once a second.
		require.Eventually(t, func() bool {
			_, err := c.Keys(ctx)
			return errors.Is(err, card.ErrRemoved)
		}, 20*time.Second, 10*time.Millisecond)
		_, err := c.Certificates(ctx)
		require.ErrorIs(t, err, card.ErrRemoved)
		out := signs(key)
		require.ErrorIs(t, out, card.ErrRemoved)
		require.NotErrorIs(t, out, card.ErrWrongPIN)
		require.Zero(t, asked, "nobody is asked for the PIN of a card that is out")
		require.NoError(t, s.insert())
		for range 3 {
			if err := signs(key); err != nil {
				return fmt.Errorf("after it was put back: %w", err)
			}
		}
		require.Equal(t, 1, asked)
	}
	return c.Logout(ctx)
}

// events come from a reader, one for each time that the card comes or goes.
func (s *subject) events(t *testing.T) {
	m, _ := s.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next, stop := iter.Pull(m.Events(ctx))
	defer stop()
	expect := func(kind card.Kind) {
		t.Helper()
		e, more := next()
		require.True(t, more)
		require.Equal(t, kind, e.Kind)
		require.Equal(t, s.serial, e.Serial)
	}
	expect(card.Inserted)
	for range 2 {
		require.NoError(t, s.remove())
		expect(card.Removed)
		require.NoError(t, s.insert())
		expect(card.Inserted)
	}
}

// crypto11Pulled is what a key of crypto11 answers after the card was put back,
// nil if it signs.
func (s *subject) crypto11Pulled(t *testing.T) error {
	t.Helper()
	c, err := crypto11.Configure(&crypto11.Config{Path: s.config.Module, TokenSerial: s.serial, Pin: string(s.pin)})
	require.NoError(t, err)
	defer func() { _ = c.Close() }() // of a session that is gone, it says so
	key, err := c.FindKeyPair([]byte{1}, nil)
	require.NoError(t, err)
	require.NotNil(t, key)
	require.NoError(t, signs(key))
	require.NoError(t, s.remove())
	require.Error(t, signs(key))
	require.NoError(t, s.insert())
	for range 5 {
		if err = signs(key); err == nil {
			return nil
		}
	}
	return err
}

// signs makes a signature and has the standard library verify it.
func signs(key crypto.Signer) error {
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	switch public := key.Public().(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(public, digest[:], signature) {
			return nil
		}
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
	}
	return errors.New("the signature doesn't verify")
}
