// SPDX-License-Identifier: Apache-2.0

// Package pivapplet is a PIV smartcard in software, for tests: the part of NIST
// SP 800-73-4 that signs with a PIN, behind the reader that vsmartcard's driver
// gives to pcscd.
//
//	piv, err := pivapplet.New(pivapplet.Config{})
//	err = piv.Insert("127.0.0.1:35963")
//	err = piv.Eject()
//
// What PC/SC and PKCS#11 software sees is a real card in a real reader: APDUs,
// counters on the card, a PUK, insertions and removals. It is no secure element:
// its keys lie in this process.
//
// It knows SELECT, GET DATA, VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER
// and GENERAL AUTHENTICATE (internal authenticate of RSA-2048) with command
// chaining and GET RESPONSE. The keys are that of PIV Authentication (9A) and of
// Digital Signature (9C), which wants the PIN right before each signature.
// Nothing is written: PUT DATA, GENERATE ASYMMETRIC KEY PAIR, the administrator's
// key, secure messaging and the contactless interface are not there.
package pivapplet
