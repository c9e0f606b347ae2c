// SPDX-License-Identifier: Apache-2.0

package alonetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"

	virtual "github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/wardkey-sdk/wardkey/careid"
)

// Key is a virtual authenticator in a browser: one that is plugged in, or the
// computer's own.
type Key struct {
	p  Person
	id virtual.AuthenticatorID
}

// NewKey gives the browser one that verifies its user.
func (p Person) NewKey(transport virtual.AuthenticatorTransport) Key {
	p.T.Helper()
	if _, err := chromedp.Call(p.Tab, virtual.Enable, virtual.EnableParams{}); err != nil {
		p.T.Fatal(err)
	}
	added, err := chromedp.Call(p.Tab, virtual.AddVirtualAuthenticator, virtual.AddVirtualAuthenticatorParams{Options: &virtual.VirtualAuthenticatorOptions{
		Protocol: virtual.AuthenticatorProtocolCtap2, Ctap2version: virtual.Ctap2versionCtap21, Transport: transport,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		p.T.Fatal(err)
	}
	return Key{p, added.AuthenticatorID}
}

// Remove unplugs it.
func (k Key) Remove() {
	k.p.T.Helper()
	_, err := chromedp.Call(k.p.Tab, virtual.RemoveVirtualAuthenticator, virtual.RemoveVirtualAuthenticatorParams{AuthenticatorID: k.id})
	if err != nil {
		k.p.T.Fatal(err)
	}
}

// making has the page's browser make a key for nobody, to see how it attests.
const making = `navigator.credentials.create({ publicKey: {
	rp: { id: location.hostname, name: "x" }, user: { id: new Uint8Array(16), name: "x", displayName: "x" }, challenge: new Uint8Array(32),
	pubKeyCredParams: [{ type: "public-key", alg: -7 }], attestation: "direct" } })
	.then((made) => Array.from(new Uint8Array(made.response.attestationObject), (b) => b.toString(16).padStart(2, "0")).join(""))`

// Models is a file's text that approves the browser's own authenticators, as one
// kind. The key by which all of Chromium's attest is the same; its certificate
// signs itself without being an authority's, so that one is made for it here. The
// page has to be one at localhost.
func (p Person) Models(kind careid.AuthenticatorKind) []byte {
	p.T.Helper()
	key := p.NewKey(virtual.AuthenticatorTransportUsb)
	defer key.Remove()
	object, err := hex.DecodeString(p.Eval(making))
	at := bytes.Index(object, []byte{0x30, 0x82}) // x5c holds the first DER of some length that is in there
	if err != nil || at < 0 {
		p.T.Fatalf("the browser made no key: %v", err)
	}
	var first asn1.RawValue
	if _, err = asn1.Unmarshal(object[at:], &first); err != nil {
		p.T.Fatal(err)
	}
	batch, err := x509.ParseCertificate(first.FullBytes)
	if err != nil {
		p.T.Fatal(err)
	}
	maker, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.T.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: batch.SerialNumber, RawSubject: batch.RawSubject, NotBefore: batch.NotBefore, NotAfter: batch.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		DNSNames: []string{"not the batch's certificate"}, // which crypto/x509 would take it for, by name and key
	}
	root, err := x509.CreateCertificate(rand.Reader, authority, authority, batch.PublicKey, maker)
	if err != nil {
		p.T.Fatal(err)
	}
	text, err := json.Marshal([]map[string]any{{
		"aaguid": "01020304-0506-0708-0102-030405060708", "name": "Chromium's own", "kind": kind,
		"roots":  []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}))},
		"source": map[string]string{"document": "Chromium, virtual authenticators", "date": "2026-11-22"},
	}})
	if err != nil {
		p.T.Fatal(err)
	}
	return text
}
