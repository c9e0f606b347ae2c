// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
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

// wrongPasscode has the form of a passcode and is nobody's.
const wrongPasscode = "000000"

// tries that a card takes before it locks.
const tries = 3

// lock is step 5.
func lock(ctx context.Context, s *story) error {
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	task, err := s.h.Browser().StartSignIn(ctx, ward)
	if err != nil {
		return must("the sign-in page opens", err)
	}
	for range tries - 1 {
		if err := refused(task.Answer(ctx, passcode(wrongPasscode)), "a wrong passcode", "passcode.wrong"); err != nil {
			return err
		}
	}
	if err := refused(task.Answer(ctx, passcode(wrongPasscode)), "the third wrong passcode", "passcode.wrong", "card.locked"); err != nil {
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

func passcode(text string) map[string]string { return map[string]string{"passcode": text} }

// inWard puts a card into the ward's reader, where nobody signs in yet.
func (s *story) inWard(ctx context.Context, p person) error {
	if err := holds(p.card != "", "a card from step 3", "none"); err != nil {
		return err
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

// codeLife is longer than any code lives.
const codeLife = 15 * time.Minute

// unlock is step 6.
func unlock(ctx context.Context, s *story) error {
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	if err := s.lateCode(ctx); err != nil {
		return err
	}
	fresh := "628318"
	spent, err := s.unlockByCode(ctx, fresh)
	if err != nil {
		return err
	}
	old := s.nurse.passcode
	s.nurse.passcode = fresh
	if err := s.secondUse(ctx, spent); err != nil {
		return err
	}
	_, err = s.h.Browser().SignIn(ctx, ward, old)
	if err := refused(err, "the old passcode", "passcode.wrong"); err != nil {
		return err
	}
	_, err = s.h.Browser().SignIn(ctx, ward, fresh)
	return must("the new passcode signs in", err)
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

// unlockByCode types a wrong code and then the right one with a new passcode.
// It returns the code, which is spent then.
func (s *story) unlockByCode(ctx context.Context, fresh string) (string, error) {
	u, code, err := s.askForCode(ctx)
	if err != nil {
		return "", err
	}
	if err := refused(u.Finish(ctx, otherCode(code), fresh), "a wrong code", "unlock.code"); err != nil {
		return "", err
	}
	return code, must("the right code unlocks the card", u.Finish(ctx, code, fresh))
}

// secondUse types a spent code again.
func (s *story) secondUse(ctx context.Context, spent string) error {
	u, err := s.h.StartUnlock(ctx, ward, "email")
	if err != nil {
		return must("the unlock page opens once more", err)
	}
	return refused(u.Finish(ctx, spent, s.nurse.passcode), "a code used twice", "unlock.code")
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
	message, err := mail.Next(ctx, hospital.HasCode)
	if err != nil {
		return nil, "", must("an e-mail with an 8-digit code", err)
	}
	if err := holds(len(message.Raw) > 0, "an e-mail that came over SMTP", "no raw message"); err != nil {
		return nil, "", err
	}
	code, err := message.Code()
	return u, code, must("an 8-digit code", err)
}

// otherCode differs from a code in its last digit.
func otherCode(code string) string {
	last := len(code) - 1
	return code[:last] + string('0'+(code[last]-'0'+1)%10)
}
