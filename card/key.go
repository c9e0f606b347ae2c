// SPDX-License-Identifier: Apache-2.0

package card

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Algorithm is a kind of key pair.
type Algorithm int

// The algorithms that GenerateKey knows.
const (
	P256 Algorithm = iota + 1
	P384
	RSA2048
	RSA3072
)

// KeySpec is a key pair to be made.
type KeySpec struct {
	ID        []byte // CKA_ID, 1 to 32 bytes, not yet on the card
	Label     string // CKA_LABEL
	Algorithm Algorithm
	// AlwaysAuthenticate makes the card want the PIN for each signature, which
	// the Prompter is asked for. Not every card does.
	AlwaysAuthenticate bool
}

// KeySelector says which key is meant; empty fields match any.
type KeySelector struct {
	ID     []byte
	Label  string
	Public crypto.PublicKey // for example a certificate's
}

// Key is a key pair whose private part never leaves the card. It is a
// crypto.Signer and a crypto.MessageSigner, safe for concurrent use, and stays
// usable when the card is pulled and inserted again: it finds the private key
// anew, by its id, on the card of the same serial, if that card holds the same
// public key.
type Key struct {
	card   *Card
	id     []byte
	label  string
	public crypto.PublicKey

	// Where the private key was found, and how; guarded by the token's lock.
	private cryptoki.Object
	always  bool // CKA_ALWAYS_AUTHENTICATE
	epoch   uint64
	ways    [schemes]int // where the card's first way of each scheme is
}

// Public is the key's *ecdsa.PublicKey or *rsa.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.public }

// ID is the key's CKA_ID.
func (k *Key) ID() []byte { return bytes.Clone(k.id) }

// Label is the key's CKA_LABEL.
func (k *Key) Label() string { return k.label }

// Keys lists the key pairs of which the card shows a public key or a
// certificate. It needs no login; whether the private key is there shows when it
// signs.
func (c *Card) Keys(ctx context.Context) ([]*Key, error) {
	var keys []*Key
	err := c.read(ctx, "keys", func(lib *cryptoki.Lib, s cryptoki.Session) error {
		all, err := publicKeys(ctx, lib, s)
		keys = keys[:0]
		for _, f := range all {
			keys = append(keys, &Key{card: c, id: f.id, label: f.label, public: f.public})
		}
		return err
	})
	return keys, err
}

// Key finds one key pair, without a login. ErrNotFound: none matches.
// ErrAmbiguous: more than one does.
func (c *Card) Key(ctx context.Context, sel KeySelector) (*Key, error) {
	keys, err := c.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var match *Key
	for _, k := range keys {
		if len(sel.ID) > 0 && !bytes.Equal(sel.ID, k.id) ||
			sel.Label != "" && sel.Label != k.label ||
			sel.Public != nil && !publicEqual(k.public, sel.Public) {
			continue
		}
		if match != nil {
			return nil, ErrAmbiguous
		}
		match = k
	}
	if match == nil {
		return nil, ErrNotFound
	}
	return match, nil
}

// GenerateKey makes a key pair on the card, which never leaves it: sensitive,
// not extractable, for signing only. It needs a login. ErrExists: the card has a
// key of this id, or one half of it; where that is the public one, Key finds it.
// ErrUnsupported: the card doesn't make such keys, or the spec is none.
func (c *Card) GenerateKey(ctx context.Context, spec KeySpec) (*Key, error) {
	mechanism, public, err := spec.template()
	if err != nil {
		return nil, err
	}
	key := &Key{card: c, id: bytes.Clone(spec.ID), label: spec.Label}
	err = c.write(ctx, "generate key", true, func(lib *cryptoki.Lib, s cryptoki.Session) error {
		taken, err := keyObjects(lib, s, spec.ID)
		if err != nil {
			return err
		}
		if len(taken) > 0 {
			return ErrExists
		}
		pub, priv, err := lib.GenerateKeyPair(s, mechanism, public, spec.private())
		if err != nil {
			return err
		}
		f, err := readPublicKey(lib, s, pub)
		if err != nil {
			return err
		}
		key.always, err = alwaysAuthenticate(lib, s, priv)
		if err != nil {
			return err
		}
		if f.public == nil || spec.AlwaysAuthenticate && !key.always { // not what was asked for
			return errors.Join(ErrUnsupported, destroy(lib, s, []cryptoki.Object{priv, pub}))
		}
		key.public, key.private, key.epoch = f.public, priv, c.token.epoch
		return nil
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// template is the mechanism and the public key's attributes.
func (spec KeySpec) template() (uint, []cryptoki.Attribute, error) {
	if len(spec.ID) < 1 || len(spec.ID) > 32 {
		return 0, nil, ErrUnsupported
	}
	public := []cryptoki.Attribute{
		cryptoki.Bool(cryptoki.AttrToken, true), cryptoki.Bool(cryptoki.AttrPrivate, false), cryptoki.Bool(cryptoki.AttrVerify, true),
		{Type: cryptoki.AttrID, Value: spec.ID},
		{Type: cryptoki.AttrLabel, Value: []byte(spec.Label)},
	}
	rsa := func(bits uint) (uint, []cryptoki.Attribute, error) {
		return cryptoki.MechRSAKeyPairGen, append(public, cryptoki.Ulong(cryptoki.AttrModulusBits, bits),
			cryptoki.Attribute{Type: cryptoki.AttrPublicExponent, Value: []byte{1, 0, 1}}), nil
	}
	switch spec.Algorithm {
	case P256:
		return cryptoki.MechECKeyPairGen, append(public, cryptoki.Attribute{Type: cryptoki.AttrECParams, Value: oidP256}), nil
	case P384:
		return cryptoki.MechECKeyPairGen, append(public, cryptoki.Attribute{Type: cryptoki.AttrECParams, Value: oidP384}), nil
	case RSA2048:
		return rsa(2048)
	case RSA3072:
		return rsa(3072)
	}
	return 0, nil, ErrUnsupported
}

func (spec KeySpec) private() []cryptoki.Attribute {
	attributes := []cryptoki.Attribute{
		cryptoki.Bool(cryptoki.AttrToken, true), cryptoki.Bool(cryptoki.AttrPrivate, true), cryptoki.Bool(cryptoki.AttrSensitive, true),
		cryptoki.Bool(cryptoki.AttrExtractable, false), cryptoki.Bool(cryptoki.AttrSign, true),
		{Type: cryptoki.AttrID, Value: spec.ID},
		{Type: cryptoki.AttrLabel, Value: []byte(spec.Label)},
	}
	if spec.AlwaysAuthenticate {
		attributes = append(attributes, cryptoki.Bool(cryptoki.AttrAlwaysAuthenticate, true))
	}
	return attributes
}

// Delete takes the key pair and the certificates of its public key off the
// card. It needs a login. The public key goes last: it is what Key finds, so that
// a repeated Delete finishes one that was cut short, in another process too.
func (k *Key) Delete(ctx context.Context) error {
	return k.card.write(ctx, "delete key", true, func(lib *cryptoki.Lib, s cryptoki.Session) error {
		certificates, err := readCertificates(ctx, lib, s)
		if err != nil {
			return err
		}
		var objects []cryptoki.Object
		for _, c := range certificates {
			if publicEqual(c.X509.PublicKey, k.public) {
				objects = append(objects, c.object)
			}
		}
		keys, err := keyObjects(lib, s, k.id)
		if err != nil {
			return err
		}
		return destroy(lib, s, append(objects, keys...))
	})
}

// CertificateRequest makes a PKCS#10 request for the key, signed on the card
// (RFC 2986). The template is x509.CreateCertificateRequest's. It needs a login.
func (k *Key) CertificateRequest(ctx context.Context, template *x509.CertificateRequest) (*x509.CertificateRequest, error) {
	der, err := x509.CreateCertificateRequest(nil, template, contextSigner{k, ctx})
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}

// contextSigner is the key for a standard library call that takes no context.
type contextSigner struct {
	key *Key
	ctx context.Context
}

func (s contextSigner) Public() crypto.PublicKey { return s.key.public }
func (s contextSigner) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.SignMessageContext(s.ctx, message, opts)
}

func (s contextSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.SignContext(s.ctx, digest, opts)
}
