// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// x509.ParseRevocationList keeps all entries, ten times the list's size in
// memory, and doesn't say which extensions are critical in an entry. Here a list
// is read once for one serial number, and only what is found is kept.

// scannedList is a list as one certificate sees it. Slices point into the DER.
type scannedList struct {
	tbs, issuer, signature []byte
	algorithm              x509.SignatureAlgorithm
	thisUpdate, nextUpdate time.Time // nextUpdate zero when absent
	number                 *big.Int
	scope                  listScope
	entry                  *listEntry // nil when the serial number isn't listed
}

type listEntry struct {
	reason int
	from   time.Time // the earlier of revocation and invalidity date
}

var errMalformed = errors.New("malformed")

// Contents of object identifiers below id-ce, 2.5.29.
const (
	idCRLNumber      = "\x55\x1d\x14"
	idReasonCode     = "\x55\x1d\x15"
	idInvalidityDate = "\x55\x1d\x18"
	idDeltaIndicator = "\x55\x1d\x1b"
	idIssuingPoint   = "\x55\x1d\x1c"
)

// scanList reads a whole list. RFC 5280 §5.1.
func scanList(der []byte, serial *big.Int) (*scannedList, error) {
	var whole, tbs, outerAlgorithm cryptobyte.String
	input := cryptobyte.String(der)
	list := &scannedList{}
	if !input.ReadASN1(&whole, cbasn1.SEQUENCE) || !input.Empty() ||
		!whole.ReadASN1Element(&tbs, cbasn1.SEQUENCE) || !whole.ReadASN1Element(&outerAlgorithm, cbasn1.SEQUENCE) ||
		!whole.ReadASN1BitStringAsBytes(&list.signature) || !whole.Empty() {
		return nil, errMalformed
	}
	list.tbs = tbs
	var err error
	if list.algorithm, err = signatureAlgorithm(outerAlgorithm); err != nil {
		return nil, err
	}
	if err := list.scanBody(tbs, outerAlgorithm, serial); err != nil {
		return nil, err
	}
	return list, nil
}

func (l *scannedList) scanBody(tbs, outerAlgorithm cryptobyte.String, serial *big.Int) error {
	var version int
	var body, algorithm, issuer cryptobyte.String
	if !tbs.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&version) || version != 1 {
		return errors.New("not a list of version 2")
	}
	if !body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || string(algorithm) != string(outerAlgorithm) ||
		!body.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !readTime(&body, &l.thisUpdate) {
		return errMalformed
	}
	l.issuer = issuer
	if body.PeekASN1Tag(cbasn1.UTCTime) || body.PeekASN1Tag(cbasn1.GeneralizedTime) {
		if !readTime(&body, &l.nextUpdate) {
			return errMalformed
		}
	}
	if body.PeekASN1Tag(cbasn1.SEQUENCE) {
		if err := l.scanEntries(&body, serial); err != nil {
			return err
		}
	}
	var wrapped cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&wrapped, &present, explicit(0)) || !body.Empty() {
		return errMalformed
	}
	if !present {
		return errors.New("without a number")
	}
	return l.readExtensions(wrapped)
}

func (l *scannedList) readExtensions(wrapped cryptobyte.String) error {
	err := eachExtension(wrapped, func(id cryptobyte.String, critical bool, value cryptobyte.String) (err error) {
		switch string(id) {
		case idCRLNumber:
			l.number = new(big.Int)
			if !value.ReadASN1Integer(l.number) || !value.Empty() || l.number.Sign() < 0 || l.number.BitLen() > 8*20 {
				err = errors.New("the number is not one of at most 20 octets")
			}
		case idIssuingPoint:
			l.scope, err = readScope(value)
		case idDeltaIndicator:
			err = errors.New("a delta list")
		default:
			if critical {
				err = errors.New("an unknown critical extension")
			}
		}
		return err
	})
	if err == nil && l.number == nil {
		err = errors.New("without a number")
	}
	return err
}

// scanEntries looks at every entry, because a critical extension that isn't
// known spoils the list whatever certificate it stands at. RFC 5280 §5.3.
func (l *scannedList) scanEntries(body *cryptobyte.String, serial *big.Int) error {
	var entries, entry, number cryptobyte.String
	if !body.ReadASN1(&entries, cbasn1.SEQUENCE) {
		return errMalformed
	}
	wanted, err := asn1.Marshal(serial)
	if err != nil {
		return err
	}
	for !entries.Empty() {
		if !entries.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1Element(&number, cbasn1.INTEGER) || !minimal(number) {
			return errMalformed
		}
		found := string(number) == string(wanted)
		if found && l.entry != nil {
			return errors.New("two entries for the certificate")
		}
		if found {
			l.entry = &listEntry{}
			if !readTime(&entry, &l.entry.from) {
				return errMalformed
			}
		} else if !skipTime(&entry) {
			return errMalformed
		}
		if entry.Empty() {
			continue
		}
		var into *listEntry
		if found {
			into = l.entry
		}
		if err := readEntryExtensions(entry, into); err != nil {
			return err
		}
	}
	return nil
}

// skipTime passes over the date of another certificate's entry.
func skipTime(entry *cryptobyte.String) bool {
	if entry.PeekASN1Tag(cbasn1.UTCTime) {
		return entry.SkipASN1(cbasn1.UTCTime)
	}
	return entry.SkipASN1(cbasn1.GeneralizedTime)
}

// minimal reports whether an INTEGER element is encoded in one way only, so
// that bytes can be compared.
func minimal(element cryptobyte.String) bool {
	var content cryptobyte.String
	if !element.ReadASN1(&content, cbasn1.INTEGER) || len(content) == 0 {
		return false
	}
	return len(content) == 1 || !(content[0] == 0 && content[1] < 0x80 || content[0] == 0xff && content[1] >= 0x80)
}

// readEntryExtensions checks the extensions of an entry and keeps what they say;
// into is nil for an entry of another certificate.
func readEntryExtensions(extensions cryptobyte.String, into *listEntry) error {
	return eachExtension(extensions, func(id cryptobyte.String, critical bool, value cryptobyte.String) error {
		switch string(id) {
		case idReasonCode: // ENUMERATED of one octet
			if len(value) != 3 || value[0] != 10 || value[1] != 1 || value[2] > 127 {
				return errMalformed
			}
			if value[2] == RemoveFromCRL {
				return errors.New("removeFromCRL in a list that is complete")
			}
			if into != nil {
				into.reason = int(value[2])
			}
		case idInvalidityDate:
			if into == nil {
				return nil
			}
			var invalid time.Time
			if !value.ReadASN1GeneralizedTime(&invalid) || !value.Empty() {
				return errMalformed
			}
			into.from = earlier(into.from, invalid)
		default:
			if critical {
				return errors.New("an unknown critical extension of an entry")
			}
		}
		return nil
	})
}
