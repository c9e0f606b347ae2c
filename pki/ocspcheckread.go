// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// x/crypto/ocsp takes a response for what it says: it looks at no date, no
// nonce, no right of the responder's beyond its signature, and not at whether
// two answers contradict each other. So a response is read here, as strictly as
// a list.

// readResponse is an OCSP response that is well formed and says success. Slices
// point into the DER.
type readResponse struct {
	data, signature []byte
	algorithm       x509.SignatureAlgorithm
	byName          []byte // the responder's name, or
	byKey           []byte // the SHA-1 of its key
	producedAt      time.Time
	singles         []readSingle
	nonce           []byte
	certs           []*x509.Certificate
}

// readSingle is the answer about one certificate.
type readSingle struct {
	hash                   asn1.ObjectIdentifier
	name, key              []byte
	serial                 *big.Int
	state                  State
	reason                 int
	from                   time.Time
	thisUpdate, nextUpdate time.Time // nextUpdate zero when absent
}

const (
	// maxOCSPResponse is far above what responders send: about a kilobyte for
	// a delegated one, of which most is its certificate.
	maxOCSPResponse = 64 << 10
	// maxSingles and maxResponderCerts bound the work on one response.
	maxSingles        = 64
	maxResponderCerts = 8
)

// idOCSPNonce is the content of 1.3.6.1.5.5.7.48.1.2.
const idOCSPNonce = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"

// ocspErrors are the words for the statuses that carry no answer. RFC 6960
// §4.2.1.
var ocspErrors = [...]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}

// parseResponse reads a whole response. RFC 6960 §4.2.1.
func parseResponse(der []byte) (*readResponse, error) {
	var whole, wrapped, bytesOf, basic cryptobyte.String
	var status int
	var present bool
	var kind asn1.ObjectIdentifier
	input := cryptobyte.String(der)
	if !input.ReadASN1(&whole, cbasn1.SEQUENCE) || !input.Empty() || !whole.ReadASN1Enum(&status) {
		return nil, errMalformed
	}
	if status != 0 {
		text := "with an unknown status"
		if status > 0 && status < len(ocspErrors) && ocspErrors[status] != "" {
			text = ocspErrors[status]
		}
		return nil, fmt.Errorf("the responder answers %s", text)
	}
	if !whole.ReadOptionalASN1(&wrapped, &present, explicit(0)) || !present || !whole.Empty() ||
		!wrapped.ReadASN1(&bytesOf, cbasn1.SEQUENCE) || !wrapped.Empty() ||
		!bytesOf.ReadASN1ObjectIdentifier(&kind) || !bytesOf.ReadASN1(&basic, cbasn1.OCTET_STRING) || !bytesOf.Empty() {
		return nil, errMalformed
	}
	if !kind.Equal(oidOCSPBasic) {
		return nil, errors.New("not a basic response")
	}
	return parseBasic(basic)
}

func parseBasic(input cryptobyte.String) (*readResponse, error) {
	var body, data, algorithm, wrapped, list, one cryptobyte.String
	var present bool
	r := &readResponse{}
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() ||
		!body.ReadASN1Element(&data, cbasn1.SEQUENCE) || !body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!body.ReadASN1BitStringAsBytes(&r.signature) || !body.ReadOptionalASN1(&wrapped, &present, explicit(0)) || !body.Empty() {
		return nil, errMalformed
	}
	r.data = data
	var err error
	if r.algorithm, err = signatureAlgorithm(algorithm); err != nil {
		return nil, err
	}
	if present && (!wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty()) {
		return nil, errMalformed
	}
	for !list.Empty() {
		if !list.ReadASN1Element(&one, cbasn1.SEQUENCE) || len(r.certs) == maxResponderCerts {
			return nil, errMalformed
		}
		cert, err := x509.ParseCertificate(one)
		if err != nil {
			return nil, errMalformed
		}
		r.certs = append(r.certs, cert)
	}
	return r, r.parseData(data)
}

func (r *readResponse) parseData(input cryptobyte.String) error {
	var body, id, list, wrapped cryptobyte.String
	var version, extended bool
	var number int
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadOptionalASN1(&wrapped, &version, explicit(0)) {
		return errMalformed
	}
	if version && (!wrapped.ReadASN1Integer(&number) || !wrapped.Empty() || number != 0) {
		return errors.New("not a response of version 1")
	}
	switch {
	case body.PeekASN1Tag(explicit(1)):
		if !body.ReadASN1(&id, explicit(1)) || !id.PeekASN1Tag(cbasn1.SEQUENCE) {
			return errMalformed
		}
		r.byName = id
	default:
		if !body.ReadASN1(&id, explicit(2)) || !id.ReadASN1((*cryptobyte.String)(&r.byKey), cbasn1.OCTET_STRING) || !id.Empty() {
			return errMalformed
		}
	}
	if !body.ReadASN1GeneralizedTime(&r.producedAt) || !body.ReadASN1(&list, cbasn1.SEQUENCE) || list.Empty() ||
		!body.ReadOptionalASN1(&wrapped, &extended, explicit(1)) || !body.Empty() {
		return errMalformed
	}
	for !list.Empty() {
		if len(r.singles) == maxSingles {
			return errors.New("too many answers")
		}
		single, err := parseSingle(&list)
		if err != nil {
			return err
		}
		r.singles = append(r.singles, single)
	}
	if !extended {
		return nil
	}
	return r.readExtensions(wrapped)
}

func (r *readResponse) readExtensions(wrapped cryptobyte.String) error {
	return eachExtension(wrapped, func(id cryptobyte.String, critical bool, value cryptobyte.String) error {
		switch {
		case string(id) == idOCSPNonce:
			if !value.ReadASN1((*cryptobyte.String)(&r.nonce), cbasn1.OCTET_STRING) || !value.Empty() || len(r.nonce) == 0 {
				return errors.New("the nonce is malformed")
			}
		case critical:
			return errors.New("an unknown critical extension")
		}
		return nil
	})
}

func parseSingle(list *cryptobyte.String) (readSingle, error) {
	var s readSingle
	var body, id, algorithm, wrapped cryptobyte.String
	var next, extended bool
	s.serial = new(big.Int)
	if !list.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&id, cbasn1.SEQUENCE) ||
		!id.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&s.hash) ||
		!algorithm.Empty() && !bytes.Equal(algorithm, asn1.NullBytes) ||
		!id.ReadASN1((*cryptobyte.String)(&s.name), cbasn1.OCTET_STRING) || !id.ReadASN1((*cryptobyte.String)(&s.key), cbasn1.OCTET_STRING) ||
		!id.ReadASN1Integer(s.serial) || !id.Empty() {
		return s, errMalformed
	}
	if err := s.parseStatus(&body); err != nil {
		return s, err
	}
	if !body.ReadASN1GeneralizedTime(&s.thisUpdate) || !body.ReadOptionalASN1(&wrapped, &next, explicit(0)) ||
		next && (!wrapped.ReadASN1GeneralizedTime(&s.nextUpdate) || !wrapped.Empty()) ||
		!body.ReadOptionalASN1(&wrapped, &extended, explicit(1)) || !body.Empty() {
		return s, errMalformed
	}
	if !extended {
		return s, nil
	}
	return s, eachExtension(wrapped, func(_ cryptobyte.String, critical bool, _ cryptobyte.String) error {
		if critical {
			return errors.New("an unknown critical extension of an answer")
		}
		return nil
	})
}

// parseStatus reads the CHOICE of good, revoked and unknown.
func (s *readSingle) parseStatus(body *cryptobyte.String) error {
	var content, wrapped cryptobyte.String
	var tag cbasn1.Tag
	var reasoned bool
	if !body.ReadAnyASN1(&content, &tag) {
		return errMalformed
	}
	switch {
	case tag == primitive(0) && content.Empty():
		s.state = Good
	case tag == primitive(2) && content.Empty():
		s.state = Unknown
	case tag == explicit(1) && content.ReadASN1GeneralizedTime(&s.from) &&
		content.ReadOptionalASN1(&wrapped, &reasoned, explicit(0)) && content.Empty():
		s.state = Revoked
		if reasoned && (!wrapped.ReadASN1Enum(&s.reason) || !wrapped.Empty() || s.reason < 0) {
			return errMalformed
		}
	default:
		return errMalformed
	}
	return nil
}
