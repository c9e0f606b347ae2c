// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

// maker makes authenticators of one model: a root, and the certificate that a
// batch of them attests by.
type maker struct {
	model webauthn.Model
	key   *ecdsa.PrivateKey // of the batch
	chain [][]byte
}

// must is for what can't fail in a test or an Example.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newMaker makes one whose certificates live from 2020 to 2050: the library holds
// them against the machine's clock.
func newMaker(aaguid byte, kind careid.AuthenticatorKind, name string) *maker {
	id := [16]byte{0: aaguid, 15: aaguid}
	rootKey, root := selfSigned(name + " root")
	m := &maker{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter, BasicConstraintsValid: true,
		Subject:         pkix.Name{Country: []string{"GB"}, Organization: []string{"Ward Keys"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: name},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: must(asn1.Marshal(id[:]))}},
	}
	m.chain = [][]byte{must(x509.CreateCertificate(rand.Reader, leaf, root, m.key.Public(), rootKey))}
	m.model = webauthn.Model{
		AAGUID: id, Name: name, Kind: kind, Roots: []*x509.Certificate{root},
		Source: wardkey.Source{Document: "Approved authenticators", Date: "2025-12-01"},
	}
	return m
}

func selfSigned(name string) (*ecdsa.PrivateKey, *x509.Certificate) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	return key, must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, root, root, key.Public(), key))))
}

// device is an authenticator in somebody's hand, with the browser before it: one
// credential, made by virtualwebauthn and attested as its maker does.
type device struct {
	maker *maker
	auth  virtualwebauthn.Authenticator
	cred  virtualwebauthn.Credential
	rp    virtualwebauthn.RelyingParty

	// What goes wrong, where something does. edit sees what the browser and the
	// device are about to sign.
	edit   func(client map[string]any, data []byte) []byte
	attest func(data, clientHash []byte) (format string, statement map[string]any)
}

func (m *maker) device() *device {
	d := &device{maker: m, rp: virtualwebauthn.RelyingParty{ID: rpID, Origin: origin}}
	d.auth.Aaguid = m.model.AAGUID
	d.cred = newCredential()
	d.attest = m.packed
	return d
}

// newCredential makes a key whose coordinates have 32 bytes: virtualwebauthn drops
// leading zeros, which RFC 9053 §7.1.1 doesn't allow.
func newCredential() virtualwebauthn.Credential {
	for {
		c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		if len(c.Key.AttestationData()) == 77 {
			return c
		}
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(text string) []byte { return must(base64.RawURLEncoding.DecodeString(text)) }

// packed is a batch's full attestation. WebAuthn Level 2 §8.2.
func (m *maker) packed(data, clientHash []byte) (string, map[string]any) {
	sum := sha256.Sum256(append(append([]byte(nil), data...), clientHash...))
	x5c := []any{}
	for _, der := range m.chain {
		x5c = append(x5c, der)
	}
	return "packed", map[string]any{"alg": -7, "sig": must(ecdsa.SignASN1(rand.Reader, m.key, sum[:])), "x5c": x5c}
}

// answer is what browsers post.
type answer struct {
	ID       string            `json:"id"`
	RawID    string            `json:"rawId"`
	Type     string            `json:"type"`
	Response map[string]string `json:"response"`
}

// signed has the edit done on the client data and the authenticator's, and returns
// them with the hash of the first.
func (d *device) signed(clientJSON, data []byte) (client, auth, hash []byte) {
	if d.edit != nil {
		var members map[string]any
		if err := json.Unmarshal(clientJSON, &members); err != nil {
			panic(err)
		}
		data = d.edit(members, data)
		clientJSON = must(json.Marshal(members))
	}
	sum := sha256.Sum256(clientJSON)
	return clientJSON, data, sum[:]
}

// create answers a registration's options.
func (d *device) create(options []byte) json.RawMessage {
	o := must(virtualwebauthn.ParseAttestationOptions(string(options)))
	d.auth.Options.UserHandle = []byte(o.UserID)
	var a answer
	if err := json.Unmarshal([]byte(virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.cred, *o)), &a); err != nil {
		panic(err)
	}
	var object struct {
		Format    string         `cbor:"fmt"`
		Statement map[string]any `cbor:"attStmt"`
		AuthData  []byte         `cbor:"authData"`
	}
	if err := webauthncbor.Unmarshal(unb64(a.Response["attestationObject"]), &object); err != nil {
		panic(err)
	}
	client, data, hash := d.signed(unb64(a.Response["clientDataJSON"]), object.AuthData)
	object.AuthData = data
	if d.attest != nil {
		object.Format, object.Statement = d.attest(data, hash)
	}
	a.Response = map[string]string{"clientDataJSON": b64(client), "attestationObject": b64(must(webauthncbor.Marshal(object)))}
	return must(json.Marshal(a))
}

// get answers a sign-in's options. The counter goes up by one first.
func (d *device) get(options []byte) json.RawMessage {
	o := must(virtualwebauthn.ParseAssertionOptions(string(options)))
	d.cred.Counter++
	var a answer
	if err := json.Unmarshal([]byte(virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.cred, *o)), &a); err != nil {
		panic(err)
	}
	if d.edit != nil {
		client, data, hash := d.signed(unb64(a.Response["clientDataJSON"]), unb64(a.Response["authenticatorData"]))
		sum := sha256.Sum256(append(append([]byte(nil), data...), hash...))
		a.Response["clientDataJSON"], a.Response["authenticatorData"] = b64(client), b64(data)
		a.Response["signature"] = b64(must(d.cred.Key.Sign(sum[:])))
	}
	return must(json.Marshal(a))
}
