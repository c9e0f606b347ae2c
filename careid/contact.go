// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkEmail returns the address with its domain in lower case, or a refusal. Only plain ASCII addresses pass: no
// display name, quoting, comment or control character can ride along to a mail server.
func (s *Service) checkEmail(p Policy, address string) (string, error) {
	local, domain, found := strings.Cut(address, "@")
	if !found || len(local) == 0 || len(local) > 64 || len(domain) > 253 || !isAtoms(local, emailAtom) {
		return "", s.no("contact.email")
	}
	if !isAtoms(domain, domainAtom) || slices.ContainsFunc(strings.Split(domain, "."), func(label string) bool { return len(label) > 63 }) {
		return "", s.no("contact.email")
	}
	domain = strings.ToLower(domain) // ASCII from here: nothing else may fold into a letter
	for _, approved := range p.Domains {
		if domain == approved || strings.HasSuffix(domain, "."+approved) {
			return local + "@" + domain, nil
		}
	}
	return "", s.no("contact.domain", "domains", strings.Join(p.Domains, ", "))
}

// isAtoms says whether text is one or more runs of good characters, joined by single dots. RFC 5321 §4.1.2.
func isAtoms(text string, good func(rune) bool) bool {
	for atom := range strings.SplitSeq(text, ".") {
		if atom == "" || strings.HasPrefix(atom, "-") || strings.HasSuffix(atom, "-") {
			return false
		}
		if strings.IndexFunc(atom, func(r rune) bool { return !good(r) }) >= 0 {
			return false
		}
	}
	return true
}

func domainAtom(r rune) bool {
	return r == '-' || isDigit(r) || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func emailAtom(r rune) bool { return domainAtom(r) || strings.ContainsRune("_+'", r) }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// checkMobile returns +447 and nine digits, or a refusal. Spaces between ASCII digits are dropped and nothing else.
// Numbers that begin 070 (personal numbers, charged more) and 076 (pagers) are no mobiles: Ofcom's National Telephone
// Numbering Plan.
func (s *Service) checkMobile(number string) (string, error) {
	number = strings.ReplaceAll(number, " ", "")
	rest, found := strings.CutPrefix(number, "+44")
	if !found {
		rest, found = strings.CutPrefix(number, "0")
	}
	if !found || len(rest) != 10 || rest[0] != '7' || rest[1] == '0' || rest[1] == '6' ||
		strings.IndexFunc(rest, func(r rune) bool { return !isDigit(r) }) >= 0 {
		return "", s.no("contact.mobile")
	}
	return "+44" + rest, nil
}

// checkContact puts both in their one form; empty ones stay empty.
func (s *Service) checkContact(p Policy, email, mobile string) (string, string, error) {
	var err error
	if email != "" {
		if email, err = s.checkEmail(p, email); err != nil {
			return "", "", err
		}
	}
	if mobile != "" {
		if mobile, err = s.checkMobile(mobile); err != nil {
			return "", "", err
		}
	}
	return email, mobile, nil
}

// maxName is what the bound of a certificate's common name, 64 characters, leaves beside the 12 digits of the user id and
// a space. RFC 5280 appendix A.1.
const maxName = 51

// checkName refuses what could be read as something else than one plain name: the whole name goes into a certificate.
func (s *Service) checkName(given, family string) error {
	whole := given + " " + family
	switch {
	case given == "" || family == "":
		return s.no("name.invalid", "why", "a part is missing")
	case !utf8.ValidString(whole) || utf8.RuneCountInString(whole) > maxName:
		return s.no("name.invalid", "why", "it is too long or not text")
	case strings.TrimSpace(given) != given || strings.TrimSpace(family) != family:
		return s.no("name.invalid", "why", "it begins or ends with a space")
	case strings.IndexFunc(given, unicode.IsMark) == 0 || strings.IndexFunc(family, unicode.IsMark) == 0:
		return s.no("name.invalid", "why", "it begins with an accent that has no letter")
	}
	for _, r := range whole {
		if !unicode.IsPrint(r) || invisible(r) || strings.ContainsRune(`,+=/;<>"\#@`, r) {
			return s.no("name.invalid", "why", "it has a character that is no part of a name")
		}
	}
	return nil
}

// invisible are characters that count as printable and show nothing: fillers, joiners, variation selectors and the
// blank of braille. A certificate authority refuses them too, when it is too late to correct the name.
func invisible(r rune) bool {
	return r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// checkODS accepts the forms that organisation codes have: three to ten capitals and digits.
func (s *Service) checkODS(code string) error {
	if len(code) < 3 || len(code) > 10 ||
		strings.IndexFunc(code, func(r rune) bool { return !isDigit(r) && (r < 'A' || r > 'Z') }) >= 0 {
		return s.no("organisation.invalid")
	}
	return nil
}

// checkSerial bounds what a card may call itself.
func (s *Service) checkSerial(serial string) error {
	if serial == "" || len(serial) > 64 || strings.IndexFunc(serial, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return s.no("card.serial")
	}
	return nil
}
