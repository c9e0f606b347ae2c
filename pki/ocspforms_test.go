// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/wardkey-sdk/wardkey/pki"
)

type ocspID struct {
	Hash      pkix.AlgorithmIdentifier
	Name, Key []byte
	Serial    *big.Int
}

type ocspAsked struct {
	ID         ocspID
	Extensions []pkix.Extension `asn1:"optional,explicit,tag:0"`
}

type ocspForm struct {
	TBS struct {
		Version    int           `asn1:"optional,explicit,tag:0"`
		Requestor  asn1.RawValue `asn1:"optional,explicit,tag:1"`
		List       []ocspAsked
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:2"`
	}
}

// form is a request about certificates, to be bent.
func (h *house) form(certs ...*x509.Certificate) *ocspForm {
	h.t.Helper()
	f := &ocspForm{}
	for _, cert := range certs {
		der, err := ocsp.CreateRequest(cert, h.Chain()[0], &ocsp.RequestOptions{Hash: crypto.SHA256})
		require.NoError(h.t, err)
		var one ocspForm
		_, err = asn1.Unmarshal(der, &one)
		require.NoError(h.t, err)
		f.TBS.List = append(f.TBS.List, one.TBS.List...)
	}
	return f
}

func sized(n int) pkix.Extension {
	value, _ := asn1.Marshal(make([]byte, n)) // bytes always encode
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Value: value}
}

// contents reads what was signed in an answer.
func (h *house) contents(answer []byte) (about []ocspTold, extensions []pkix.Extension) {
	h.t.Helper()
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,tag:0"`
	}
	_, err := asn1.Unmarshal(answer, &outer)
	require.NoError(h.t, err)
	var basic struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0"`
	}
	_, err = asn1.Unmarshal(outer.Bytes.Response, &basic)
	require.NoError(h.t, err)
	signer, err := x509.ParseCertificate(basic.Certificates[0].FullBytes)
	require.NoError(h.t, err)
	require.NoError(h.t, signer.CheckSignatureFrom(h.Chain()[0]))
	require.NoError(h.t, signer.CheckSignature(x509.ECDSAWithSHA256, basic.Data.FullBytes, basic.Signature.Bytes))
	var data struct {
		Key        []byte    `asn1:"explicit,tag:2"`
		ProducedAt time.Time `asn1:"generalized"`
		About      []ocspTold
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:1"`
	}
	_, err = asn1.Unmarshal(basic.Data.FullBytes, &data)
	require.NoError(h.t, err)
	return data.About, data.Extensions
}

type ocspTold struct {
	ID         ocspID
	Status     asn1.RawValue
	ThisUpdate time.Time `asn1:"generalized"`
	NextUpdate time.Time `asn1:"generalized,explicit,tag:0"`
}

func (h *house) askForm(f *ocspForm) ([]ocspTold, []pkix.Extension) {
	h.t.Helper()
	der, err := asn1.Marshal(*f)
	require.NoError(h.t, err)
	return h.contents(h.ask(der))
}

// A nonce comes back, in an answer that is nobody else's and never behind.
func TestOCSPNonce(t *testing.T) {
	h := newHouse(t)
	cert := h.issue("first")[0]
	plain, none := h.askForm(h.form(cert))
	require.Empty(t, none)
	for size := range 5 {
		f := h.form(cert)
		f.TBS.Extensions = []pkix.Extension{sized(1 << (size + 3))}
		f.TBS.Extensions[0].Value[5] = byte(size)
		h.clock.Add(time.Second)
		about, extensions := h.askForm(f)
		require.Equal(t, f.TBS.Extensions, extensions)
		require.Equal(t, h.clock.Now(), about[0].ThisUpdate, "not a kept answer")
	}
	again, none := h.askForm(h.form(cert))
	require.Empty(t, none, "a nonce of another's request")
	require.Equal(t, plain, again)
	f := h.form(cert)
	f.TBS.Extensions = []pkix.Extension{sized(32)}
	require.NoError(t, h.Revoke(t.Context(), cert, pki.KeyCompromise, time.Time{}))
	about, _ := h.askForm(f)
	require.Equal(t, 1, about[0].Status.Tag)
}

// Each certificate that is asked about is answered, under its own id, in order.
func TestOCSPSeveral(t *testing.T) {
	h := newHouse(t)
	pair, stranger := h.issue("first"), h.issue("second")[0]
	require.NoError(t, h.Revoke(t.Context(), pair[1], pki.CertificateHold, time.Time{}))
	never := *stranger
	never.SerialNumber = big.NewInt(77)
	f := h.form(pair[0], pair[1], &never, pair[0])
	f.TBS.Extensions = []pkix.Extension{sized(32)}
	about, extensions := h.askForm(f)
	require.Equal(t, f.TBS.Extensions, extensions)
	require.Len(t, about, 4)
	for i, tag := range []int{0, 1, 2, 0} {
		require.Equal(t, f.TBS.List[i].ID.Serial, about[i].ID.Serial)
		require.Equal(t, tag, about[i].Status.Tag)
	}
	require.NoError(t, h.Revoke(t.Context(), pair[1], pki.RemoveFromCRL, time.Time{}))
	about, _ = h.askForm(f)
	require.Equal(t, 0, about[1].Status.Tag, "the very next answer")
}

func TestOCSPForms(t *testing.T) {
	h := newHouse(t)
	pair := h.issue("first")
	certificate, other := pair[0], pair[1]
	nonce := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Value: append([]byte{4, 32}, make([]byte, 32)...)}
	for name, c := range map[string]struct {
		bend func(*ocspForm)
		want []byte // nil: a good answer
	}{
		"plain":          {func(*ocspForm) {}, nil},
		"nonce":          {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{nonce} }, nil},
		"request's own":  {func(f *ocspForm) { f.TBS.List[0].Extensions = []pkix.Extension{nonce} }, nil},
		"two":            {func(f *ocspForm) { f.TBS.List = h.form(certificate, other).TBS.List }, nil},
		"the same twice": {func(f *ocspForm) { f.TBS.List = h.form(certificate, certificate).TBS.List }, nil},
		"two, one foreign": {func(f *ocspForm) {
			f.TBS.List = h.form(certificate, other).TBS.List
			f.TBS.List[1].ID.Key[0] ^= 1
		}, ocsp.UnauthorizedErrorResponse},
		"sixty":       {func(f *ocspForm) { f.TBS.List = slices.Repeat(f.TBS.List, 60) }, ocsp.MalformedRequestErrorResponse},
		"empty nonce": {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{sized(0)} }, ocsp.MalformedRequestErrorResponse},
		"smallest":    {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{sized(1)} }, nil},
		"largest":     {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{sized(128)} }, nil},
		"too large":   {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{sized(129)} }, ocsp.MalformedRequestErrorResponse},
		"two nonces":  {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{nonce, nonce} }, ocsp.MalformedRequestErrorResponse},
		"no octets":   {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{{Id: nonce.Id, Value: []byte{5, 0}}} }, ocsp.MalformedRequestErrorResponse},
		"unknown":     {func(f *ocspForm) { f.TBS.Extensions = []pkix.Extension{{Id: []int{1, 2, 3}, Value: []byte{5, 0}}} }, nil},
		"critical": {func(f *ocspForm) {
			f.TBS.Extensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, ocsp.MalformedRequestErrorResponse},
		"critical, one": {func(f *ocspForm) {
			f.TBS.List[0].Extensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, ocsp.MalformedRequestErrorResponse},
		"version 2":       {func(f *ocspForm) { f.TBS.Version = 1 }, ocsp.MalformedRequestErrorResponse},
		"none":            {func(f *ocspForm) { f.TBS.List = nil }, ocsp.MalformedRequestErrorResponse},
		"no serial":       {func(f *ocspForm) { f.TBS.List[0].ID.Serial = new(big.Int) }, ocsp.MalformedRequestErrorResponse},
		"negative serial": {func(f *ocspForm) { f.TBS.List[0].ID.Serial = big.NewInt(-1) }, ocsp.MalformedRequestErrorResponse},
		"huge": {func(f *ocspForm) {
			nonce := nonce
			nonce.Value = append([]byte{4, 0x82, 0x10, 0}, make([]byte, 4096)...)
			f.TBS.Extensions = []pkix.Extension{nonce}
		}, ocsp.MalformedRequestErrorResponse},
		"MD5": {func(f *ocspForm) { f.TBS.List[0].ID.Hash.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5} }, ocsp.UnauthorizedErrorResponse},
		"SHA-512": {func(f *ocspForm) {
			f.TBS.List[0].ID.Hash.Algorithm = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
		}, ocsp.UnauthorizedErrorResponse},
		"name":   {func(f *ocspForm) { f.TBS.List[0].ID.Name[0] ^= 1 }, ocsp.UnauthorizedErrorResponse},
		"key":    {func(f *ocspForm) { f.TBS.List[0].ID.Key[0] ^= 1 }, ocsp.UnauthorizedErrorResponse},
		"no key": {func(f *ocspForm) { f.TBS.List[0].ID.Key = nil }, ocsp.UnauthorizedErrorResponse},
		"key as name": {func(f *ocspForm) {
			id := &f.TBS.List[0].ID
			id.Name, id.Key = id.Key, id.Name
		}, ocsp.UnauthorizedErrorResponse},
	} {
		t.Run(name, func(t *testing.T) {
			f := h.form(certificate)
			c.bend(f)
			der, err := asn1.Marshal(*f)
			require.NoError(t, err)
			got := h.ask(der)
			if c.want != nil {
				require.Equal(t, c.want, got)
				return
			}
			answer, err := ocsp.ParseResponseForCert(got, certificate, h.Chain()[0])
			require.NoError(t, err)
			require.Equal(t, ocsp.Good, answer.Status)
		})
	}
}

// The same request in every spelling that clients use in a path.
func TestOCSPPaths(t *testing.T) {
	var h *house
	var certificate *x509.Certificate
	text := ""
	for tries := 0; text == ""; tries++ { // a key or a serial number may have the two slashes itself
		require.Less(t, tries, 50)
		h = newHouse(t)
		certificate = h.issue("first")[0]
		text = h.slashed(certificate)
	}
	mux := http.NewServeMux()
	mux.Handle("/deep/down/ocsp/", h.OCSPHandler())
	mux.Handle("/stripped/", http.StripPrefix("/stripped/", h.OCSPHandler()))
	fetch := func(path string) []byte {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Body.Bytes()
	}
	everything := ""
	for _, c := range []byte(text) {
		everything += "%" + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15])
	}
	for _, prefix := range []string{"/deep/down/ocsp/", "/stripped/"} {
		for name, spelling := range map[string]string{
			"raw": text, "path": url.PathEscape(text), "query": url.QueryEscape(text), "everything": everything,
		} {
			answer, err := ocsp.ParseResponseForCert(fetch(prefix+spelling), certificate, h.Chain()[0])
			require.NoError(t, err, "%s%s", prefix, name)
			require.Equal(t, ocsp.Good, answer.Status)
		}
		for _, bad := range []string{"", "x", "AAAA", text[:20], text + "AAAA", strings.Repeat("A/", 4000), "%00", strings.Repeat("MAA", 3000)} {
			require.True(t, bytes.Equal(ocsp.MalformedRequestErrorResponse, fetch(prefix+bad)), "%.20q", bad)
		}
	}
}

// slashed is a request in base64 that has / and + and ends with =, and has no // that
// a mux would clean; or nothing.
func (h *house) slashed(certificate *x509.Certificate) string {
	for n := range 500 {
		f := h.form(certificate)
		value := make([]byte, n%12+1)
		_, err := rand.Read(value)
		require.NoError(h.t, err)
		f.TBS.List[0].Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: value}}
		der, err := asn1.Marshal(*f)
		require.NoError(h.t, err)
		text := base64.StdEncoding.EncodeToString(der)
		if strings.Contains(text, "/") && strings.Contains(text, "+") && !strings.Contains(text, "//") && strings.HasSuffix(text, "=") {
			return text
		}
	}
	return ""
}
