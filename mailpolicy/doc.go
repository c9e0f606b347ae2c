// SPDX-License-Identifier: Apache-2.0

// Package mailpolicy holds the mail rules that hang on a care identity: whether
// a message may leave in clear, and what a mail account may do. It needs the
// standard library and golang.org/x only, and runs anywhere.
//
// Call Decide to ask what may be done with a message:
//
//	policy, err := mailpolicy.PolicyAt(now)
//	decision := mailpolicy.Decide(policy, mailpolicy.Message{Header: header, Recipients: rcpt})
//
// # The decision
//
// A sender asks for encryption by writing [secure] into the subject. Decide
// reads the raw header as the wire brought it, decodes the subject as mail
// programs do, and answers for each recipient: pass, encrypt or hold. Doubt
// never leaves in clear: what looks like the tag and is not, what can't be
// decoded and what can be read in two ways is held, with a *wardkey.Refusal for
// the sender. Ordinary talk of security ("secure results", "[not secure]") is
// no tag.
//
// What looks like the tag is found by one rule: a word is held that is set off
// from the rest of the subject and reads as secure, or as the tag of another
// system, such as encrypt (word.go).
//
//   - It is set off by brackets of any kind, also where one is missing, turned
//     round or inside the word; by a mark on both sides, as /secure/ and *secure*,
//     or a # before it; and, as the first word of the subject, by quotation marks
//     or any sign on both sides, or by a colon, a dash or a bar after it.
//   - It reads as secure where a hurried reader would see that word or one slip of
//     the pen: a letter missing, wrong or too many, or two swapped. Blanks and
//     signs inside, accents, hidden characters and letters of other alphabets go
//     unseen; English words that lie as near (severe, suture) are words of their
//     own. Where [ and ] stand around a single word, two slips count.
//   - Between [ and ] it is also held as the first of several words, or as one of
//     a list, unless they name a place: [secure results], not [Secure Unit].
//
// What the rule does not catch is the word with nothing around it (secure Hello),
// in quotation marks or between dashes further on, joined to other words
// (secure-results), with more slips, in another language, or in a picture.
//
// Which domains are secure by themselves is dated data (Rules): the seed's
// profile has nhs.net alone and what is under gov.uk, label by label; the
// accredited profile (Policy.Accredited) has nhs.net and a list that the caller
// brings (ParseDomainList). Where that list is stale, or can't be read and is
// nil, mail is encrypted that the sender may have thought safe. An address that
// holds another one is encrypted to as well. A message without the tag passes to
// an address that is not secure: that is the rule as published.
//
// A reply or a forward is as any message: encrypted while its subject has the
// tag. Where it answers an encrypted message (Message.Encrypted) and has lost the
// tag, it passes and Decision.Warning says so.
//
// PolicyAt is the published policy of a day, PolicyOf that of an organisation's
// Overlay, which may only tighten it; AccountsConfig.Rules is the same for
// accounts.
//
// # The accounts
//
// Accounts opens sites, accounts and shared mailboxes. It keeps its rows in a
// Store; mailpolicy/sqlstore is one on database/sql. Example (Account) takes an
// account from its application to its recovery.
//
//   - A site has ten accounts and one shared mailbox, and more by application
//     (GrantAccounts, GrantShared). CorrectSite keeps what it is registered with.
//   - An account (Open) is activated by a texted password that works once. Its
//     first login has three steps (ChangePassword, SetQuestions, AcceptPolicy);
//     then it may send. States and State.Can are a table of what it can do where.
//   - Policy.Life says, dated, after how many days an account that is not used
//     becomes inactive, is deleted and can't be restored. A server calls Due;
//     what an account can do does not wait for it. Used tells of a use that is no
//     SignIn, such as a message sent: the gateway does not call it by itself.
//   - StartRecovery, AnswerRecovery and FinishRecovery are Unlock Account or
//     Forgotten Password; HelpdeskVerify, HelpdeskReset and AuthoriseMobile are
//     the same by phone.
//   - SetMember, RemoveMember and CanOpenShared are a shared mailbox's owners and
//     members; BreakGlass gives one that lost its owners a new one. MarkLeaver and
//     Join take an account from one organisation to another.
//   - Policy.Contacts, Escalation, HelpdeskMenu, Methods and PrivateTicked are
//     what a page shows.
//
// Whoever calls with an Actor has made sure who that is. A Local Administrator is
// not tied to sites here: that the account is of their organisation is for the
// caller to know. The methods that take a token are for the holder, whom SignIn has
// let in; SignOut ends that session, SignOutEverywhere all of the account's. Each
// act writes to the audit chain in its own transaction (VerifyAudit).
//
// # Around it
//
// mailpolicy/smime encrypts, signs and opens; mailpolicy/gateway is a mail relay
// that decides and encrypts, with a page where people without a certificate pick
// their mail up; mailpolicy/mailtest helps tests. Passwords are held against the
// commonest ones, and against a list of breached ones where the caller brings it
// (Blocklist; HashFile reads the published one).
package mailpolicy
