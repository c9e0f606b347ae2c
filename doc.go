// SPDX-License-Identifier: Apache-2.0

// Package wardkey holds the few words that the rooms of the Wardkey SDK share:
// a Refusal, which is a "no" as a value, and a Rulebook, which is policy as
// dated, cited data.
//
// # The rooms
//
// Each is imported on its own and none of the four imports another; they meet
// in the standard library's types.
//
//	careid      who a person is, what they sign in with, who may do what for
//	            them: runs on a server
//	pki         the certificates on a card, their life and revocation; a
//	            reference certificate authority: runs on a server
//	card        one smartcard on one desk, through PKCS#11: runs on a
//	            workstation, needs cgo
//	mailpolicy  account rules and the [secure] decision, as pure functions:
//	            runs anywhere
//
// Below them stand the parts that touch the world: the stores (sqlstore), the
// card protocol's server side (careid/cardhttp), the workstation's loopback
// service (card/agent), the signer (pki/stepca), the encryption of mail
// (mailpolicy/smime) and its relay (mailpolicy/gateway). For tests there are
// card/cardtest, pki/pkitest, careid/careidtest and mailpolicy/mailtest.
//
// # The story
//
// A sponsor invites a starter, an identity check is recorded, a Registration
// Authority manager approves, and a profile with a 12-digit user id opens. An
// agent makes two key pairs on a smartcard, careid asks pki for two
// certificates of three calendar years, and the card signs its holder in for
// at most eight hours, or until it is pulled. Three wrong passcodes lock it;
// a one-time code opens it again without anybody learning the passcode. In the
// last ninety days each sign-in says so, and renewal replaces both
// certificates; after the end only the Registration Authority can, with the
// holder present. A lost card is revoked, and OCSP, the CRL, its sessions and
// its mail link say so at once. The same person's mail leaves encrypted when
// its subject says [secure], and never in clear by mistake.
//
// examples/estate plays all of it on real parts.
//
// # Saying no
//
// Every refusal of careid and mailpolicy reaches the caller as a *Refusal
// through any wrapping:
//
//	var no *wardkey.Refusal
//	if errors.As(err, &no) {
//		fmt.Println(no.Rule, no.Public, no.Next)
//	}
//
// Errors of card and pki keep their own types; RuleOf gives the id of their
// rule. Over HTTP a Refusal travels as application/problem+json (RFC 9457):
// WriteProblem and ParseRefusal.
package wardkey
