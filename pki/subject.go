// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameRunes is ub-common-name, which is also the bound of O and OU.
// RFC 5280 appendix A.1.
const maxNameRunes = 64

// subjectDER returns the encoded name that the profile makes of what the caller
// gave: O, OU, CN, serialNumber. CN is the user id, a space and the person's
// name, whether the caller gave the name alone or as it stands in a subject that
// is issued anew. Nothing else of the caller's value is used.
func (p Profile) subjectDER(name pkix.Name) ([]byte, error) {
	if !validUserID(name.SerialNumber) {
		return nil, fmt.Errorf("%w: serialNumber must be the 12 digits of the user id", ErrSubject)
	}
	if err := checkNameText(personOf(name), maxNameRunes-len(beforeName(name))); err != nil {
		return nil, err
	}
	if err := p.checkFixed(name); err != nil {
		return nil, err
	}
	full := pkix.Name{
		Organization:       []string{p.organization},
		OrganizationalUnit: []string{p.unit},
		CommonName:         beforeName(name) + personOf(name),
		SerialNumber:       name.SerialNumber,
	}
	return asn1.Marshal(full.ToRDNSequence())
}

// beforeName is what stands before the person's name in a CN.
func beforeName(name pkix.Name) string { return name.SerialNumber + " " }

// personOf is the person's name, which the caller gives alone or in a CN.
func personOf(name pkix.Name) string { return strings.TrimPrefix(name.CommonName, beforeName(name)) }

// checkFixed lets the caller give O and OU only as the profile sets them, as
// they stand in the subject of a certificate that is issued anew.
func (p Profile) checkFixed(name pkix.Name) error {
	for _, f := range []struct {
		label string
		got   []string
		want  string
	}{
		{"O", name.Organization, p.organization},
		{"OU", name.OrganizationalUnit, p.unit},
	} {
		if len(f.got) > 1 || (len(f.got) == 1 && f.got[0] != f.want) {
			return fmt.Errorf("%w: %s is set by the profile", ErrSubject, f.label)
		}
	}
	if len(name.Country)+len(name.Locality)+len(name.Province)+len(name.StreetAddress)+len(name.PostalCode)+len(name.ExtraNames) > 0 {
		return fmt.Errorf("%w: only CN and serialNumber can be given", ErrSubject)
	}
	return nil
}

func validUserID(s string) bool {
	if len(s) != 12 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// brailleBlank is the one character without ink that Unicode counts as a symbol.
const brailleBlank = '\u2800'

// invisible are the letters and marks that unicode.IsPrint takes for printable
// and that show nothing: fillers, joiners and variation selectors.
func invisible(r rune) bool {
	return r == brailleBlank || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// checkNameText refuses text that could be read as something else than one
// plain value: controls, bidirectional and other invisible marks, spaces other
// than the ASCII one, unassigned characters, and what separates or escapes in
// the printed forms of a name. most is the bound in characters. RFC 4514 §2.4.
func checkNameText(s string, most int) error {
	n := utf8.RuneCountInString(s)
	switch {
	case n == 0 || n > most:
		return fmt.Errorf("%w: a name has 1 to %d characters", ErrSubject, most)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: a name must be UTF-8", ErrSubject)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%w: a name doesn't begin or end with a space", ErrSubject)
	case strings.IndexFunc(s, unicode.IsMark) == 0:
		return fmt.Errorf("%w: a name doesn't begin with a combining mark", ErrSubject)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || invisible(r) {
			return fmt.Errorf("%w: a name holds no control, invisible or unassigned characters", ErrSubject)
		}
		if strings.ContainsRune(`,+=/;<>"\#`, r) {
			return fmt.Errorf("%w: a name holds none of , + = / ; < > \" \\ #", ErrSubject)
		}
	}
	return nil
}
