// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

const sessionLife = 8 * time.Hour

// signIn is step 4.
func signIn(ctx context.Context, s *story) error {
	before, err := s.h.Now(ctx)
	if err != nil {
		return must("the clock is read", err)
	}
	b, session, err := s.signedIn(ctx, s.nurse, ward)
	if err != nil {
		return must("the nurse signs in with card and passcode", err)
	}
	after, err := s.h.Now(ctx)
	if err != nil {
		return must("the clock is read", err)
	}
	begun := session.Expires.Add(-sessionLife)
	if err := first(
		holds(session.UserID == s.nurse.userID, "the session of "+s.nurse.userID, "that of %s", session.UserID),
		holds(!begun.Before(before.Truncate(time.Second)) && !begun.After(after), "a session of 8 hours from "+stamp(before), "until %s", stamp(session.Expires)),
		holds(len(session.Alerts) == 0, "no alert on a new card", "%d", len(session.Alerts)),
	); err != nil {
		return err
	}
	if _, err := s.h.AdvanceTo(ctx, session.Expires.Add(-time.Minute)); err != nil {
		return must("the clock moves to 7 h 59", err)
	}
	if _, err := b.Session(ctx); err != nil {
		return must("the session holds at 7 h 59", err)
	}
	if _, err := s.h.AdvanceTo(ctx, session.Expires); err != nil {
		return must("the clock moves to 8 h", err)
	}
	_, err = b.Session(ctx)
	return refused(err, "the session at 8 h", "session.ended")
}

// tries that a card takes before it locks.
const tries = 3

// lock is step 5.
func lock(ctx context.Context, s *story) error {
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	if err := s.lockCard(ctx); err != nil {
		return err
	}
	if err := s.staysLocked(ctx, "after three wrong ones"); err != nil {
		return err
	}
	if err := s.h.RestartAgent(ctx); err != nil {
		return must("the agent and its readers start again", err)
	}
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	return s.staysLocked(ctx, "after a restart")
}

// lockCard types wrong passcodes for the card in the ward's reader until it locks.
func (s *story) lockCard(ctx context.Context) error {
	task, err := s.h.Browser().StartSignIn(ctx, ward)
	if err != nil {
		return must("the sign-in page opens", err)
	}
	for range tries - 1 {
		if err := refused(task.Answer(ctx, passcode(wrongPasscode)), "a wrong passcode", "passcode.wrong"); err != nil {
			return err
		}
	}
	return refused(task.Answer(ctx, passcode(wrongPasscode)), "the third wrong passcode", "passcode.wrong", "card.locked")
}

func passcode(text string) map[string]string { return map[string]string{"passcode": text} }

// inWard puts a card into the ward's reader, where nobody signs in yet.
func (s *story) inWard(ctx context.Context, p person) error {
	if p.card == "" {
		return must("a card for the ward's reader", errNoCard)
	}
	return must("the card goes into the reader", s.h.Insert(ctx, ward, p.card))
}

// staysLocked fails unless the nurse's card says that it is locked and the
// right passcode does not open it.
func (s *story) staysLocked(ctx context.Context, when string) error {
	slot, err := s.h.Slot(ctx, ward)
	if err != nil {
		return must("the agent tells its status", err)
	}
	if err := holds(slot.State == "locked", "a locked card "+when, "it is %s", slot.State); err != nil {
		return err
	}
	_, err = s.h.Browser().SignIn(ctx, ward, s.nurse.passcode)
	return refused(err, "the right passcode "+when, "card.locked")
}

const (
	codeLife = 10 * time.Minute
	// codeGap is how long to wait before a person may ask for another code.
	codeGap = time.Minute + time.Second
)

// unlock is step 6.
func unlock(ctx context.Context, s *story) error {
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	if err := s.lateCode(ctx); err != nil {
		return err
	}
	spent, err := s.codeUsedTwice(ctx)
	if err != nil {
		return err
	}
	if _, err := s.h.Advance(ctx, codeGap); err != nil {
		return must("the clock moves on", err)
	}
	old, fresh := s.nurse.passcode, freshPasscode
	if err := s.unlockByCode(ctx, spent, fresh); err != nil {
		return err
	}
	s.nurse.passcode = fresh
	_, err = s.h.Browser().SignIn(ctx, ward, old)
	if err := refused(err, "the old passcode", "passcode.wrong"); err != nil {
		return err
	}
	_, err = s.h.Browser().SignIn(ctx, ward, fresh)
	return first(must("the new passcode signs in", err), s.helped(ctx))
}

// helped locks the nurse's card once more and takes it to the desk.
func (s *story) helped(ctx context.Context) error {
	if err := s.lockCard(ctx); err != nil {
		return err
	}
	if err := must("the locked card goes into the reader before the desk", s.h.Insert(ctx, counter, s.nurse.card)); err != nil {
		return err
	}
	b, err := s.atDesk(ctx, raAgent)
	if err != nil {
		return err
	}
	if err := must("the RA agent unlocks the card with its holder", b.UnlockFor(ctx, s.nurse.card, counter, "passport 925665416", openedPasscode)); err != nil {
		return err
	}
	s.nurse.passcode = openedPasscode
	if err := must("the RA agent changes the passcode with the holder", b.ChangePasscodeFor(ctx, s.nurse.card, counter, openedPasscode, deskPasscode)); err != nil {
		return err
	}
	s.nurse.passcode = deskPasscode
	_, _, err = s.signedIn(ctx, s.nurse, ward)
	return must("the passcode from the desk signs in", err)
}

// lateCode asks for a code and types it when its time is over.
func (s *story) lateCode(ctx context.Context) error {
	u, code, err := s.askForCode(ctx)
	if err != nil {
		return err
	}
	if _, err := s.h.Advance(ctx, codeLife); err != nil {
		return must("the clock moves past the code's life", err)
	}
	return refused(u.Finish(ctx, code, s.nurse.passcode), "a late code", "unlock.code")
}

// unlockByCode types a spent code, a wrong one, and then the right one with a
// new passcode.
func (s *story) unlockByCode(ctx context.Context, spent, fresh string) error {
	u, code, err := s.askForCode(ctx)
	if err != nil {
		return err
	}
	if err := first(
		refused(u.Finish(ctx, spent, fresh), "a code of an earlier unlock", "unlock.code"),
		refused(u.Finish(ctx, otherCode(code), fresh), "a wrong code", "unlock.code"),
	); err != nil {
		return err
	}
	return must("the right code unlocks the card", u.Finish(ctx, code, fresh))
}

// codeUsedTwice redeems one code twice, as two agents at once would. Neither
// goes on to reset the card: whoever has a code and no card gains nothing, and
// the holder asks for another. It returns the spent code.
func (s *story) codeUsedTwice(ctx context.Context) (string, error) {
	mail, err := s.h.Mailbox(ctx, s.nurse.Email)
	if err != nil {
		return "", must("the inbox opens", err)
	}
	ticket, err := s.h.Browser().UnlockTicket(ctx)
	if err != nil {
		return "", must("the unlock page opens", err)
	}
	var started struct {
		Request string `json:"request"`
	}
	in := map[string]string{"card": s.nurse.card, "channel": "email"}
	if err := s.h.Protocol(ctx, "unlock/start", ticket.Handle, in, &started); err != nil {
		return "", must("an unlock starts", err)
	}
	code, err := codeFrom(ctx, mail)
	if err != nil {
		return "", err
	}
	if err := must("the first use of a code", s.redeem(ctx, started.Request, code)); err != nil {
		return "", err
	}
	return code, refused(s.redeem(ctx, started.Request, code), "a code used twice", "unlock.code")
}

// redeem gives a code to the server as an agent with a key of its own.
func (s *story) redeem(ctx context.Context, request, code string) error {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	in := map[string]any{"request": request, "card": s.nurse.card, "code": code, "agentKey": key.PublicKey().Bytes()}
	return s.h.Protocol(ctx, "unlock/redeem", "", in, nil)
}

// askForCode opens the unlock page, asks for a code by e-mail and reads it.
func (s *story) askForCode(ctx context.Context) (*hospital.Unlock, string, error) {
	mail, err := s.h.Mailbox(ctx, s.nurse.Email)
	if err != nil {
		return nil, "", must("the inbox opens", err)
	}
	u, err := s.h.StartUnlock(ctx, ward, "email")
	if err != nil {
		return nil, "", must("a locked card's holder asks for a code", err)
	}
	code, err := codeFrom(ctx, mail)
	return u, code, err
}

// codeFrom waits for the e-mail with a code.
func codeFrom(ctx context.Context, mail *hospital.Mailbox) (string, error) {
	message, err := mail.Next(ctx, hospital.HasCode)
	if err != nil {
		return "", must("an e-mail with an 8-digit code", err)
	}
	if err := holds(len(message.Raw) > 0, "an e-mail that came over SMTP", "no raw message"); err != nil {
		return "", err
	}
	code, err := message.Code()
	return code, must("an 8-digit code", err)
}

// otherCode differs from a code in its last digit.
func otherCode(code string) string {
	last := len(code) - 1
	return code[:last] + string('0'+(code[last]-'0'+1)%10)
}
