// SPDX-License-Identifier: Apache-2.0

// Package stepca is the signer behind package pki: smallstep's softcas, with keys
// in memory, in passphrase-encrypted files, in a PKCS#11 token, or behind any
// crypto.Signer. It decides no date and no extension; pki does.
//
// Open makes the hierarchy, a root and an issuing CA, or takes up the one that is
// there. It can be called again after a crash at any moment: it goes on from what
// was made, and never overwrites a key or a certificate.
//
//	authority, err := stepca.Open(ctx, stepca.Config{
//		Dir:        "/var/lib/wardkey/pki",
//		Passphrase: readPassphrase,
//		IssuingKey: stepca.PKCS11{Module: "/usr/lib/softhsm/libsofthsm2.so", Token: "issuing", PIN: readPIN},
//	})
//
// In Dir stand root.crt and issuing.crt and, for keys in software, root.key and
// issuing.key. When issuing.crt is there, the root's key isn't read: take it away
// and keep it offline.
//
// An issuing.key that was made under a passphrase of zero bytes, as versions
// before the check for one could when the same slice was given out twice, is
// readable by whoever has the file: treat it as exposed, make a new hierarchy and
// revoke what it issued.
//
// A token that was away signs again when it is back, without a restart: its
// sessions are opened anew when a signature fails. A PIN that it refuses then isn't
// tried twice.
//
// PKCS#11 needs cgo; without it, Open fails for such a key and everything else
// works.
package stepca
