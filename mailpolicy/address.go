// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// RFC 5321 §4.5.3.1, and RFC 1035 §2.3.4 for the domain without its last dot.
const (
	maxLocal  = 64
	maxDomain = 253
	maxLabel  = 63
)

// CheckAddress reports by a Refusal (mail.recipient.address) what keeps an
// envelope address from being decided on: it must be a plain local part, one @
// and a domain of letters, digits and hyphens. Quoted local parts, source
// routes, the routing characters % and !, address literals, internationalised
// domains (as written, or as xn--), a single label, a last label that is not
// all letters and trailing dots are refused before anything is compared, since
// another system may read a different domain in them. A nil error does not say that the mailbox exists.
func CheckAddress(address string) error {
	if why := addressFault(address); why != "" {
		return refuseAddress(why)
	}
	return nil
}

// CanonicalAddress returns a checked address in lower case, which is how
// addresses are compared: nhs.net mailboxes do not differ by case.
func CanonicalAddress(address string) (string, error) {
	if err := CheckAddress(address); err != nil {
		return "", err
	}
	return strings.ToLower(address), nil
}

// addressKey is how a store knows an address, and "", which it knows nobody by,
// for what is no address: no letter folds onto another, and no byte that a
// database refuses reaches it.
func addressKey(address string) string {
	key, err := CanonicalAddress(address)
	if err != nil {
		return ""
	}
	return key
}

func refuseAddress(why string) *wardkey.Refusal {
	return Rules().Refuse("mail.recipient.address", "why", why)
}

// addressFault says what is wrong with an address, or "".
func addressFault(address string) string {
	at := strings.IndexByte(address, '@')
	if at < 0 {
		return "it has no @"
	}
	local, domain := address[:at], address[at+1:]
	if why := localFault(local); why != "" {
		return why
	}
	return domainFault(domain)
}

func localFault(local string) string {
	if local == "" || len(local) > maxLocal {
		return "the part before @ is empty or too long"
	}
	dot := true // as if after a dot: none may come first
	for i := 0; i < len(local); i++ {
		c := local[i]
		switch {
		case c == '.':
			if dot {
				return "a dot is misplaced before the @"
			}
		case !atext(c):
			return "the part before @ has a character that this service does not send to"
		}
		dot = c == '.'
	}
	if dot {
		return "a dot is misplaced before the @"
	}
	return ""
}

// atext is RFC 5322 §3.2.3 without the routing characters % and !.
func atext(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("#$&'*+-/=?^_`{|}~", c) >= 0
}

func domainFault(domain string) string {
	if domain == "" || len(domain) > maxDomain {
		return "the domain is empty or too long"
	}
	start, letters := 0, true
	for i := 0; i <= len(domain); i++ {
		if i < len(domain) && domain[i] != '.' {
			c := domain[i]
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			case '0' <= c && c <= '9', c == '-':
				letters = false
			case c >= 0x80:
				return "the domain has letters outside a to z, which can look like another domain"
			default:
				return "the domain has a character that no domain has"
			}
			continue
		}
		if why := labelFault(domain[start:i]); why != "" {
			return why
		}
		if i == len(domain) && start == 0 {
			return "the domain is one word only, which each system completes in its own way" // RFC 5321 §2.3.5
		}
		if i == len(domain) && !letters {
			return "the domain does not end in a word of letters" // RFC 1123 §2.1
		}
		start, letters = i+1, true
	}
	return ""
}

func labelFault(label string) string {
	switch {
	case label == "":
		return "the domain has an empty label or a dot at its end"
	case len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-':
		return "the domain has a label that no domain has"
	case len(label) >= 4 && lowerASCII(label[0]) == 'x' && lowerASCII(label[1]) == 'n' && label[2:4] == "--":
		return "the domain is written in xn-- form, which can look like another domain"
	}
	return ""
}
