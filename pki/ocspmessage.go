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
	"slices"
	"time"
)

// The response is encoded here because x/crypto/ocsp takes producedAt from the
// machine's clock, and our dates follow the calendar.

var (
	oidOCSPBasic       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
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
	Extensions   []pkix.Extension `asn1:"optional,explicit,tag:1"`
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

// requestMessage is a request as it is sent. RFC 6960 §4.1.1.
type requestMessage struct {
	TBS struct {
		Version   int           `asn1:"optional,explicit,tag:0"`
		Requestor asn1.RawValue `asn1:"optional,explicit,tag:1"`
		List      []struct {
			ID         certID
			Extensions []pkix.Extension `asn1:"optional,explicit,tag:0"`
		}
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:2"`
	}
	Signature asn1.RawValue `asn1:"optional,explicit,tag:0"`
}

// asked is what a request asks for.
type asked struct {
	questions []question // at least one
	nonce     []byte     // nil when there is none
}

// question is about the status of one certificate.
type question struct {
	id   certID
	hash crypto.Hash // of the issuer's name and key; 0 when it isn't known here
	null bool        // the hash has NULL for parameters, and not none
}

var errRequest = errors.New("not a request that can be answered")

// readAsked reads a request. A signature and a requestor are ignored, as is every
// extension but the nonce, unless it is critical (RFC 6960 §4.4). How many
// certificates one can ask about is bounded by maxOCSPRequest.
func readAsked(der []byte) (asked, error) {
	var m requestMessage
	rest, err := asn1.Unmarshal(der, &m)
	if err != nil || len(rest) > 0 || m.TBS.Version != 0 || len(m.TBS.List) == 0 {
		return asked{}, errRequest
	}
	var out asked
	for _, one := range m.TBS.List {
		if slices.ContainsFunc(one.Extensions, func(e pkix.Extension) bool { return e.Critical }) {
			return asked{}, errRequest
		}
		q, err := readQuestion(one.ID)
		if err != nil {
			return asked{}, err
		}
		out.questions = append(out.questions, q)
	}
	for _, e := range m.TBS.Extensions {
		switch {
		case e.Id.Equal(oidOCSPNonce):
			if out.nonce != nil {
				return asked{}, errRequest
			}
			if out.nonce, err = readNonce(e.Value); err != nil {
				return asked{}, err
			}
		case e.Critical:
			return asked{}, errRequest
		}
	}
	return out, nil
}

// readNonce refuses what is not an OCTET STRING of 1 to 128 octets. Clients should
// send 32. RFC 9654 §2.1.
func readNonce(der []byte) ([]byte, error) {
	var nonce []byte
	rest, err := asn1.Unmarshal(der, &nonce)
	if err != nil || len(rest) > 0 || len(nonce) < 1 || len(nonce) > 128 {
		return nil, errRequest
	}
	return nonce, nil
}

// readQuestion checks what an answer repeats and keeps for others who ask about
// the same certificate: nothing of the caller's may stay in it. RFC 5754 §2.
func readQuestion(id certID) (question, error) {
	if id.Serial == nil || id.Serial.Sign() <= 0 {
		return question{}, errRequest
	}
	q := question{id: id, hash: hashOf(id.Hash.Algorithm), null: len(id.Hash.Parameters.FullBytes) > 0}
	if q.null && !bytes.Equal(id.Hash.Parameters.FullBytes, asn1.NullBytes) {
		return question{}, errRequest
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

// told is one certificate's status in an answer.
type told struct {
	id certID
	standing
}

// answerMessage signs an answer, with the nonce of the request if there was one.
// RFC 6960 §4.2.1, RFC 9654 §2.1.
func answerMessage(signer *identity, about []told, nonce []byte, thisUpdate, nextUpdate time.Time) ([]byte, error) {
	content := responseData{ResponderKey: signer.nameHash, ProducedAt: thisUpdate}
	for _, one := range about {
		status, err := one.encode()
		if err != nil {
			return nil, err
		}
		content.Responses = append(content.Responses, singleResponse{ID: one.id, Status: status, ThisUpdate: thisUpdate, NextUpdate: nextUpdate})
	}
	if nonce != nil {
		value, err := asn1.Marshal(nonce)
		if err != nil {
			return nil, err
		}
		content.Extensions = []pkix.Extension{{Id: oidOCSPNonce, Value: value}}
	}
	data, err := asn1.Marshal(content)
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
