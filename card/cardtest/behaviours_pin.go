// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// PINs, the lock and what opens it. Each begins with all tries.
func pinBehaviours() []behaviour {
	return []behaviour{
		{"wrong-pin", "§5.6 C_Login", destructive, func(p *probe) error {
			return errors.Join(p.wrong(cryptoki.PINIncorrect), p.right())
		}},
		{"wrong-pin-is-told", "§3.2 CKF_USER_PIN_COUNT_LOW", destructive, func(p *probe) error {
			if err := p.wrong(cryptoki.PINIncorrect); err != nil {
				return err
			}
			return errors.Join(p.flags(cryptoki.FlagUserPINCountLow|cryptoki.FlagUserPINFinalTry, true), p.right())
		}},
		{"right-pin-forgives", "§3.2 CKF_USER_PIN_COUNT_LOW", destructive, func(p *probe) error {
			if err := errors.Join(p.wrong(cryptoki.PINIncorrect), p.right()); err != nil {
				return err
			}
			return p.flags(cryptoki.FlagUserPINCountLow|cryptoki.FlagUserPINFinalTry|cryptoki.FlagUserPINLocked, false)
		}},
		{"short-pin-costs-no-try", "§5.5 C_SetPIN", destructive, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			if err := is(p.lib.SetPIN(s, p.PIN, []byte("1")), cryptoki.PINLenRange, cryptoki.PINInvalid); err != nil {
				return err
			}
			return p.flags(cryptoki.FlagUserPINCountLow|cryptoki.FlagUserPINFinalTry|cryptoki.FlagUserPINLocked, false)
		}},
		{"set-pin-wrong", "§5.5 C_SetPIN", destructive, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			err = is(p.lib.SetPIN(s, p.not(p.PIN), p.PIN), cryptoki.PINIncorrect)
			p.rest()
			return errors.Join(err, p.right())
		}},
		{"set-pin", "§5.5 C_SetPIN", destructive, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			next := p.not(p.PIN)
			if err := p.lib.SetPIN(s, p.PIN, next); err != nil {
				return err
			}
			if err := p.lib.Logout(s); err != nil {
				return err
			}
			if err := p.lib.Login(s, cryptoki.UserNormal, next); err != nil {
				return err
			}
			return p.lib.SetPIN(s, next, p.PIN)
		}},
		{"final-try-is-told", "§3.2 CKF_USER_PIN_FINAL_TRY", destructive, func(p *probe) error {
			last, err := p.lock()
			if err == nil {
				err = holds(last&cryptoki.FlagUserPINFinalTry != 0, "the flags before the last try were 0x%X", last)
			}
			return errors.Join(err, p.unlock())
		}},
		{"wrong-pins-lock", "§3.2 CKF_USER_PIN_LOCKED", destructive, func(p *probe) error {
			_, err := p.lock()
			return errors.Join(err, p.unlock())
		}},
		{"locked-to-the-right-pin", "§5.6 C_Login, CKR_PIN_LOCKED", destructive, func(p *probe) error {
			_, err := p.lock()
			if err == nil {
				var s cryptoki.Session
				if s, err = p.session(); err == nil {
					err = is(p.lib.Login(s, cryptoki.UserNormal, p.PIN), cryptoki.PINLocked)
				}
			}
			return errors.Join(err, p.unlock())
		}},
		{"unlocked-by-the-so", "§5.5 C_InitPIN", destructive, func(p *probe) error {
			_, err := p.lock()
			return errors.Join(err, p.unlock(), p.flags(cryptoki.FlagUserPINLocked, false), p.right())
		}},
		{"init-pin-is-the-so's", "§5.5 C_InitPIN", destructive, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			return is(p.lib.InitPIN(s, p.PIN), cryptoki.UserNotLoggedIn)
		}},
		{"so-beside-the-user", "§5.6 C_Login", destructive, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			return is(p.lib.Login(s, cryptoki.UserSO, p.SOPIN), cryptoki.UserAnotherAlreadyLoggedIn)
		}},
		{"so-beside-a-read-only-session", "§5.6 C_Login", destructive, func(p *probe) error {
			if _, err := p.sessionOf(cryptoki.FlagSerialSession); err != nil {
				return err
			}
			s, err := p.session()
			if err != nil {
				return err
			}
			return is(p.lib.Login(s, cryptoki.UserSO, p.SOPIN), cryptoki.SessionReadOnlyExists)
		}},
		{"read-only-session-beside-the-so", "§5.6 C_OpenSession", destructive, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if err := p.lib.Login(s, cryptoki.UserSO, p.SOPIN); err != nil {
				return err
			}
			_, err = p.sessionOf(cryptoki.FlagSerialSession)
			return is(err, cryptoki.SessionReadWriteSOExists)
		}},
		{"so-sees-no-private-keys", "§5.6 session states", destructive, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if err := p.lib.Login(s, cryptoki.UserSO, p.SOPIN); err != nil {
				return err
			}
			keys, err := p.privateKeys(s)
			if err != nil {
				return err
			}
			return holds(len(keys) == 0, "%d private keys", len(keys))
		}},
	}
}

// not is a PIN of the same form that isn't this one.
func (p *probe) not(pin []byte) []byte {
	other := append([]byte{}, pin...)
	if last := len(other) - 1; other[last] == '9' {
		other[last] = '0'
	} else {
		other[last] = '9'
	}
	return other
}

// wrong shows a wrong PIN in a session of its own.
func (p *probe) wrong(codes ...uint) error {
	s, err := p.session()
	if err != nil {
		return err
	}
	return is(p.lib.Login(s, cryptoki.UserNormal, p.not(p.PIN)), codes...)
}

// right shows the PIN, which makes all tries good.
func (p *probe) right() error {
	s, err := p.user()
	if err != nil {
		return err
	}
	return p.lib.Logout(s)
}

func (p *probe) flags(some uint, want bool) error {
	info, err := p.lib.TokenInfo(p.slot)
	if err != nil {
		return err
	}
	return holds((info.Flags&some != 0) == want, "flags 0x%X", info.Flags)
}

// lock shows wrong PINs until the card says that it is locked, and gives the
// flags before the last.
func (p *probe) lock() (before uint, err error) {
	const most = 16
	for range most {
		info, err := p.lib.TokenInfo(p.slot)
		if err != nil {
			return 0, err
		}
		if info.Flags&cryptoki.FlagUserPINLocked != 0 {
			return before, nil
		}
		before = info.Flags
		if err := p.wrong(cryptoki.PINIncorrect, cryptoki.PINLocked); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%d wrong PINs, and no CKF_USER_PIN_LOCKED", most)
}

// unlock makes the PIN what it was.
func (p *probe) unlock() error {
	p.rest()
	s, err := p.session()
	if err != nil {
		return err
	}
	if err := p.lib.Login(s, cryptoki.UserSO, p.SOPIN); err != nil {
		return err
	}
	err = p.lib.InitPIN(s, p.PIN)
	p.rest()
	return err
}
