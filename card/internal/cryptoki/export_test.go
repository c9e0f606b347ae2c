// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cryptoki

// FunctionsOf looks for miekg's list in what may be of another version.
func FunctionsOf(miekg any) error {
	_, err := functionsOf(miekg)
	return err
}
