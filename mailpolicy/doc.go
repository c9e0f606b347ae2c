// SPDX-License-Identifier: Apache-2.0

// Package mailpolicy holds the mail rules that hang on a care identity: whether
// a message may leave in clear, and what a mail account may do. It needs the
// standard library and golang.org/x only, and runs anywhere.
//
// Call Decide to ask what may be done with a message:
//
//	policy, err := mailpolicy.PolicyAt(time.Now())
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
// no tag. The look-alikes that are known are those in lookalike.go; a word in
// square brackets with more than three letters that are not among them passes
// for ordinary talk.
//
// Which domains are secure by themselves is dated data (Rules): the seed's
// profile has nhs.net alone and what is under gov.uk, label by label; the
// accredited profile has nhs.net and a list that the caller brings. A message
// without the tag passes to an address that is not secure: that is the rule as
// published.
//
// # The accounts
//
// Accounts opens sites, accounts and shared mailboxes, sends activation
// passwords by text, takes an account through the three steps of its first
// login, and says what each account may do. It keeps its rows in a Store;
// mailpolicy/sqlstore is one on database/sql.
//
// # Around it
//
// mailpolicy/smime encrypts, mailpolicy/gateway is a mail relay that decides
// and encrypts, mailpolicy/mailtest helps tests. Encrypting for people without
// a certificate, recovery by security questions, inactivity and leavers are not
// there yet.
package mailpolicy
