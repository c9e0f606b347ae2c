// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Keys, and operations with them.
func keyBehaviours() []behaviour {
	return []behaviour{
		{"private-keys-hide", "§4.4 CKA_PRIVATE", 0, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			keys, err := p.privateKeys(s)
			if err != nil {
				return err
			}
			return holds(len(keys) == 0, "%d private keys show to who isn't logged in", len(keys))
		}},
		{"private-keys-show", "§5.7 C_FindObjects", 0, func(p *probe) error {
			_, _, _, err := p.signer()
			return err
		}},
		{"search-without-match", "§5.7 C_FindObjects", 0, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			found, err := p.lib.Find(s, []cryptoki.Attribute{{Type: cryptoki.AttrLabel, Value: []byte("a label that no object has")}})
			if err != nil {
				return err
			}
			return holds(len(found) == 0, "%d objects", len(found))
		}},
		{"private-key-stays", "§4.9 CKA_SENSITIVE", 0, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			_, err = p.lib.Attributes(s, key, secretOf(m))
			return is(err, cryptoki.AttributeSensitive, cryptoki.AttributeTypeInvalid)
		}},
		{"sign-without-init", "§5.11 C_Sign", 0, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			_, err = p.lib.Sign(s, make([]byte, 32))
			return is(err, operationNotInit)
		}},
		{"sign-init-twice", "§5.11 C_SignInit", 0, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			if err := p.lib.SignInit(s, m, key); err != nil {
				return err
			}
			return is(p.lib.SignInit(s, m, key), operationActive)
		}},
		{"sign-unknown-mechanism", "§5.11 C_SignInit", 0, func(p *probe) error {
			s, key, _, err := p.signer()
			if err != nil {
				return err
			}
			return is(p.lib.SignInit(s, cryptoki.Mechanism{Type: unlikely}, key), cryptoki.MechanismInvalid)
		}},
		{"sign-ends-the-operation", "§5.11 C_Sign", 0, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			for range 2 {
				if err := p.sign(s, m, key); err != nil {
					return err
				}
			}
			_, err = p.lib.Sign(s, make([]byte, 32))
			return is(err, operationNotInit)
		}},
		{"operations-of-two-sessions", "§5.6 C_OpenSession", 0, func(p *probe) error {
			a, key, m, err := p.signer()
			if err != nil {
				return err
			}
			b, err := p.session()
			if err != nil {
				return err
			}
			if err := p.lib.SignInit(a, m, key); err != nil {
				return err
			}
			if err := p.sign(b, m, key); err != nil {
				return err
			}
			_, err = p.lib.Sign(a, make([]byte, 32))
			return err
		}},
		{"handle-dies-with-the-login", "§5.6 C_Logout", 0, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			if err := p.lib.Logout(s); err != nil {
				return err
			}
			return is(p.lib.SignInit(s, m, key), cryptoki.UserNotLoggedIn, cryptoki.KeyHandleInvalid, cryptoki.ObjectHandleInvalid)
		}},
		{"signature-encoding", "§2.3.1, §2.1.6 (mechanisms)", 0, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			public, err := p.publicOf(s, key)
			if err != nil {
				return err
			}
			return p.signRaw(s, m, key, public)
		}},
		{"sessions-sign-in-parallel", "§5.4 CKF_OS_LOCKING_OK", 0, (*probe).parallel},
		{"public-keys-and-encodings", "§2.3.3 CKA_EC_POINT (mechanisms)", 0, func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error {
				keys, err := c.Keys(ctx)
				if err != nil {
					return err
				}
				return holds(len(keys) > 0, "no public key that can be read")
			})
		}},
		{"signatures-verify", "§2.1.6, §2.3.6 (mechanisms)", 0, func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error {
				if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
					return err
				}
				return errors.Join(verifies(ctx, c), c.Logout(ctx))
			})
		}},
	}
}

// privateKeys are those that a session sees.
func (p *probe) privateKeys(s cryptoki.Session) ([]cryptoki.Object, error) {
	return p.lib.Find(s, []cryptoki.Attribute{cryptoki.Ulong(cryptoki.AttrClass, cryptoki.ClassPrivateKey), cryptoki.Bool(cryptoki.AttrToken, true)})
}

// signer is a session that is logged in, a private key that asks no more, and
// its mechanism for a digest.
func (p *probe) signer() (cryptoki.Session, cryptoki.Object, cryptoki.Mechanism, error) {
	var m cryptoki.Mechanism
	s, err := p.user()
	if err != nil {
		return 0, 0, m, err
	}
	keys, err := p.privateKeys(s)
	if err != nil {
		return 0, 0, m, err
	}
	for _, key := range keys {
		kind, err := p.lib.Attributes(s, key, cryptoki.AttrKeyType)
		if err != nil {
			return 0, 0, m, err
		}
		always, err := p.lib.Attributes(s, key, cryptoki.AttrAlwaysAuthenticate)
		if err == nil && bytes.ContainsAny(always[0], "\x01") {
			continue
		}
		switch {
		case bytes.Equal(kind[0], cryptoki.Ulong(0, cryptoki.KeyEC).Value):
			return s, key, cryptoki.Mechanism{Type: cryptoki.MechECDSA}, nil
		case bytes.Equal(kind[0], cryptoki.Ulong(0, cryptoki.KeyRSA).Value):
			return s, key, cryptoki.Mechanism{Type: cryptoki.MechRSAPKCS}, nil
		}
	}
	return 0, 0, m, errors.New("no private key of RSA or EC shows")
}

func (p *probe) sign(s cryptoki.Session, m cryptoki.Mechanism, key cryptoki.Object) error {
	if err := p.lib.SignInit(s, m, key); err != nil {
		return err
	}
	_, err := p.lib.Sign(s, make([]byte, 32))
	return err
}

// publicOf is the public key of a private one, by its CKA_ID.
func (p *probe) publicOf(s cryptoki.Session, key cryptoki.Object) (public crypto.PublicKey, err error) {
	id, err := p.lib.Attributes(s, key, cryptoki.AttrID)
	if err != nil {
		return nil, err
	}
	err = p.withCard(func(ctx context.Context, c *card.Card) error {
		k, err := c.Key(ctx, card.KeySelector{ID: id[0]})
		if err == nil {
			public = k.Public()
		}
		return err
	})
	return public, err
}

// signRaw signs as the module does and looks at what it gives: r and s of the
// same length, or a block as long as the modulus.
func (p *probe) signRaw(s cryptoki.Session, m cryptoki.Mechanism, key cryptoki.Object, public crypto.PublicKey) error {
	data := sha256.Sum256([]byte("what is signed"))
	if err := p.lib.SignInit(s, m, key); err != nil {
		return err
	}
	signature, err := p.lib.Sign(s, data[:])
	if err != nil {
		return err
	}
	good := false
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		n := (public.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*n {
			return fmt.Errorf("%d bytes instead of r and s of %d each", len(signature), n)
		}
		good = ecdsa.Verify(public, data[:], new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:]))
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(public, 0, data[:], signature) == nil
	}
	return holds(good, "the signature of %d bytes doesn't verify", len(signature))
}

// parallel signs in several sessions at once.
func (p *probe) parallel() error {
	first, key, m, err := p.signer()
	if err != nil {
		return err
	}
	public, err := p.publicOf(first, key)
	if err != nil {
		return err
	}
	const threads, each = 4, 4
	sessions, err := p.several(threads)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	failed := make(chan error, threads)
	for _, s := range sessions {
		all.Go(func() {
			for range each {
				if err := p.signRaw(s, m, key, public); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

// withCard is the card as package card has it.
func (p *probe) withCard(do func(context.Context, *card.Card) error) error {
	m, err := card.Open(card.Config{Module: p.Path, InitArgs: p.InitArgs})
	if err != nil {
		return err
	}
	ctx := context.Background()
	c, err := m.Card(ctx, card.Selector{Serial: p.Serial, Label: p.label})
	if err == nil {
		// Keys may want the PIN for each signature.
		c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return bytes.Clone(p.PIN), nil })
		err = do(ctx, c)
	}
	return errors.Join(err, m.Close())
}

// verifies has each key sign, and the standard library verify it.
func verifies(ctx context.Context, c *card.Card) error {
	keys, err := c.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := signed(ctx, k); err != nil && !errors.Is(err, card.ErrNotFound) { // somebody else's certificate
			return err
		}
	}
	return nil
}

// signingKey is a key whose private part is on the card, with its holder logged
// in.
func (p *probe) signingKey(ctx context.Context, c *card.Card) (*card.Key, error) {
	if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
		return nil, err
	}
	keys, err := c.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if err := signed(ctx, k); !errors.Is(err, card.ErrNotFound) {
			return k, err
		}
	}
	return nil, errors.New("no key that can sign")
}

// signed has a key sign, and the standard library verify it.
func signed(ctx context.Context, k *card.Key) error {
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := k.SignContext(ctx, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	good := true
	switch public := k.Public().(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(public, digest[:], signature)
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	return holds(good, "the signature of key %x doesn't verify", k.ID())
}
