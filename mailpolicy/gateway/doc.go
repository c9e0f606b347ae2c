// SPDX-License-Identifier: Apache-2.0

// Package gateway is a mail relay that lets nothing out in clear that its
// sender wanted encrypted.
//
//	g, err := gateway.New(gateway.Config{NextHop: "127.0.0.1:2525", Encrypter: e, Directory: d})
//	err = g.Serve(listener)
//
// It stands between a mail system and the way out. Each message is decided by
// mailpolicy.Decide: copies that may pass go on as they came, without Bcc and
// with one Received line; copies that must be encrypted are encrypted by
// mailpolicy/smime; a message that is held is answered with a 5xx reply.
//
// # Nothing is lost, nothing is kept
//
// The gateway has no queue. It answers 250 only when the next hop has taken
// every copy, and holds by refusing the message at the end of its DATA: the
// reply carries the Refusal's sentence, its rule and the next step, the system
// before still has the message, and it is that system's duty to tell the sender
// (RFC 5321 §6.1). No note is sent by the gateway itself, which could be lost
// or go to a forged address.
//
// A message goes to all of its recipients or to none: a missing certificate, a
// bad address or a recipient that the next hop refuses holds it for all, before
// any content is sent. Content streams to all copies at once; if it breaks off,
// is too large or has a bare CR or LF, every connection is dropped without the
// final dot. Only where the next hop takes one copy's content and refuses
// another's is a message split; the 554 reply then names who did not get it.
// After a 4xx reply the sender's system tries again, with the same Message-ID.
//
// # Bcc
//
// Those whom To and Cc name share one encrypted copy. Everyone else gets a copy
// encrypted for them alone, so that the list of recipients inside it tells
// nobody of anyone hidden.
//
// # Bounds
//
// Messages up to the policy's size (35 MB) pass through in a few hundred
// kilobytes of memory a copy, and never touch a disk; with smime.Config.GCM an
// encrypted copy takes up to three times the message.
//
// The gateway takes the envelope's sender at its word, so whoever may connect
// (Config.Networks) must be trusted to say who they are. It knows a message
// that comes round again by its own Received line. A sender that ends TLS in
// good form in the middle of its last chunk (BDAT) is believed to have sent all.
package gateway
