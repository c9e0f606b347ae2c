// SPDX-License-Identifier: Apache-2.0

// Package smime encrypts, signs, opens and verifies mail: CMS (RFC 5652) in the
// form that S/MIME 4.0 (RFC 8551) uses, with nothing between it and the standard
// library's cryptography.
//
//	e, err := smime.New(smime.Config{Roots: roots})
//	err = e.Encrypt(ctx, out, message, []smime.Recipient{{Address: "gp@practice.example", Certificate: cert}})
//
//	d, err := smime.NewDecrypter(smime.DecryptConfig{Keys: []smime.Key{{Certificate: cert, Private: key}}, Roots: roots})
//	m, err := d.Open(ctx, message) // m.Header, m.Body, m.Authenticated, m.Signed()
//
// # What is written
//
// EnvelopedData with AES-256-CBC, in BER of indefinite length, so that a
// message of any size takes the same few hundred kilobytes of memory; or, by
// Config.GCM, AuthEnvelopedData with AES-256-GCM, which holds the message in
// memory. CBC hides a message but does not show that it was altered on the way
// (the Efail attacks), GCM does; CBC is the default because mail programs of
// some years ago read nothing else. Each recipient gets the content key under
// their own:
//
//   - RSA keys by RSAES-OAEP with SHA-256 for the hash and the mask. Config.RSA15
//     chooses RSAES-PKCS1-v1_5 instead, for clients that know no OAEP. OAEP is
//     the default because the older padding lets whoever can ask a decrypting
//     system many questions learn the key.
//   - P-256 and P-384 keys by ephemeral-static ECDH (RFC 5753):
//     dhSinglePass-stdDH-sha256kdf-scheme and aes256-wrap.
//
// Config.Signer signs the message first, with any crypto.Signer: a smartcard's
// key signs without leaving the card. The signature names its certificate by
// hash (RFC 5035), so that nobody can show it as one by another certificate of
// the same key; where others name theirs, it must be the one. What is signed is a
// multipart/signed inside the encryption. On the outside a relay could rewrite
// it, which is why others hide theirs in base64; inside nobody can, and it is
// shorter by a third and streams. Nobody on the way learns that the message is
// signed, or by whom.
//
// # What is read
//
// Decrypter.Open takes a whole message apart: encrypted, signed, or both. It
// reads what is written here and what others write, in DER or in BER of any
// shape: AES-CBC and AES-GCM of 128, 192 and 256 bits; three-key triple DES,
// which openssl 3.0 writes unasked; RSAES-OAEP with SHA-1 or SHA-2 and
// RSAES-PKCS1-v1_5; ECDH on P-256, P-384 and P-521 with the KDF over SHA-1 or
// SHA-2; signatures by RSASSA-PKCS1-v1_5, RSASSA-PSS, ECDSA and Ed25519 with
// SHA-2, detached or not. Not CompressedData (RFC 3274): nothing here makes more
// octets of fewer.
//
// Everything that is wrong with a message is one Refusal (mail.unreadable,
// whose cause is ErrUnreadable), and comes before any of the content does. A
// CBC message that nobody trusted has signed is among them, unless the caller
// asks for it by AcceptUnauthenticated: it can be altered so that a mail
// program sends what is in it elsewhere. So what is written with neither GCM
// nor a Signer, for old programs, is not opened here unasked.
//
// A signature proves that whoever has the key signed the body, and the header
// where it is Protected; not when, and not to whom they were sent, but by the To
// inside. Whose key it is says the certificate, by the address in it; where it has
// none, as those on smartcards, DecryptConfig.AddressesOf does, or the signer is
// not trusted.
//
// The keys of people are in their mail programs or tokens: any crypto.Decrypter
// opens for RSA, any Agreer for EC.
//
// # What is left outside
//
// Encrypt makes the whole message the secret: its header goes inside with its
// body (RFC 9788, hp="cipher"). Outside stay From, To, Cc, Date and Message-ID,
// and a subject that says nothing; Bcc is in neither. The RFC's baseline writes
// "[...]" for the subject. OuterSubject puts [secure] before it: a reply from a
// program that knows only the outer subject then still asks for encryption, and
// nothing of the real one is told. A program without RFC 9788 shows the reader
// that outer subject; the real one is at the head of the decrypted part. What
// stays outside stays as it was written: a name beside an address in To is read
// by everyone on the way. A message that its sender has signed already keeps its
// signature, and its header goes around it, where RFC 9788 has no reader look:
// programs show the outer subject, and Open the real one as Message.Header says.
//
// # Who it is written for
//
// A certificate is used only if Check passes it: right address, right purpose,
// a strong key, in date, a chain to the configured roots, and not revoked, nor an
// authority in between, if Config.Revoked is there to ask: this package does not
// use the network. A pki.Verifier with its lists and responders can be asked, as
// examples/mailgate does. Signers are judged in the same way, by
// Signature.Distrust.
//
// The list of recipients inside the CMS can be read by all of them, so someone
// in Bcc needs a copy of their own.
package smime
