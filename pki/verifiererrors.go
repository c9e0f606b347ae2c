// SPDX-License-Identifier: Apache-2.0

package pki

// What a Verifier refuses with, beside ErrRevoked, ErrHeld, ErrExpired,
// ErrNotYetValid and ErrUnknownCertificate. Each has a method Rule() string.
var (
	// ErrUntrusted: no path from the certificate to a root holds. Rule
	// cert.unknown.
	ErrUntrusted error = &ruled{"cert.unknown", "no path leads from the certificate to a trusted root"}
	// ErrPurpose: the certificate isn't for what it is to be used for. Rule
	// cert.usage.
	ErrPurpose error = &ruled{"cert.usage", "the certificate is not for this use"}
	// ErrStatus: nothing that could be found tells whether the certificate, or
	// one above it, is revoked. The error wraps what each source said. Rule
	// cert.status.
	ErrStatus error = &ruled{"cert.status", "whether the certificate is revoked could not be established"}
)
