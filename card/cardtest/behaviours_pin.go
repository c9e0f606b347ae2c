// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"errors"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// PINs and who may set them. Each begins with all tries, and ends with them.
func pinBehaviours() []behaviour {
	return []behaviour{
		{"wrong-pin", "§5.6 C_Login", destructive, func(p *probe) error {
			return errors.Join(p.wrong(cryptoki.PINIncorrect), p.right())
		}},
		{"wrong-pin-is-told", "§3.2 CKF_USER_PIN_COUNT_LOW", destructive | pinFlags, func(p *probe) error {
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
			info, err := p.lib.TokenInfo(p.slot)
			if err != nil || info.MinPIN < 2 { // then no PIN is too short
				return err
			}
			return p.outOfRange(bytes.Repeat([]byte("1"), info.MinPIN-1))
		}},
		{"long-pin-costs-no-try", "§5.5 C_SetPIN", destructive, func(p *probe) error {
			info, err := p.lib.TokenInfo(p.slot)
			if err != nil || info.MaxPIN == 0 { // then none is too long
				return err
			}
			return p.outOfRange(bytes.Repeat([]byte("1"), info.MaxPIN+1))
		}},
		{"set-pin-in-a-read-only-session", "§5.5 C_SetPIN", destructive, func(p *probe) error {
			s, err := p.sessionOf(cryptoki.FlagSerialSession)
			if err != nil {
				return err
			}
			if err := p.lib.Login(s, cryptoki.UserNormal, p.PIN); err != nil {
				return err
			}
			return is(p.lib.SetPIN(s, p.PIN, p.not(p.PIN)), cryptoki.SessionReadOnly)
		}},
		{"set-pin-where-nobody-is-in", "§5.5 C_SetPIN", destructive | publicPIN, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			next := p.not(p.PIN)
			if err := p.lib.SetPIN(s, p.PIN, next); err != nil {
				return err
			}
			return errors.Join(p.lib.SetPIN(s, next, p.PIN), p.right())
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
		{"init-pin-is-the-so's", "§5.5 C_InitPIN", destructive, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			return is(p.lib.InitPIN(s, p.PIN), cryptoki.UserNotLoggedIn)
		}},
	}
}

// outOfRange has a PIN of a wrong length refused, at no cost.
func (p *probe) outOfRange(next []byte) error {
	s, err := p.user()
	if err != nil {
		return err
	}
	if err := is(p.lib.SetPIN(s, p.PIN, next), cryptoki.PINLenRange, cryptoki.PINInvalid); err != nil {
		// A module that took it gets the old one back.
		_ = p.lib.SetPIN(s, next, p.PIN)
		return err
	}
	return p.flags(cryptoki.FlagUserPINCountLow|cryptoki.FlagUserPINFinalTry|cryptoki.FlagUserPINLocked, false)
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

// wrong shows a wrong PIN.
func (p *probe) wrong(codes ...uint) error { return is(p.try(p.not(p.PIN)), codes...) }

// try shows a PIN in a session of its own.
func (p *probe) try(pin []byte) error {
	s, err := p.session()
	if err != nil {
		return err
	}
	return p.lib.Login(s, cryptoki.UserNormal, pin)
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
