// SPDX-License-Identifier: Apache-2.0

package pki

import (
	_ "embed"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

//go:embed rules.json
var rulesJSON []byte

// Rules returns what was published about the life of certificates, as dated
// values with their sources.
func Rules() (*wardkey.Rulebook, error) { return rules() }

var rules = sync.OnceValues(func() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) })

// ProfileAt returns the profile in force at an instant, to be completed with Base
// and UPNSuffix: two years from 2015, three from 2 April 2025. It chooses; it
// changes no certificate that was issued before. It fails before 2015.
func ProfileAt(t time.Time) (ProfileConfig, error) {
	book, err := Rules()
	if err != nil {
		return ProfileConfig{}, err
	}
	years, err := book.Int("cert.validity", t)
	if err != nil {
		return ProfileConfig{}, err
	}
	window, err := book.Duration("cert.renewal", t)
	return ProfileConfig{Years: years, RenewalWindow: window}, err
}
