// SPDX-License-Identifier: Apache-2.0

// Package virtualkeys approves the security keys that Chromium's browsers make up
// themselves, in the WebAuthn panel of their developer tools and for their drivers,
// so that a demonstration can be tried without a key of any maker.
//
//	models, err := virtualkeys.Models() // of webauthn.Config.Models
//
// The list is models.json, which the programs that have -models take as it is.
//
// All of these keys attest by one key pair, which stands in Chromium's source: such
// an attestation proves nothing, and no list of a deployment may name them. Each
// brings a fresh certificate of that pair, signed by itself. The root of the list has
// the name and the public key of that certificate, so that it verifies what they bring.
package virtualkeys

import (
	_ "embed"

	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

//go:embed models.json
var models []byte

// Models are the list.
func Models() ([]webauthn.Model, error) { return webauthn.ParseModels(models) }
