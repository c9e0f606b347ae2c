// SPDX-License-Identifier: Apache-2.0

package card

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// publicEqual compares two public keys of the standard library.
func publicEqual(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// class is a search template for one class of objects on the card.
func class(c uint, more ...cryptoki.Attribute) []cryptoki.Attribute {
	return append([]cryptoki.Attribute{cryptoki.Ulong(cryptoki.AttrClass, c), cryptoki.Bool(cryptoki.AttrToken, true)}, more...)
}

// found is a public key on the card with its names.
type found struct {
	id     []byte
	label  string
	public crypto.PublicKey
}

// publicKeys reads the keys that the card knows the public part of: from public
// key objects, and from certificates, because some cards keep no other trace.
func publicKeys(ctx context.Context, lib *cryptoki.Lib, s cryptoki.Session) ([]found, error) {
	objects, err := lib.Find(s, class(cryptoki.ClassPublicKey))
	if err != nil {
		return nil, err
	}
	var all []found
	for _, o := range objects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k, err := readPublicKey(lib, s, o)
		switch {
		case unreadable(err): // some other application's
		case err != nil:
			return nil, err
		case k.public != nil:
			all = append(all, k)
		}
	}
	certificates, err := readCertificates(ctx, lib, s)
	if err != nil {
		return nil, err
	}
	for _, c := range certificates {
		if !known(all, c) {
			all = append(all, found{c.ID, c.Label, c.X509.PublicKey})
		}
	}
	return all, nil
}

func known(all []found, c Certificate) bool {
	for _, k := range all {
		if bytes.Equal(k.id, c.ID) && publicEqual(k.public, c.X509.PublicKey) {
			return true
		}
	}
	return false
}

// readPublicKey reads one public key object; public is nil for a kind of key
// that this SDK doesn't sign with.
func readPublicKey(lib *cryptoki.Lib, s cryptoki.Session, o cryptoki.Object) (found, error) {
	v, err := lib.Attributes(s, o, cryptoki.AttrID, cryptoki.AttrLabel, cryptoki.AttrKeyType)
	if err != nil {
		return found{}, err
	}
	k := found{id: v[0], label: string(v[1])}
	switch {
	case bytes.Equal(v[2], cryptoki.Ulong(0, cryptoki.KeyEC).Value):
		if v, err = lib.Attributes(s, o, cryptoki.AttrECParams, cryptoki.AttrECPoint); err == nil {
			if public, err := ecPublicKey(v[0], v[1]); err == nil {
				k.public = public
			}
		}
	case bytes.Equal(v[2], cryptoki.Ulong(0, cryptoki.KeyRSA).Value):
		if v, err = lib.Attributes(s, o, cryptoki.AttrModulus, cryptoki.AttrPublicExponent); err == nil {
			k.public = rsaPublicKey(v[0], v[1])
		}
	}
	return k, err
}

// readCertificates reads the X.509 certificates; one that Go can't parse is left
// out, because a card may hold others' objects.
func readCertificates(ctx context.Context, lib *cryptoki.Lib, s cryptoki.Session) ([]Certificate, error) {
	objects, err := lib.Find(s, class(cryptoki.ClassCertificate, cryptoki.Ulong(cryptoki.AttrCertificateType, cryptoki.CertificateX509)))
	if err != nil {
		return nil, err
	}
	var all []Certificate
	for _, o := range objects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := lib.Attributes(s, o, cryptoki.AttrID, cryptoki.AttrLabel, cryptoki.AttrValue)
		if unreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if parsed, err := x509.ParseCertificate(v[2]); err == nil {
			all = append(all, Certificate{ID: v[0], Label: string(v[1]), X509: parsed, object: o})
		}
	}
	return all, nil
}

// keyObjects are the private and then the public keys of an id; the private ones
// show to who is logged in.
func keyObjects(lib *cryptoki.Lib, s cryptoki.Session, id []byte) ([]cryptoki.Object, error) {
	var all []cryptoki.Object
	for _, c := range []uint{cryptoki.ClassPrivateKey, cryptoki.ClassPublicKey} {
		some, err := lib.Find(s, class(c, cryptoki.Attribute{Type: cryptoki.AttrID, Value: id}))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// privateKey finds the private key of an id; it needs a login.
func privateKey(lib *cryptoki.Lib, s cryptoki.Session, id []byte) (cryptoki.Object, error) {
	objects, err := lib.Find(s, class(cryptoki.ClassPrivateKey, cryptoki.Attribute{Type: cryptoki.AttrID, Value: id}))
	switch {
	case err != nil:
		return 0, err
	case len(objects) == 0:
		return 0, ErrNotFound
	case len(objects) > 1:
		return 0, ErrAmbiguous
	}
	return objects[0], nil
}

// alwaysAuthenticate is whether a private key wants the PIN for each signature;
// a card without the attribute has no such keys (PKCS#11 v2.40 §4.9).
func alwaysAuthenticate(lib *cryptoki.Lib, s cryptoki.Session, private cryptoki.Object) (bool, error) {
	v, err := lib.Attributes(s, private, cryptoki.AttrAlwaysAuthenticate)
	if unreadable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return len(v[0]) == 1 && v[0][0] != 0, nil
}

// destroy takes objects off the card, in order.
func destroy(lib *cryptoki.Lib, s cryptoki.Session, objects []cryptoki.Object) error {
	for _, o := range objects {
		if err := lib.DestroyObject(s, o); err != nil {
			return err
		}
	}
	return nil
}
