// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// The lock and what opens it. Each begins with all tries, and ends with them.
func lockBehaviours() []behaviour {
	const locks = destructive | unlocking | locking
	return []behaviour{
		{"final-try-is-told", "§3.2 CKF_USER_PIN_FINAL_TRY", locks | pinFlags, func(p *probe) error {
			l, err := p.lock()
			if err == nil {
				err = holds(l.before&cryptoki.FlagUserPINFinalTry != 0, "the flags before the last try were 0x%X", l.before)
			}
			return errors.Join(err, p.unlock())
		}},
		{"wrong-pins-lock", "§5.6 C_Login, CKR_PIN_LOCKED", locks, func(p *probe) error {
			_, err := p.lock()
			return errors.Join(err, p.unlock())
		}},
		{"lock-is-told", "§3.2 CKF_USER_PIN_LOCKED", locks, func(p *probe) error {
			_, err := p.lock()
			if err == nil {
				err = p.flags(cryptoki.FlagUserPINLocked, true)
			}
			return errors.Join(err, p.unlock(), p.flags(cryptoki.FlagUserPINLocked, false))
		}},
		{"locked-to-the-right-pin", "§5.6 C_Login, CKR_PIN_LOCKED", locks, func(p *probe) error {
			_, err := p.lock()
			if err == nil {
				err = is(p.try(p.PIN), cryptoki.PINLocked)
			}
			return errors.Join(err, p.unlock())
		}},
		{"locked-to-set-pin", "§5.5 C_SetPIN, CKR_PIN_LOCKED", locks | publicPIN, func(p *probe) error {
			_, err := p.lock()
			if err == nil {
				var s cryptoki.Session
				if s, err = p.session(); err == nil {
					err = is(p.lib.SetPIN(s, p.PIN, p.not(p.PIN)), cryptoki.PINLocked)
				}
			}
			return errors.Join(err, p.unlock())
		}},
		{"tries-outlast-the-program", "§3.2 CKF_USER_PIN_COUNT_LOW", locks | finalize, func(p *probe) error {
			err := p.outlasts()
			return errors.Join(err, p.unlock())
		}},
		{"lock-outlasts-the-program", "§3.2 CKF_USER_PIN_LOCKED", locks | finalize, func(p *probe) error {
			_, err := p.lock()
			if err == nil {
				err = p.restart()
			}
			if err == nil {
				err = is(p.try(p.PIN), cryptoki.PINLocked)
			}
			return errors.Join(err, p.unlock())
		}},
		{"parallel-wrong-pins", "§5.4 CKF_OS_LOCKING_OK, §5.6 C_Login", locks, func(p *probe) error {
			l, err := p.lock()
			if err == nil {
				if err = p.unlock(); err == nil {
					err = p.besiege(l.refused)
				}
			}
			return errors.Join(err, p.unlock())
		}},
		{"unlocked-again", "§5.6 C_Login", locks, func(p *probe) error {
			_, err := p.lock()
			return errors.Join(err, p.unlock(), p.right())
		}},
		{"unlocked-by-the-so", "§5.5 C_InitPIN", locks | officer, func(p *probe) error {
			_, err := p.lock()
			return errors.Join(err, p.byOfficer(), p.flags(cryptoki.FlagUserPINLocked, false), p.right())
		}},
		{"unlocked-by-the-puk", "§5.5 C_SetPIN of cards with a PUK", locks | puk, func(p *probe) error {
			_, err := p.lock()
			return errors.Join(err, p.byPUK(p.PUK), p.flags(cryptoki.FlagUserPINLocked, false), p.right())
		}},
		{"wrong-puk", "§5.5 C_SetPIN of cards with a PUK", destructive | puk, func(p *probe) error {
			err := is(p.byPUK(p.not(p.PUK)), cryptoki.PINIncorrect, cryptoki.PINInvalid)
			return errors.Join(err, p.byPUK(p.PUK), p.right())
		}},
	}
}

// lockup is how a card locked.
type lockup struct {
	refused int  // the wrong PINs that it answered CKR_PIN_INCORRECT
	before  uint // the flags before the last try
}

// mostTries is what a card counts at most before it locks: the answer of ISO 7816-4
// to a wrong PIN, 63Cx, has four bits for it.
const mostTries = 15

// lock shows wrong PINs until the card locks, which some say by a flag at once
// and some by CKR_PIN_LOCKED at the next try.
func (p *probe) lock() (lockup, error) {
	var l lockup
	for range mostTries + 1 {
		info, err := p.lib.TokenInfo(p.slot)
		if err != nil {
			return l, err
		}
		if info.Flags&cryptoki.FlagUserPINLocked != 0 {
			return l, nil
		}
		l.before = info.Flags
		err = p.try(p.not(p.PIN))
		if codeOf(err) == cryptoki.PINLocked {
			return l, nil
		}
		if err := is(err, cryptoki.PINIncorrect); err != nil {
			return l, err
		}
		l.refused++
	}
	return l, fmt.Errorf("%d wrong PINs, and neither CKF_USER_PIN_LOCKED nor CKR_PIN_LOCKED", l.refused)
}

// besiege shows wrong PINs from several threads at once, more than the card has
// tries.
func (p *probe) besiege(tries int) error {
	const threads = 4
	sessions, err := p.several(threads)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	answers := make(chan error, threads*(tries+2))
	for _, s := range sessions {
		all.Go(func() {
			for range tries + 2 {
				answers <- p.lib.Login(s, cryptoki.UserNormal, p.not(p.PIN))
			}
		})
	}
	all.Wait()
	close(answers)
	refused := 0
	for err := range answers {
		if wrong := is(err, cryptoki.PINIncorrect, cryptoki.PINLocked); wrong != nil {
			return wrong
		}
		if codeOf(err) == cryptoki.PINIncorrect {
			refused++
		}
	}
	p.rest()
	if refused > tries {
		return fmt.Errorf("%d wrong PINs were looked at, and one after the other it were %d", refused, tries)
	}
	return is(p.try(p.PIN), cryptoki.PINLocked)
}

// restart is what another program, or the same one later, sees.
func (p *probe) restart() error {
	p.rest()
	if err := p.lib.Finalize(); err != nil {
		return err
	}
	if err := p.lib.Initialize(p.InitArgs); err != nil {
		return err
	}
	return p.found()
}

// outlasts has a card lock as if nobody had ended the program between two tries.
func (p *probe) outlasts() error {
	l, err := p.lock()
	if err != nil {
		return err
	}
	if l.refused < 2 {
		return nil // the first try locks it, and lock-outlasts-the-program sees that
	}
	if err := errors.Join(p.unlock(), p.wrong(cryptoki.PINIncorrect), p.restart()); err != nil {
		return err
	}
	again, err := p.lock()
	return errors.Join(err, holds(again.refused == l.refused-1, "%d tries after a restart, of %d with one spent before", again.refused, l.refused))
}

// unlock makes the PIN's tries good again.
func (p *probe) unlock() error {
	p.rest()
	switch {
	case p.Unlock != nil:
		return p.Unlock()
	case p.SOPIN != nil:
		return p.byOfficer()
	}
	return p.byPUK(p.PUK)
}

// byOfficer sets the PIN to what it was.
func (p *probe) byOfficer() error {
	p.rest()
	defer p.rest()
	s, err := p.session()
	if err != nil {
		return err
	}
	if err := p.officerIn(s); err != nil {
		return err
	}
	return p.lib.InitPIN(s, p.PIN)
}

func (p *probe) byPUK(puk []byte) error {
	p.rest()
	defer p.rest()
	s, err := p.session()
	if err != nil {
		return err
	}
	return p.lib.SetPIN(s, puk, p.PIN)
}
