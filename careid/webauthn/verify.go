// SPDX-License-Identifier: Apache-2.0

package webauthn

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/wardkey-sdk/wardkey/careid"
)

// The library's types stay in this file. It verifies what the standard fixes; what
// the standard leaves to the relying party is decided here, and what the library
// takes more loosely than this package promises is asked first: it compares origins
// as URLs, takes any attestation format and any attestation, and has no roots.

// algorithm is the COSE identifier of what the rulebook names. IANA COSE
// Algorithms.
func algorithm(name string) (webauthncose.COSEAlgorithmIdentifier, bool) {
	switch name {
	case "ES256":
		return webauthncose.AlgES256, true
	case "ES384":
		return webauthncose.AlgES384, true
	case "ES512":
		return webauthncose.AlgES512, true
	case "EdDSA":
		return webauthncose.AlgEdDSA, true
	case "RS256":
		return webauthncose.AlgRS256, true
	}
	return 0, false
}

// offered are the algorithms that a registration offers at t, best first.
func (h *Handler) offered(t time.Time) ([]protocol.CredentialParameter, error) {
	names, err := h.config.Policy.Strings("webauthn.algorithms", t)
	if err != nil {
		return nil, err
	}
	params := make([]protocol.CredentialParameter, len(names))
	for i, name := range names {
		alg, known := algorithm(name)
		if !known {
			return nil, fmt.Errorf("webauthn: rule webauthn.algorithms names %q, which is not known", name)
		}
		params[i] = protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg}
	}
	return params, nil
}

// clientData is what the browser says of the page that asked.
type clientData = protocol.CollectedClientData

// asked refuses an answer that was given to another page than ours, for something
// else, or in a frame of another site's page. Refusal: webauthn.origin.
// WebAuthn Level 2 §7.1 steps 7 to 13, §7.2 steps 11 to 15; Level 3 §7.1 step 10.
func (h *Handler) asked(c clientData, ceremony protocol.CeremonyType, rpIDHash []byte) error {
	want := sha256.Sum256([]byte(h.config.RPID))
	var cause error
	switch {
	case c.Type != ceremony:
		cause = fmt.Errorf("the type is %q", c.Type)
	case !slices.Contains(h.config.Origins, c.Origin):
		cause = fmt.Errorf("the origin is %q", c.Origin)
	case c.CrossOrigin || c.TopOrigin != "":
		cause = fmt.Errorf("asked from a frame in a page of %q", c.TopOrigin)
	case !bytes.Equal(rpIDHash, want[:]):
		cause = errors.New("another relying party id")
	default:
		return nil
	}
	return h.config.Policy.Refuse("webauthn.origin").Because(cause)
}

// kept is what a credential's Public holds: its key, and what of it the next
// ceremonies need.
type kept struct {
	COSE       []byte   `json:"cose"` // COSE_Key, RFC 9052 §7
	Handle     []byte   `json:"handle"`
	Transports []string `json:"transports,omitempty"`
}

func readKept(one careid.Authenticator) (kept, error) {
	var k kept
	if err := json.Unmarshal(one.Key.Public, &k); err != nil || len(k.COSE) == 0 || len(k.Handle) == 0 {
		return kept{}, errors.New("webauthn: the key of authenticator " + one.ID + " can't be read")
	}
	return k, nil
}

// made is a credential that was verified and may be registered.
type made struct {
	id    []byte
	key   careid.CredentialKey
	model Model
}

// transports are only repeated to browsers, so what is not known is dropped.
func transports(told []protocol.AuthenticatorTransport) []string {
	var known []string
	for _, one := range told {
		switch one {
		case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
			if !slices.Contains(known, string(one)) {
				known = append(known, string(one))
			}
		}
	}
	return known
}

// creation is the answer to a registration, parsed and nothing more.
type creation struct {
	parsed *protocol.ParsedCredentialCreationData
}

// parseCreation reads a RegistrationResponseJSON. Refusal: webauthn.form.
func (h *Handler) parseCreation(raw []byte) (creation, string, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(raw)
	if err != nil {
		return creation{}, "", h.config.Policy.Refuse("webauthn.form").Because(told(err))
	}
	return creation{parsed}, parsed.Response.CollectedClientData.Challenge, nil
}

// verify holds a registration's answer against the challenge, which was taken, and
// against the policy at t. handle is the user handle of the options.
// Refusals: webauthn.origin, webauthn.verification, webauthn.synced,
// webauthn.algorithm, webauthn.model, webauthn.attestation. WebAuthn Level 2 §7.1.
func (c creation) verify(h *Handler, challenge string, handle []byte, t time.Time) (made, error) {
	no := func(rule string, cause error) (made, error) {
		return made{}, h.config.Policy.Refuse(rule).Because(cause)
	}
	object := &c.parsed.Response.AttestationObject
	if err := h.asked(c.parsed.Response.CollectedClientData, protocol.CreateCeremony, object.AuthData.RPIDHash); err != nil {
		return made{}, err
	}
	if !object.AuthData.Flags.HasUserVerified() {
		return no("webauthn.verification", errors.New("UV is not set"))
	}
	if object.AuthData.Flags.HasBackupEligible() || object.AuthData.Flags.HasBackupState() {
		return no("webauthn.synced", errors.New("BE or BS is set"))
	}
	params, err := h.offered(t)
	if err != nil {
		return made{}, err
	}
	var public webauthncose.PublicKeyData
	if err := webauthncbor.Unmarshal(object.AuthData.AttData.CredentialPublicKey, &public); err != nil {
		return no("webauthn.algorithm", err)
	}
	if !slices.ContainsFunc(params, func(p protocol.CredentialParameter) bool { return int64(p.Algorithm) == public.Algorithm }) {
		return no("webauthn.algorithm", fmt.Errorf("COSE algorithm %d", public.Algorithm))
	}
	m := made{id: object.AuthData.AttData.CredentialID}
	m.key = careid.CredentialKey{Attested: true, Counter: object.AuthData.Counter}
	copy(m.key.AAGUID[:], object.AuthData.AttData.AAGUID)
	if m.model, err = h.model(m.key.AAGUID, t); err != nil {
		return made{}, err
	}
	formats, err := h.config.Policy.Strings("webauthn.formats", t)
	if err != nil {
		return made{}, err
	}
	if !slices.Contains(formats, object.Format) {
		return no("webauthn.attestation", fmt.Errorf("format %q", object.Format))
	}
	if _, err := c.parsed.Verify(challenge, h.config.RPID, h.config.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, nil, params, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return no("webauthn.attestation", told(err))
	}
	chain, err := certificates(object.AttStatement)
	if err == nil {
		err = m.model.chained(chain, t)
	}
	if err != nil {
		return no("webauthn.attestation", err)
	}
	m.key.Public, err = json.Marshal(kept{
		COSE: object.AuthData.AttData.CredentialPublicKey, Handle: handle, Transports: transports(c.parsed.Response.Transports),
	})
	return m, err
}

// certificates is the trust path of an attestation statement, leaf first; none
// where the credential attests itself.
func certificates(statement map[string]any) ([][]byte, error) {
	list, _ := statement["x5c"].([]any)
	chain := make([][]byte, len(list))
	for i, one := range list {
		der, ok := one.([]byte)
		if !ok {
			return nil, errors.New("x5c holds something else than certificates")
		}
		chain[i] = der
	}
	return chain, nil
}

// assertion is the answer to a sign-in, parsed and nothing more.
type assertion struct {
	parsed *protocol.ParsedCredentialAssertionData
}

// parseAssertion reads an AuthenticationResponseJSON. Refusal: webauthn.form.
func (h *Handler) parseAssertion(raw []byte) (assertion, string, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(raw)
	if err != nil {
		return assertion{}, "", h.config.Policy.Refuse("webauthn.form").Because(told(err))
	}
	return assertion{parsed}, parsed.Response.CollectedClientData.Challenge, nil
}

func (a assertion) credential() []byte { return a.parsed.RawID }

// origin is asked before anything is looked up. Refusal: webauthn.origin.
func (a assertion) origin(h *Handler) error {
	return h.asked(a.parsed.Response.CollectedClientData, protocol.AssertCeremony, a.parsed.Response.AuthenticatorData.RPIDHash)
}

// proves reports whether the answer is that of the credential's own key, to this
// challenge. Without a user handle nobody was named, which only a session's own
// step-up allows. WebAuthn Level 2 §7.2 steps 6, 7, 11 to 20.
func (a assertion) proves(h *Handler, k kept, challenge string, named bool) error {
	handle := a.parsed.Response.UserHandle
	if len(handle) == 0 && !named || len(handle) > 0 && !bytes.Equal(handle, k.Handle) {
		return errors.New("another user handle")
	}
	return told(a.parsed.Verify(challenge, h.config.RPID, "", h.config.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, false, true, k.COSE, protocol.SignaturePolicy{}))
}

// use is what a proven answer showed of one of the person's authenticators.
// Refusals: webauthn.verification, webauthn.synced, webauthn.model.
func (a assertion) use(h *Handler, one careid.Authenticator, t time.Time) (careid.Use, error) {
	data := a.parsed.Response.AuthenticatorData
	model, err := h.model(one.Key.AAGUID, t)
	switch {
	case err != nil:
		return careid.Use{}, err
	case !one.Key.Attested || model.Kind != one.Kind:
		return careid.Use{}, h.config.Policy.Refuse("webauthn.model").Because(errors.New("it was registered as something else"))
	case data.Flags.HasBackupEligible() || data.Flags.HasBackupState():
		return careid.Use{}, h.config.Policy.Refuse("webauthn.synced").Because(errors.New("BE or BS is set, and was not"))
	case !data.Flags.HasUserVerified():
		return careid.Use{}, h.config.Policy.Refuse("webauthn.verification").Because(errors.New("UV is not set"))
	}
	return careid.Use{Authenticator: one.ID, Verified: careid.Yes, Counter: data.Counter}, nil
}

// told keeps what the library says of a failure, which its Error leaves out.
func told(err error) error {
	var no *protocol.Error
	if errors.As(err, &no) {
		return fmt.Errorf("%s: %s: %s", no.Type, no.Details, no.DevInfo)
	}
	return err
}
