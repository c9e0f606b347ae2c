// SPDX-License-Identifier: Apache-2.0

// Package gateway is a mail relay that lets nothing out in clear that its
// sender wanted encrypted.
//
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	g, err := gateway.New(gateway.Config{
//		NextHop: "127.0.0.1:2525", Encrypter: e, Directory: d, Store: store, Key: key,
//	})
//	err = g.Serve(listener)
//
// It stands between a mail system and the way out. Each message is decided by
// mailpolicy.Decide: copies that may pass go on as they came, without Bcc and
// with one Received line; copies that must be encrypted are encrypted by
// mailpolicy/smime; a message that is held is answered with a 5xx reply.
//
// # What 250 means
//
// A message is decided, encrypted and durable in the Store before it is answered
// with 250; from then on it is the gateway's (RFC 5321 §4.2.5). Whatever keeps it
// from that is a 4xx reply, and the system before keeps the message: 452 where
// there is no room, by Config.MaxSpoolBytes or on the disk. That comes before the
// content where a message has said its SIZE, or where nothing fits. A message
// goes to all of its recipients or to none: a missing certificate or a bad
// address holds it for all. A message that is held is refused at the end of its
// DATA: the reply carries the Refusal's sentence, its rule and the next step, and
// it is the duty of the system before to tell the sender (RFC 5321 §6.1).
//
// What was taken is delivered at least once to each recipient, with the
// Message-ID it came with. Twice is possible, where a connection breaks before
// the next hop's last answer, or where a process is killed between that answer
// and the next commit. It is tried again after 1 minute, 2, 4 and so on up to an
// hour, by the machine's clock, until Config.GiveUp (a clock that jumps ahead by
// as much gives up what it then tries in vain). Each recipient ends by
// themselves: delivered, or given up by a 5xx answer or by time.
//
// # Reports
//
// Who was given up is reported to the envelope's sender (RFC 3464), in the same
// transaction; so is, once for each copy, who still waits at the first try after
// Config.DelayedAfter that reaches the next hop. The gateway does not offer DSN
// (RFC 3461): nobody can ask for other reports, or for none. A report comes from
// the empty sender, so none is ever made of a report, nor of a message that came
// with that sender. It repeats From, To, Cc, Date and Message-ID and nothing
// else: no subject and no content, not even of what was sent in clear. It goes
// out by the next hop like any other mail, to an address that whoever may connect
// has named; Config.Senders keeps it from being anyone's.
//
// # Replies that lost their tag
//
// The gateway remembers for Config.RememberFor which Message-IDs it encrypted, as
// keyed hashes. A message without the tag that answers one of them, or seems to
// (mailpolicy.Decision.Warning), goes as Decide has let it; its sender gets a
// mail that names those to whom it went in clear, in the same transaction as the
// message. A 250 reply has no words that a person sees, and a refusal would hold
// what the rule lets go. Nobody is warned of a message from the empty sender, nor
// of one that a program wrote (Auto-Submitted). Answers to mail that was encrypted
// elsewhere are known by their subject alone. A gateway whose Key was changed has
// forgotten all.
//
// # People without a certificate
//
// With Config.PickupURL, a recipient for whom no certificate is known gets a mail
// with a link instead of a refusal for its sender. (A certificate that is known
// and bad still holds the message: its owner must hear of it.) The message waits
// in the Store, sealed under a key that is only in the link:
//
//	mux.Handle("/pickup/", g.PickupHandler())
//	next, err := g.Due(ctx) // every second, or at next: deletes what was kept long enough
//
// The page sends a passcode of eight digits to the recipient's mailbox when it is
// asked to, and to nowhere else. A passcode is good for 15 minutes and five tries,
// each counted in the Store before it is looked at; it opens the message once, in
// one browser, for 15 minutes; there are ten passcodes for a message, a minute
// apart. After Config.PickupFor the message is deleted, and its sender gets a
// report if nobody has read it. Its sender is not told that it was read.
//
// An audit has what becomes of such a message, in the transaction that does it:
// parked, a passcode asked for, typed, opened, expired. PickupAudit lists its
// rows and VerifyAudit proves that none was changed. Who opened which message and
// when is in it as far as it is known: whoever had the link and the passcode from
// the recipient's mailbox. Its names are sealed under Config.Key, and lost with
// it; of content and subject it has nothing. What is looked at while the message
// is open is no row, nor is a link that leads nowhere or a passcode that isn't
// looked at. The audit is never deleted.
//
// The link is the whole path, not a fragment: a fragment would need a script on
// the page, whose server sees the message anyway. So the key passes through the
// server whenever the page is used, and never into the Store; a log of paths
// would keep it (see PickupHandler). The mail that brings the link waits in the
// Store like any other, sealed under Config.Key, until the next hop has it. It
// says who has written and nothing of what. Both the link and the passcode go to
// the same mailbox, through the next hop: whoever reads that mailbox, or all mail
// on its way, reads the message. What this adds to sending it in clear is that
// nothing stays in mailboxes and mail servers, that a link found later opens
// nothing, and that it is seen when somebody tries. Where the mail with the link
// can't be brought, its sender gets a report and the message is deleted.
//
// The page needs no script. A text is shown as text; HTML only with the elements
// that give it form, without their attributes, links and pictures, and in a
// sandbox; all else is handed out as a file. What keeps somebody from a message is
// a Refusal (mail.pickup.*), whose sentence the page shows.
//
// # At rest
//
// The Store has everything sealed (AES-256-GCM) under Config.Key, addresses too;
// how many messages wait, how long they are and how often they were tried can be
// seen. What is encrypted for its recipients is stored encrypted, so the key
// opens of it only the outer header; of what waits to be picked up it opens who
// wrote to whom, and when it was opened is in clear. Content that was altered in
// the Store is never sent on: its sender gets a report. An envelope that was
// altered says nothing of sender and recipients any more; the message stays, and
// the log names it. Whoever can write to the Store can still delete from it, or
// put back an older envelope, which makes a recipient get a message again; with a
// link as well, they need no passcode.
//
// The Store holds Config.MaxSpoolBytes of mail at most; a message of the
// gateway's own may go over that, and so may what other gateways on the Store
// take within a second, or a minute while it is less than half full. The audit
// and what is remembered of Message-IDs are not counted. What waits to be picked
// up counts too, for as long as it waits: where it fills the Store, other mail
// has to wait (EventFull). On a disk that is full before that, deliveries wait as
// well.
//
// Any number of gateways may share one Store and one key. A copy is one
// gateway's for a minute at a time; where one dies, another goes on after that.
//
// # Bcc
//
// Those whom To and Cc name share one encrypted copy. Everyone else gets a copy
// encrypted for them alone, so that the list of recipients inside it tells
// nobody of anyone hidden. Bcc, the fields like it and the "for" of earlier
// Received lines go from every copy; other fields of a copy in clear are the
// sender's, and are not looked into.
//
// # Bounds
//
// Messages up to the policy's size (35 MB) pass through in a few hundred
// kilobytes of memory a copy and a megabyte or two a message; with
// smime.Config.GCM an encrypted copy takes up to three times the message. The
// Store holds each copy whole: a message of 35 MB to 50 hidden recipients takes
// 2.4 GB of it. A line has 1998 characters at most, in a chunk (BDAT) too. Parts
// may be nested 100 deep, and the pick-up page looks down to 20; what is
// encrypted already is not looked into.
//
// The gateway takes the envelope's sender at its word, so whoever may connect
// (Config.Networks) must be trusted to say who they are. It knows a message
// that comes round again by its own Received line, or by more than a hundred of
// anyone's. A sender that ends TLS in
// good form in the middle of its last chunk (BDAT) is believed to have sent all. One
// that ends its last line with CR CR LF waits for an answer until Config.Timeout:
// the dot after that is no end, and nothing of the message is taken.
package gateway
