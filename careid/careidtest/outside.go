// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// Outside is an issuer of cards elsewhere: a CA with OCSP and lists of its own over HTTP on loopback, on the hospital's
// Clock. Its cards are in memory.
type Outside struct {
	CA     *pkitest.CA
	Issuer careid.OutsideIssuer // as the Service was told of it

	hospital *Hospital
}

// open builds an outside issuer.
func (h *Hospital) open(name string) error {
	ca, verifier, err := h.publish()
	if err != nil {
		return err
	}
	h.Outside = append(h.Outside, &Outside{CA: ca, hospital: h, Issuer: careid.OutsideIssuer{
		Name: name, Contact: "the card office of " + name + ", 01632 960000",
		Verify: signingIn(verifier),
	}})
	return nil
}

// Verify is the word of an application that trusts the hospital's root, about a certificate for signing in: it asks over
// the wire, as TLSServer does.
func (h *Hospital) Verify(ctx context.Context, cert *x509.Certificate) error {
	return signingIn(h.network.verifier)(ctx, cert)
}

// signingIn gives a verifier the shape that careid asks for.
func signingIn(v *pki.Verifier) func(context.Context, *x509.Certificate) error {
	return func(ctx context.Context, cert *x509.Certificate) error {
		_, err := v.Verify(ctx, []*x509.Certificate{cert}, pki.PurposeAuthentication, time.Time{})
		return err
	}
}

func (h *Hospital) issuers() []careid.OutsideIssuer {
	var all []careid.OutsideIssuer
	for _, o := range h.Outside {
		all = append(all, o.Issuer)
	}
	return all
}

// Card makes a card of this issuer for a user id, with an SO PIN that the issuer alone knows.
func (o *Outside) Card(ctx context.Context, userID, name string) (*Card, error) {
	o.hospital.cards++
	c := &Card{
		Serial: fmt.Sprintf("%016d", 9000_0000_0000_0000+o.hospital.cards), Passcode: []byte(Passcode), SOPIN: []byte(rand.Text()),
	}
	return c, o.certify(ctx, c, userID, name)
}

// Renew gives a card of this issuer new keys and certificates, as the issuer does.
func (o *Outside) Renew(ctx context.Context, c *Card) error {
	subject := c.Certificates[0].Subject
	return o.certify(ctx, c, subject.SerialNumber, subject.CommonName)
}

func (o *Outside) certify(ctx context.Context, c *Card, userID, name string) error {
	var act [16]byte
	_, _ = rand.Read(act[:]) // never fails: it ends the program instead
	keys, csrs, err := pkitest.Requests()
	if err != nil {
		return err
	}
	certs, err := o.CA.Issue(ctx, hex.EncodeToString(act[:]), pkix.Name{CommonName: name, SerialNumber: userID}, csrs)
	if err != nil {
		return err
	}
	c.Keys, c.Certificates = keys, certs
	return nil
}

// Bind has the RA manager bind an outside card to a profile, its holder at the desk.
func (h *Hospital) Bind(ctx context.Context, profile string, c *Card) error {
	in, err := h.SignIn(ctx, h.RAManager.Card)
	if err != nil {
		return err
	}
	manager, err := h.Service.Actor(ctx, in.Token, careid.RAManager, Organisation)
	if err != nil {
		return err
	}
	act, err := h.Service.OpenAct(ctx, manager, careid.ActRequest{
		Kind: careid.Bind, Card: c.Serial, Profile: profile,
		Evidence: careid.Evidence{Kind: careid.ByCard, Document: "passport"},
	})
	if err != nil {
		return err
	}
	_, err = h.Answer(ctx, c, Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
	return err
}
