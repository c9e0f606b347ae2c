// SPDX-License-Identifier: Apache-2.0

// Package smime encrypts mail for people with a certificate: CMS (RFC 5652) in
// the form that S/MIME 4.0 (RFC 8551) uses, written as a stream.
//
//	e, err := smime.New(smime.Config{Roots: roots})
//	err = e.Encrypt(ctx, out, message, []smime.Recipient{{Address: "gp@practice.example", Certificate: cert}})
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
// Signing and decrypting are not there yet.
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
// by everyone on the way.
//
// # Who it is written for
//
// A certificate is used only if Check passes it: right address, right purpose,
// a strong key, in date, a chain to the configured roots, not revoked if
// Config.Revoked is there to ask.
//
// The list of recipients inside the CMS can be read by all of them, so someone
// in Bcc needs a copy of their own.
package smime
