// SPDX-License-Identifier: Apache-2.0

package card

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Certificate is a certificate on the card. The card doesn't vouch for it: who
// uses it verifies it.
type Certificate struct {
	ID    []byte // CKA_ID, the key's
	Label string
	X509  *x509.Certificate

	object cryptoki.Object // valid only in the call that found it
}

// Certificates reads the certificates on the card, without a login.
func (c *Card) Certificates(ctx context.Context) ([]Certificate, error) {
	var all []Certificate
	err := c.read(ctx, "certificates", func(lib *cryptoki.Lib, s cryptoki.Session) (err error) {
		all, err = readCertificates(ctx, lib, s)
		return err
	})
	return all, err
}

// StoreCertificate writes a certificate beside the key whose public key it
// holds, under that key's id and the label given. The new one is written before
// older ones of the key are taken away, so that the key is never without. A
// certificate that is there already, byte for byte, is left. It needs a login.
// ErrMismatch: no key on this card has the certificate's public key.
func (c *Card) StoreCertificate(ctx context.Context, cert *x509.Certificate, label string) error {
	return c.write(ctx, "store certificate", true, func(lib *cryptoki.Lib, s cryptoki.Session) error {
		id, err := keyOf(ctx, lib, s, cert)
		if err != nil {
			return err
		}
		all, err := readCertificates(ctx, lib, s)
		if err != nil {
			return err
		}
		stored := false
		var older []cryptoki.Object
		for _, c := range all {
			switch {
			case !bytes.Equal(c.ID, id) || !publicEqual(c.X509.PublicKey, cert.PublicKey):
				// Another key's, or an issuer's that was put beside this key.
			case c.X509.Equal(cert):
				stored = true
			default:
				older = append(older, c.object)
			}
		}
		if !stored {
			template, err := certificateTemplate(cert, id, label)
			if err != nil {
				return err
			}
			if _, err := lib.CreateObject(s, template); err != nil {
				return err
			}
		}
		return destroy(lib, s, older)
	})
}

// keyOf is the id of the private key that a certificate belongs to.
func keyOf(ctx context.Context, lib *cryptoki.Lib, s cryptoki.Session, cert *x509.Certificate) ([]byte, error) {
	all, err := publicKeys(ctx, lib, s)
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		if !publicEqual(k.public, cert.PublicKey) {
			continue
		}
		if _, err := privateKey(lib, s, k.id); err != ErrNotFound {
			return k.id, err
		}
	}
	return nil, ErrMismatch
}

func certificateTemplate(cert *x509.Certificate, id []byte, label string) ([]cryptoki.Attribute, error) {
	serial, err := asn1.Marshal(cert.SerialNumber)
	if err != nil {
		return nil, err
	}
	return []cryptoki.Attribute{
		cryptoki.Ulong(cryptoki.AttrClass, cryptoki.ClassCertificate), cryptoki.Bool(cryptoki.AttrToken, true), cryptoki.Bool(cryptoki.AttrPrivate, false),
		cryptoki.Ulong(cryptoki.AttrCertificateType, cryptoki.CertificateX509),
		{Type: cryptoki.AttrID, Value: id},
		{Type: cryptoki.AttrLabel, Value: []byte(label)},
		{Type: cryptoki.AttrSubject, Value: cert.RawSubject},
		{Type: cryptoki.AttrIssuer, Value: cert.RawIssuer},
		{Type: cryptoki.AttrSerialNumber, Value: serial},
		{Type: cryptoki.AttrValue, Value: cert.Raw},
	}, nil
}
