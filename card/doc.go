// SPDX-License-Identifier: Apache-2.0

// Package card works with one smartcard on one desk through the PKCS#11 module
// of its maker: Open a module, find a [Card], Login with its PIN, sign with a
// [Key].
//
//	module, err := card.Open(card.Config{Module: "/usr/lib/softhsm/libsofthsm2.so"})
//	c, err := module.Card(ctx, card.Selector{Serial: "WK0123456789"})
//	err = c.Login(ctx, pin, card.LoginOptions{})
//	key, err := c.Key(ctx, card.KeySelector{Label: "authentication"})
//	signature, err := key.SignContext(ctx, digest, crypto.SHA256)
//
// A Key is a crypto.Signer: it serves crypto/tls and crypto/x509 as it is.
//
// # Modules
//
// [Open] takes the absolute path of the maker's PKCS#11 module, or a URI with it
// ([ParseURI]). It refuses one that others can replace, and tells the loader's own
// words where there is none. C_Initialize is called once a process and module,
// however many [Module] values there are, with [Config].InitArgs where the module
// wants some; one that other code has initialised is used and never finalised. Any
// number of modules work side by side. Nothing happens by itself: a Module is
// open until Close, and its code stays loaded until the process ends.
//
// A module that is only the near end of another process (p11-kit's client) is
// initialised anew when that process was restarted; its cards were away meanwhile.
//
// # Finding a card
//
// A [Selector] says which card: by serial, label, make, or a certificate that it
// holds. Two that match are ErrAmbiguous, never the first. [Module.Slots] lists the
// readers, and [Module.Events] tells of cards that come and go, within a quarter of
// a second, from what is seen and never from a module's word alone.
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
// and writing is not. A removal that the module tells as some failure is ErrRemoved
// too, and none is ever told as a wrong PIN. Some modules answer from memory what
// they once read, so the slot is asked first whether it has a card. OpenSC looks
// at its reader once a second at most: for so long what is read may be of a card
// that is out, and what is signed never is.
//
// A card works on one call at a time, on one session of its own: a smartcard is
// serial anyway, and a second session gained nothing that could be measured. After
// a call that failed the session is closed and another opened, since it may hold
// an unfinished operation. Of what comes from a reader, a signature that doesn't
// verify is ErrMismatch: a card can be swapped faster than the reader notices.
//
// Contexts bound the waiting: for a card that is in use, for the list of readers,
// for a person who is asked; and they are looked at between calls of the module. A
// call that runs inside the module can't be stopped; a module that hangs keeps the
// card that hangs, and nobody who waits for it longer than their context. A card that
// doesn't even say what it is within five seconds is ErrHung, and the others go on;
// Close waits for it.
//
// # PINs
//
// Each PIN that the caller gives is sent at most once. What can be refused
// without the card is refused before it is sent: a wrong length, a locked PIN,
// and the last try unless [LoginOptions] allow it. After each refusal the card's
// flags are read, and ErrLocked is told apart from ErrWrongPIN by them. PKCS#11
// has no number of tries left; [PINState] is all that there is, and a card that
// tells nothing before it locks is PINUnknown once that shows. A refused PIN is
// never sent again by itself: who waited for the same [Prompter] shares its
// refusal.
//
// PINs are []byte. This package keeps none, and puts none into an error or a
// log; the caller clears what it passes, and only what a Prompter returned is
// cleared here. The module sees every PIN and may keep copies.
//
// A login belongs to the Card value that made it, though PKCS#11 keeps it for the
// process: another Card of the same serial doesn't sign with it. It ends with
// Logout, with the removal, and with its Module; whether the card forgets too is the
// module's doing ([Card.Logout]). The security
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
// # Signing in and TLS
//
// An NHS card has a pair of certificates. [Card.Authentication] gives the one that
// signs its holder in, with its key; which one that is, [Config].Authentication
// says, and [ForAuthentication] where it says nothing, whose evidence stands there.
//
// [Key.TLS] makes a tls.Certificate of a key for client authentication in TLS 1.2
// and 1.3, with the issuers that the card holds.
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
// ErrUnsupported.
//
// It was run on Linux (amd64): with SoftHSM 2.6.1, NSS softokn 3.87 and
// opencryptoki 3.8's software token, each by itself and under cardtest's shim; with
// p11-kit's client 0.24, its server killed and started again; and with OpenSC 0.23 on
// pcscd 1.9, with a virtual reader and a PIV card in software. On each of the five
// a Key signed again after its card was pulled and put back, which of the first
// three only the shim can do. What was seen of them besides:
//
//   - OpenSC: removals are noticed only as said above; C_Logout leaves a PIV card
//     verified; the card locks and a PUK opens it; nothing writes to it.
//   - opencryptoki: RSA only; it locks at the third wrong PIN, but C_SetPIN takes
//     the right PIN of a locked token; C_Finalize closes a file descriptor twice, so
//     that a program does well to keep its Module open.
//   - NSS: two tokens with one serial, told apart by their labels; no tries, no
//     flags and no security officer.
//   - p11-kit's client: it answers CKR_DEVICE_ERROR for ever once its server is gone,
//     and is initialised anew.
//
// For Windows it is only built (64 bits, mingw-w64): packed structures, 32-bit
// CK_ULONG, LoadLibraryExW. For macOS it is only vetted. PIN pads were tried with
// cardtest's virtual cards and not with a reader; the manners of other modules
// (other encodings of points and signatures, PINs that expire, missing flags) with
// a test module that has them. How each was run stands in cardtest/lanes.
//
// Specification: PKCS#11 Cryptographic Token Interface v2.40, OASIS.
package card
