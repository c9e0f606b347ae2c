// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"slices"

	"github.com/wardkey-sdk/wardkey/careid"
)

// The values of acr_values that a session can meet. Those with a method's name are met by that method alone.
const (
	acrAny3   = "AAL3_ANY"
	acrAny2   = "AAL2_ANY"
	acrEither = "AAL2_OR_AAL3_ANY"
)

// methodACR are the values for one method each, with its word in amr or, for both kinds of smartcard, the card.
func methodACR() map[string][]string {
	return map[string][]string{
		"AAL3_SMARTCARD":      {"N3_SMARTCARD", "CIS2_SMARTCARD"},
		"AAL3_N3_SMARTCARD":   {"N3_SMARTCARD"},
		"AAL3_CIS2_SMARTCARD": {"CIS2_SMARTCARD"},
		"AAL3_FIDO2":          {"FIDO2"},
		"AAL3_IOS":            {"IOS"},
		"AAL2_TOTP":           {"TOTP"},
		"AAL2_NHSMAIL":        {"NHSMAIL"},
	}
}

func supportedACR() []string {
	all := []string{acrAny3, acrEither, acrAny2}
	for value := range methodACR() {
		all = append(all, value)
	}
	slices.Sort(all[3:])
	return all
}

// acrOf is what a session may be called towards a client that asks for any of these values: the first one that it meets.
// Of the values that name a level only, it is the session's own; so it is where nothing is asked for. It comes from what
// the person used. AAL1_USERPASS and unknown values are met by nothing.
func acrOf(s *careid.Session, wanted []string) (string, bool) {
	if len(wanted) == 0 {
		return s.ACR, true
	}
	for _, value := range wanted {
		switch value {
		case acrAny3:
			if s.AAL >= 3 {
				return s.ACR, true
			}
		case acrAny2, acrEither:
			if s.AAL >= 2 {
				return s.ACR, true
			}
		default:
			level := careid.AAL(2)
			if len(value) > 3 && value[:4] == "AAL3" {
				level = 3
			}
			if s.AAL >= level && slices.ContainsFunc(methodACR()[value], func(m string) bool { return slices.Contains(s.AMR, m) }) {
				return value, true
			}
		}
	}
	return "", false
}
