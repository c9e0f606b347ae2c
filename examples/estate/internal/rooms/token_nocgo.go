// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package rooms

import "github.com/wardkey-sdk/wardkey/card"

const tokenLabel = "estate-issuing"

// prepareToken needs PKCS#11, and PKCS#11 needs cgo.
func prepareToken(string, string, []byte, []byte) error { return card.ErrUnsupported }
