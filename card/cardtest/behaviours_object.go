// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Key pairs and certificates that are made on the card, and keys that want the
// PIN each time. What is made is deleted again.
func objectBehaviours() []behaviour {
	const makes = destructive | writing
	return []behaviour{
		{"key-pair-made", "§5.14 C_GenerateKeyPair", makes, func(p *probe) error {
			return p.withKey(false, func(ctx context.Context, c *card.Card, k *card.Key) error {
				found, err := c.Key(ctx, card.KeySelector{ID: k.ID()})
				if err != nil {
					return err
				}
				return errors.Join(holds(found.Label() == k.Label(), "label %q", found.Label()), verifies(ctx, c))
			})
		}},
		{"key-pair-deleted", "§5.7 C_DestroyObject", makes, func(p *probe) error {
			var id []byte
			err := p.withKey(false, func(_ context.Context, _ *card.Card, k *card.Key) error {
				id = k.ID()
				return nil
			})
			if err != nil {
				return err
			}
			s, err := p.user()
			if err != nil {
				return err
			}
			left, err := p.lib.Find(s, []cryptoki.Attribute{{Type: cryptoki.AttrID, Value: id}})
			if err != nil {
				return err
			}
			return holds(len(left) == 0, "%d objects are left", len(left))
		}},
		{"made-key-stays", "§4.9 CKA_SENSITIVE, CKA_EXTRACTABLE", makes, func(p *probe) error {
			return p.withKey(false, func(_ context.Context, _ *card.Card, k *card.Key) error {
				s, key, m, err := p.privateOf(k)
				if err != nil {
					return err
				}
				_, err = p.lib.Attributes(s, key, secretOf(m))
				return is(err, cryptoki.AttributeSensitive, cryptoki.AttributeTypeInvalid)
			})
		}},
		{"no-object-in-a-read-only-session", "§5.7 C_CreateObject", makes, func(p *probe) error {
			s, err := p.sessionOf(cryptoki.FlagSerialSession)
			if err != nil {
				return err
			}
			if err := p.lib.Login(s, cryptoki.UserNormal, p.PIN); err != nil {
				return err
			}
			made, err := p.lib.CreateObject(s, []cryptoki.Attribute{
				cryptoki.Ulong(cryptoki.AttrClass, 0), cryptoki.Bool(cryptoki.AttrToken, true), // CKO_DATA
				{Type: cryptoki.AttrLabel, Value: []byte("cardtest")}, {Type: cryptoki.AttrValue, Value: []byte("nothing")},
			})
			if err == nil {
				_ = p.lib.DestroyObject(s, made)
			}
			return is(err, cryptoki.SessionReadOnly)
		}},
		{"certificate-stored", "§4.6.3 X.509 certificates", makes, func(p *probe) error {
			return p.withKey(false, func(ctx context.Context, c *card.Card, k *card.Key) error {
				issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				if err != nil {
					return err
				}
				der, err := certificate(k.Public(), issuer)
				if err != nil {
					return err
				}
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					return err
				}
				if err := c.StoreCertificate(ctx, cert, "cardtest"); err != nil {
					return err
				}
				all, err := c.Certificates(ctx)
				if err != nil {
					return err
				}
				for _, stored := range all {
					if bytes.Equal(stored.X509.Raw, der) {
						return nil
					}
				}
				return errors.New("the certificate isn't there")
			})
		}},
		{"always-authenticate-asks", "§4.9 CKA_ALWAYS_AUTHENTICATE", makes | contextLogin, func(p *probe) error {
			return p.withAlways(func(s cryptoki.Session, key cryptoki.Object, m cryptoki.Mechanism) error {
				return is(p.sign(s, m, key), cryptoki.UserNotLoggedIn)
			})
		}},
		{"always-authenticate-signs", "§5.6 CKU_CONTEXT_SPECIFIC", makes | contextLogin, func(p *probe) error {
			return p.withAlways(func(s cryptoki.Session, key cryptoki.Object, m cryptoki.Mechanism) error {
				return p.signOnce(s, key, m, p.PIN)
			})
		}},
		{"always-authenticate-asks-again", "§4.9 CKA_ALWAYS_AUTHENTICATE", makes | contextLogin, func(p *probe) error {
			return p.withAlways(func(s cryptoki.Session, key cryptoki.Object, m cryptoki.Mechanism) error {
				if err := p.signOnce(s, key, m, p.PIN); err != nil {
					return err
				}
				return is(p.sign(s, m, key), cryptoki.UserNotLoggedIn)
			})
		}},
		{"always-authenticate-refuses", "§5.6 CKU_CONTEXT_SPECIFIC", makes | contextLogin, func(p *probe) error {
			return p.withAlways(func(s cryptoki.Session, key cryptoki.Object, m cryptoki.Mechanism) error {
				return is(p.signOnce(s, key, m, p.not(p.PIN)), cryptoki.PINIncorrect)
			})
		}},
		{"always-authenticate-counts", "§3.2 CKF_USER_PIN_COUNT_LOW", makes | contextLogin | pinFlags, func(p *probe) error {
			return p.withAlways(func(s cryptoki.Session, key cryptoki.Object, m cryptoki.Mechanism) error {
				if err := is(p.signOnce(s, key, m, p.not(p.PIN)), cryptoki.PINIncorrect); err != nil {
					return err
				}
				return p.flags(cryptoki.FlagUserPINCountLow|cryptoki.FlagUserPINFinalTry, true)
			})
		}},
	}
}

// withKey has a key pair of the kind that the card has, for the time of do, while
// the card's holder is logged in.
func (p *probe) withKey(always bool, do func(context.Context, *card.Card, *card.Key) error) error {
	return p.withCard(func(ctx context.Context, c *card.Card) error {
		keys, err := c.Keys(ctx)
		if err != nil {
			return err
		}
		spec := card.KeySpec{ID: make([]byte, 8), Label: "cardtest", Algorithm: card.P256, AlwaysAuthenticate: always}
		if len(keys) > 0 {
			if _, is := keys[0].Public().(*rsa.PublicKey); is {
				spec.Algorithm = card.RSA2048
			}
		}
		if _, err := rand.Read(spec.ID); err != nil {
			return err
		}
		if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
			return err
		}
		k, err := c.GenerateKey(ctx, spec)
		if err != nil {
			return err
		}
		err = do(ctx, c, k)
		p.rest() // sessions with an operation that nobody ends
		return errors.Join(err, p.forget(ctx, c, k), c.Logout(ctx))
	})
}

// forget deletes the key pair and its certificates; what do left may have logged
// the holder out, or spent a try.
func (p *probe) forget(ctx context.Context, c *card.Card, k *card.Key) error {
	if err := c.Login(ctx, p.PIN, card.LoginOptions{FinalTry: true}); err != nil {
		return err
	}
	return k.Delete(ctx)
}

// privateOf is the private key in a session of the suite's own. The login is the
// process's already, except with p11-kit's client, which takes each that loads it
// for another program.
func (p *probe) privateOf(k *card.Key) (cryptoki.Session, cryptoki.Object, cryptoki.Mechanism, error) {
	m := cryptoki.Mechanism{Type: cryptoki.MechECDSA}
	if _, is := k.Public().(*rsa.PublicKey); is {
		m.Type = cryptoki.MechRSAPKCS
	}
	s, err := p.user()
	if err != nil && codeOf(err) != cryptoki.UserAlreadyLoggedIn {
		return 0, 0, m, err
	}
	found, err := p.lib.Find(s, []cryptoki.Attribute{
		cryptoki.Ulong(cryptoki.AttrClass, cryptoki.ClassPrivateKey), {Type: cryptoki.AttrID, Value: k.ID()},
	})
	if err != nil {
		return 0, 0, m, err
	}
	if len(found) != 1 {
		return 0, 0, m, fmt.Errorf("%d private keys of the id %x", len(found), k.ID())
	}
	return s, found[0], m, nil
}

// withAlways has a key that wants the PIN for each signature.
func (p *probe) withAlways(do func(cryptoki.Session, cryptoki.Object, cryptoki.Mechanism) error) error {
	return p.withKey(true, func(_ context.Context, _ *card.Card, k *card.Key) error {
		s, key, m, err := p.privateOf(k)
		if err != nil {
			return err
		}
		return do(s, key, m)
	})
}

// signOnce signs with a key that wants the PIN for it.
func (p *probe) signOnce(s cryptoki.Session, key cryptoki.Object, m cryptoki.Mechanism, pin []byte) error {
	if err := p.lib.SignInit(s, m, key); err != nil {
		return err
	}
	if err := p.lib.Login(s, cryptoki.UserContextSpecific, pin); err != nil {
		return err
	}
	_, err := p.lib.Sign(s, make([]byte, 32))
	return err
}

// secretOf is the attribute that has the private part.
func secretOf(m cryptoki.Mechanism) uint {
	const privateExponent = 0x123 // CKA_PRIVATE_EXPONENT
	if m.Type == cryptoki.MechRSAPKCS {
		return privateExponent
	}
	return cryptoki.AttrValue
}
