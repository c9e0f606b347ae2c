// SPDX-License-Identifier: Apache-2.0

package card

// What the fuzz tests read bytes with.
var (
	ECPublicKey  = ecPublicKey
	RSAPublicKey = rsaPublicKey
	ECDSADER     = ecdsaDER
	SignatureDER = signatureDER
	EncodePSS    = encodePSS
)
