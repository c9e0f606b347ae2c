// SPDX-License-Identifier: Apache-2.0

// Package tour plays the life of a smartcard on a running estate, from the
// certificate authority's first day to the verified audit, in seventeen steps. It
// is a client: it knows one address and imports no room of Wardkey, so each
// step shows what somebody outside would see, over HTTP, PKCS#11 (through the
// workstation's agent), OpenID Connect, OCSP and SMTP.
//
//	passed, failed, err := tour.Run(ctx, tour.Addresses{Web: web}, os.Stdout)
//
// It wants an estate that was just seeded, with an RA manager, an RA agent and
// a sponsor who have cards, and it moves that estate's clock more than three
// years ahead. The staff's own cards reach their end on the way and are renewed
// in their window.
//
// A step that fails says what was expected and what came, and the tour goes on:
// later steps that build on what the failed one should have made fail with that
// reason, the others stand alone. The program openssl is needed; it is the
// second opinion on certificates and encrypted mail.
package tour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// Addresses of a running estate. Web is the base URL of its pages; those of its
// workstations and its mail gateway it tells itself.
type Addresses struct {
	Web string
}

// step is one numbered line of the tour.
type step struct {
	sentence string
	play     func(context.Context, *story) error
}

// steps are the chapters in order; a step's number is its place.
func steps() []step {
	return []step{
		{"the CA comes up: root and issuing key, the issuing key held in SoftHSM; openssl verify accepts the chain", authority},
		{"a starter applies, is checked and approved, and the profile opens; a sponsor opening one directly is told where to go and who can", application},
		{"a card is issued: two key pairs made on it, two certificates that end three calendar years on, minus a second", issuance},
		{"the nurse signs in with card and passcode: at 7 h 59 the session holds, at 8 h it is gone", signIn},
		{"three wrong passcodes lock the card; the right one is then refused; a restart changes nothing", lock},
		{"self-service unlock by an 8-digit code over SMTP: a wrong, a late and a twice used code are refused; the new passcode works, the old is dead; at the desk an RA agent unlocks it and changes the passcode with the holder there", unlock},
		{"91 days before the end there is no alert and no renewal; at 90 days each sign-in alerts, renewal replaces both certificates and the alert is gone", renewal},
		{"a card past its end can't sign in or be self-unlocked; an RA agent renews it with the holder present; a sponsor may not", expiry},
		{"a lost card is revoked: OCSP says so, the CRL lists it, its session ends, sign-in is refused", loss},
		{"pulling the card ends the session within 2 seconds", removal},
		{"the clinical portal signs the nurse in through the OpenID Provider: card, passcode, and one of two roles; the link portal then asks for nothing, and for the card again once the sign-in is 5 minutes old", portals},
		{"pulling the card signs the nurse out of both portals within 5 seconds, by logout tokens; putting it back revives neither", pulled},
		{"the link portal shows every missing condition at once, then links a mail account; a second link is refused, and moved in one act; unlink frees the card", linking},
		{"the eleventh account of a site and its second shared mailbox are refused", quota},
		{"a new account can't send until its password is changed, its questions are set and the policy is accepted", gates},
		{"[secure] to an outside address arrives encrypted and openssl opens it to the same bytes; to nhs.net it goes as it is", secureMail},
		{"somebody without a certificate gets a notice that says nothing of the message; its link asks for a passcode: a wrong one is refused, the right one shows the message, and neither another browser nor a second use does", pickup},
		{"Bcc leaves no trace: every hidden recipient has a copy of their own, and openssl finds one recipient in each and no sign of another", hiddenCopies},
		{"(secure) is held, goes nowhere, and its sender is told the rule and what to write; corrected to [secure] the message leaves encrypted", corrected},
		{"the audit chains verify; a copy with one row changed is found, and the row named", audit},
	}
}

// stepLimit is far beyond what any step takes; it keeps a hung estate from
// hanging the tour.
const stepLimit = 3 * time.Minute

// Run plays all steps and prints a line for each: "ok N: …", or "not ok N: …"
// with what was expected and what came below it. The last line is
// "tour: P passed, F failed". The error is why the tour could not be played at
// all; failed steps are counted and are none.
func Run(ctx context.Context, a Addresses, out io.Writer) (passed, failed int, err error) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		return 0, 0, errors.New("the tour needs the program openssl and does not find it (Debian, Ubuntu: apt-get install openssl)")
	}
	dir, err := os.MkdirTemp("", "wardkey-tour-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // certificates and test keys, worth nothing
	h, err := hospital.New(hospital.Config{Web: a.Web})
	if err != nil {
		return 0, 0, err
	}
	s := &story{h: h, openssl: openssl, dir: dir, staff: map[string]person{}}
	if err := s.meet(ctx); err != nil {
		return 0, 0, err
	}
	for i, step := range steps() {
		if err := ctx.Err(); err != nil {
			return passed, failed, err
		}
		line := fmt.Sprintf("ok %d: %s", i+1, step.sentence)
		if why := s.play(ctx, step); why != nil {
			failed++
			line = fmt.Sprintf("not %s\n    %s", line, why)
		} else {
			passed++
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return passed, failed, err
		}
	}
	_, err = fmt.Fprintf(out, "tour: %d passed, %d failed\n", passed, failed)
	return passed, failed, err
}

func (s *story) play(ctx context.Context, step step) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return step.play(ctx, s)
}
