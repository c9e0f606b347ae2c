// SPDX-License-Identifier: Apache-2.0

// Package card works with one smartcard on one desk through the PKCS#11 module
// of its maker: Open a module, find a [Card] by its serial, Login with its PIN,
// sign with a [Key].
//
//	module, err := card.Open(card.Config{Module: "/usr/lib/softhsm/libsofthsm2.so"})
//	c, err := module.Card(ctx, card.Selector{Serial: "WK0123456789"})
//	err = c.Login(ctx, pin, card.LoginOptions{})
//	key, err := c.Key(ctx, card.KeySelector{Label: "authentication"})
//	signature, err := key.SignContext(ctx, digest, crypto.SHA256)
//
// A Key is a crypto.Signer: it serves crypto/tls and crypto/x509 as it is.
//
// # A card comes and goes
//
// Cards are known by serial, never by slot, so Card and Key values outlive a
// removal: when the card is in a reader again, the next call finds it. It is
// logged out then. Without a [Prompter] the call answers ErrNotLoggedIn until
// Login is called; with one, set by [Card.PromptWith], it asks once and goes on.
// A card with another serial is never taken for it, whatever its label, and a
// card of the same serial with other keys answers ErrNotFound.
//
// While the card is out, calls answer ErrRemoved. What may be repeated (reading,
// signing) is repeated once by itself when the card was away in between; making
// and writing is not.
//
// # PINs
//
// Each PIN that the caller gives is sent at most once. What can be refused
// without the card is refused before it is sent: a wrong length, a locked PIN,
// and the last try unless [LoginOptions] allow it. After each refusal the card's
// flags are read, and ErrLocked is told apart from ErrWrongPIN by them. PKCS#11
// has no number of tries left; [PINState] is all that there is, and some cards
// tell nothing before they lock.
//
// PINs are []byte. This package keeps none, and puts none into an error or a
// log; the caller clears what it passes, and only what a Prompter returned is
// cleared here. The module sees every PIN and may keep copies.
//
// A login belongs to the Card value that made it, though PKCS#11 keeps it for the
// process: another Card of the same serial doesn't sign with it. The security
// officer's work ([Card.ResetPIN], [Card.SO]) begins by logging the holder out
// and ends with nobody logged in. Cards with a PUK instead are unlocked by
// [Card.ResetPINByPUK]; which of the two a card wants can't be asked of it.
//
// Where [TokenInfo].PINPad is set, a nil PIN is asked for at the reader.
//
// # Signatures
//
// A Key is also a crypto.MessageSigner. It takes the first mechanism that the
// card has: the one for a digest, then, where the message is known, the one that
// hashes by itself, then the bare RSA operation on what is padded here. A key
// that wants the PIN for each signature asks the Prompter each time, with
// [Prompt].Once.
//
// # Errors
//
// The Err… values are asked for by errors.Is; [Error], by errors.As, has the
// function and the CK_RV, and [PINError] whose PIN was refused and what is known
// of its tries. All have a Rule() string, the id that a rulebook
// explains to the person.
//
// # What it is built for
//
// The module is loaded into the process (cgo). Built without cgo, Open answers
// ErrUnsupported. It was run on Linux with SoftHSM 2.6.1, by itself and under
// cardtest's shim; for Windows it is only built (64 bits, mingw-w64), and for
// macOS only vetted. PIN pads and PUKs were tried with cardtest's virtual cards
// and not with a reader.
//
// Specification: PKCS#11 Cryptographic Token Interface v2.40, OASIS.
package card
