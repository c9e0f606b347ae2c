// SPDX-License-Identifier: Apache-2.0

package webauthn

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

// Model is one make and model of authenticators that an organisation has
// approved.
type Model struct {
	// AAGUID is what its makers identify it by, never all zero. WebAuthn Level 2
	// §6.5.1.
	AAGUID [16]byte
	// Name is how people call it; it is shown beside the authenticator.
	Name string
	// Kind is careid.KindSecurityKey or careid.KindWindowsHello. What is registered
	// becomes of this kind, whatever the page asked for.
	Kind careid.AuthenticatorKind
	// Roots are the certificates that its attestation is verified against, one at
	// least: those that its makers publish. A model that attests itself can't be
	// listed.
	Roots []*x509.Certificate
	// From and Until bound the approval, on the calendar: From is inclusive, Until
	// exclusive, and zero leaves the end open. From Until on, one that is
	// registered does not sign in any more; a session that it opened goes on to its
	// own end.
	From, Until time.Time
	// Source is where the approval stands: the makers' page, the FIDO metadata, the
	// organisation's own list.
	Source wardkey.Source
}

func (m Model) inForce(t time.Time) bool {
	return !t.Before(m.From) && (m.Until.IsZero() || t.Before(m.Until))
}

func checkModels(models []Model) error {
	for i, m := range models {
		fail := func(why string) error {
			return fmt.Errorf("webauthn: model %q (%s): %s", m.Name, aaguidText(m.AAGUID), why)
		}
		switch {
		case m.AAGUID == [16]byte{}:
			return fail("an AAGUID of zeros is no model")
		case m.Name == "" || m.Source.Document == "":
			return fail("needs a name and a source")
		case m.Kind != careid.KindSecurityKey && m.Kind != careid.KindWindowsHello:
			return fail("is neither a security key nor Windows Hello")
		case len(m.Roots) == 0 || slices.Contains(m.Roots, nil):
			return fail("has no roots to verify its attestation against")
		case !m.Until.IsZero() && !m.Until.After(m.From):
			return fail("ends before it begins")
		case slices.ContainsFunc(models[:i], func(o Model) bool { return o.AAGUID == m.AAGUID }):
			return fail("is listed twice")
		}
	}
	return nil
}

// model finds what is approved at t. Refusal: webauthn.model.
func (h *Handler) model(aaguid [16]byte, t time.Time) (Model, error) {
	for _, m := range h.config.Models {
		if m.AAGUID == aaguid && m.inForce(t) {
			return m, nil
		}
	}
	return Model{}, h.config.Policy.Refuse("webauthn.model").Because(errors.New("aaguid " + aaguidText(aaguid)))
}

// subjectAltName is critical in the certificate of a TPM's attestation key, whose
// subject is empty, and holds names that crypto/x509 does not read. The library
// has read and checked them. TCG EK Credential Profile §3.2.9.
func subjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// chained verifies the certificates of an attestation, leaf first, up to one of
// the model's roots, at t. The root's own revocation and that of a batch of
// devices are not asked for: an organisation ends a model by its Until.
// WebAuthn Level 2 §7.1 steps 20 and 21.
func (m Model) chained(chain [][]byte, t time.Time) error {
	if len(chain) == 0 {
		return errors.New("it attests itself")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions, subjectAltName().Equal)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, root := range m.Roots {
		roots.AddCert(root)
	}
	for _, der := range chain[1:] {
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		between.AddCert(ca)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: t, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// modelFile is the JSON form of a Model.
type modelFile struct {
	AAGUID string                   `json:"aaguid"`
	Name   string                   `json:"name"`
	Kind   careid.AuthenticatorKind `json:"kind"`
	Roots  []string                 `json:"roots"`
	From   string                   `json:"from"`
	Until  string                   `json:"until"`
	Source wardkey.Source           `json:"source"`
}

// ParseModels reads a list of models from JSON, strictly:
//
//	[{"aaguid": "01234567-89ab-cdef-0123-456789abcdef", "name": "Ward key",
//	  "kind": "security-key", "roots": ["-----BEGIN CERTIFICATE-----…"],
//	  "from": "2026-01-01", "until": "",
//	  "source": {"document": "Approved authenticators", "date": "2025-12-01"}}]
//
// Days are from and until midnight UTC, the first inclusive, the second not. The
// error names the row.
func ParseModels(data []byte) ([]Model, error) {
	var files []modelFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&files); err != nil {
		return nil, fmt.Errorf("webauthn: models: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("webauthn: models: something follows the list")
	}
	models := make([]Model, len(files))
	for i, f := range files {
		var err error
		if models[i], err = f.model(); err != nil {
			return nil, fmt.Errorf("webauthn: model %d (%s): %w", i+1, f.AAGUID, err)
		}
	}
	if len(models) == 0 {
		return nil, errors.New("webauthn: models: the list is empty")
	}
	return models, checkModels(models)
}

func (f modelFile) model() (Model, error) {
	m := Model{Name: f.Name, Kind: f.Kind, Source: f.Source}
	id, err := hex.DecodeString(strings.ReplaceAll(f.AAGUID, "-", ""))
	copy(m.AAGUID[:], id)
	if err != nil || len(id) != len(m.AAGUID) || aaguidText(m.AAGUID) != f.AAGUID {
		return Model{}, errors.New("the aaguid is not 32 hexadecimal digits in groups of 8-4-4-4-12")
	}
	if m.From, err = day(f.From); err != nil {
		return Model{}, err
	}
	if m.Until, err = day(f.Until); err != nil {
		return Model{}, err
	}
	for _, text := range f.Roots {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
			return Model{}, errors.New("a root is not one certificate in PEM")
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Model{}, err
		}
		m.Roots = append(m.Roots, root)
	}
	return m, nil
}

func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, text)
}

// aaguidText writes it as RFC 9562 §4 does.
func aaguidText(id [16]byte) string {
	x := hex.EncodeToString(id[:])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}
