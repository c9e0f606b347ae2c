// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// workstation is what the Examples run on: a virtual card with the NHS pair in
// one of two readers. In a program, module comes from card.Open with the path of
// the card maker's module.
type workstation struct {
	tray   *cardtest.Tray
	module *card.Module
	serial string
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	dir    string
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func newWorkstation() *workstation {
	w := &workstation{}
	var err error
	w.dir, err = os.MkdirTemp("", "tray")
	check(err)
	w.tray, err = cardtest.Open(cardtest.Config{Dir: w.dir})
	check(err)
	w.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	w.ca = w.certificate(&w.caKey.PublicKey, "An authority", x509.KeyUsageCertSign)
	w.serial, err = w.tray.Personalised(0, cardtest.Personal{
		PIN: []byte("482913"), SOPIN: []byte("90346182"),
		Certify: func(keys []*card.Key) ([]*x509.Certificate, error) {
			return []*x509.Certificate{
				w.certificate(keys[0].Public(), "Ana Nurse", x509.KeyUsageDigitalSignature),
				w.certificate(keys[1].Public(), "Ana Nurse", x509.KeyUsageContentCommitment),
			}, nil
		},
	})
	check(err)
	w.module, err = card.Open(card.Config{Module: w.tray.Module()})
	check(err)
	return w
}

func (w *workstation) close() {
	check(errors.Join(w.module.Close(), w.tray.Close(), os.RemoveAll(w.dir)))
}

// certificate is what an authority answers to a request.
func (w *workstation) certificate(public crypto.PublicKey, name string, usage x509.KeyUsage) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, KeyUsage: usage,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(3, 0, 0),
		IsCA: usage == x509.KeyUsageCertSign, BasicConstraintsValid: true,
	}
	parent := w.ca
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, w.caKey)
	check(err)
	c, err := x509.ParseCertificate(der)
	check(err)
	return c
}

// card is the card on the desk.
func (w *workstation) card() *card.Card {
	c, err := w.module.Card(context.Background(), card.Selector{Serial: w.serial})
	check(err)
	return c
}

// portal is a server that lets in who has a card of the authority, and greets
// them.
func (w *workstation) portal() *httptest.Server {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		_, err := answer.Write([]byte("Good morning, " + r.TLS.PeerCertificates[0].Subject.CommonName))
		check(err)
	}))
	people := x509.NewCertPool()
	people.AddCert(w.ca)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: people}
	server.StartTLS()
	return server
}
