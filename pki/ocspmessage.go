// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// The response is encoded here because x/crypto/ocsp takes producedAt from the
// machine's clock, and our dates follow the calendar.

var (
	oidOCSPBasic       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidSHA1            = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

type responseMessage struct {
	Status asn1.Enumerated
	Bytes  responseBytes `asn1:"explicit,tag:0"`
}

type responseBytes struct {
	Type     asn1.ObjectIdentifier
	Response []byte
}

type basicResponse struct {
	Data         asn1.RawValue
	Algorithm    pkix.AlgorithmIdentifier
	Signature    asn1.BitString
	Certificates []asn1.RawValue `asn1:"explicit,tag:0"`
}

type responseData struct {
	ResponderKey []byte    `asn1:"explicit,tag:2"`
	ProducedAt   time.Time `asn1:"generalized"`
	Responses    []singleResponse
}

type certID struct {
	Hash       pkix.AlgorithmIdentifier
	IssuerName []byte
	IssuerKey  []byte
	Serial     *big.Int
}

type singleResponse struct {
	ID         certID
	Status     asn1.RawValue
	ThisUpdate time.Time `asn1:"generalized"`
	NextUpdate time.Time `asn1:"generalized,explicit,tag:0"`
}

type revokedInfo struct {
	At     time.Time       `asn1:"generalized"`
	Reason asn1.Enumerated `asn1:"explicit,tag:0"`
}

type revokedInfoNoReason struct {
	At time.Time `asn1:"generalized"`
}

// requestShape reads just enough of a request to count what it asks about and
// keep the bytes of the first question.
type requestShape struct {
	TBS struct {
		Version   asn1.RawValue `asn1:"optional,tag:0"`
		Requestor asn1.RawValue `asn1:"optional,tag:1"`
		List      []struct {
			ID         certID
			Extensions asn1.RawValue `asn1:"optional,tag:0"`
		}
		Extensions asn1.RawValue `asn1:"optional,tag:2"`
	}
	Signature asn1.RawValue `asn1:"optional,tag:0"`
}

// question is a request for the status of one certificate.
type question struct {
	id   certID
	hash crypto.Hash // of the issuer's name and key; 0 when it isn't known here
	null bool        // the hash has NULL for parameters, and not none
}

// readQuestion reads a request. One that asks about several certificates is
// refused, as RFC 5019 §2.1.1 allows; a nonce is ignored, as RFC 9654 §2.1
// allows, and so is a signature.
func readQuestion(der []byte) (question, error) {
	var shape requestShape
	rest, err := asn1.Unmarshal(der, &shape)
	if err != nil || len(rest) > 0 || len(shape.TBS.List) != 1 {
		return question{}, errors.New("not a request about one certificate")
	}
	id := shape.TBS.List[0].ID
	if id.Serial == nil || id.Serial.Sign() <= 0 {
		return question{}, errors.New("not a serial number")
	}
	// The answer repeats the id and is kept for others who ask about the same
	// certificate: nothing of the caller's may stay in it. RFC 5754 §2.
	q := question{id: id, hash: hashOf(id.Hash.Algorithm), null: len(id.Hash.Parameters.FullBytes) > 0}
	if q.null && !bytes.Equal(id.Hash.Parameters.FullBytes, asn1.NullBytes) {
		return question{}, errors.New("the hash has parameters")
	}
	return q, nil
}

func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	switch {
	case oid.Equal(oidSHA1):
		return crypto.SHA1
	case oid.Equal(oidSHA256):
		return crypto.SHA256
	case oid.Equal(oidSHA384):
		return crypto.SHA384
	case oid.Equal(oidSHA512):
		return crypto.SHA512
	}
	return 0
}

// answerMessage signs one answer. RFC 6960 §4.2.1.
func answerMessage(signer *identity, id certID, s standing, thisUpdate, nextUpdate time.Time) ([]byte, error) {
	status, err := s.encode()
	if err != nil {
		return nil, err
	}
	data, err := asn1.Marshal(responseData{
		ResponderKey: signer.nameHash, ProducedAt: thisUpdate,
		Responses: []singleResponse{{ID: id, Status: status, ThisUpdate: thisUpdate, NextUpdate: nextUpdate}},
	})
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	signature, err := signer.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("pki: OCSP signature: %w", err)
	}
	basic, err := asn1.Marshal(basicResponse{
		Data: asn1.RawValue{FullBytes: data}, Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidECDSAWithSHA256},
		Signature:    asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
		Certificates: []asn1.RawValue{{FullBytes: signer.cert.Raw}},
	})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(responseMessage{Status: 0, Bytes: responseBytes{oidOCSPBasic, basic}})
}

// standing is what an answer says about a certificate. RFC 6960 §2.2.
type standing struct {
	state  State // Good, Revoked (hold included) or Unknown
	reason int
	at     time.Time
}

// standingOf never says good about something that wasn't handed out.
func standingOf(r Record) standing {
	switch r.State {
	case Good:
		return standing{state: Good}
	case Held, Revoked:
		return standing{state: Revoked, reason: r.Reason, at: r.RevokedAt}
	default:
		return standing{state: Unknown}
	}
}

func (s standing) equal(o standing) bool {
	return s.state == o.state && s.reason == o.reason && s.at.Equal(o.at)
}

func (s standing) encode() (asn1.RawValue, error) {
	switch s.state {
	case Good:
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0}, nil
	case Revoked:
		var info any = revokedInfoNoReason{s.at.UTC()}
		if s.reason != 0 {
			info = revokedInfo{s.at.UTC(), asn1.Enumerated(s.reason)}
		}
		der, err := asn1.MarshalWithParams(info, "tag:1")
		return asn1.RawValue{FullBytes: der}, err
	default:
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2}, nil
	}
}
