// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"errors"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// The security officer, and what isn't the officer's.
func officerBehaviours() []behaviour {
	return []behaviour{
		{"so-beside-the-user", "§5.6 C_Login", destructive | officer, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			return is(p.lib.Login(s, cryptoki.UserSO, p.SOPIN), cryptoki.UserAnotherAlreadyLoggedIn)
		}},
		{"so-beside-a-read-only-session", "§5.6 C_Login", destructive | officer, func(p *probe) error {
			if _, err := p.sessionOf(cryptoki.FlagSerialSession); err != nil {
				return err
			}
			s, err := p.session()
			if err != nil {
				return err
			}
			return is(p.lib.Login(s, cryptoki.UserSO, p.SOPIN), cryptoki.SessionReadOnlyExists)
		}},
		{"read-only-session-beside-the-so", "§5.6 C_OpenSession", destructive | officer, func(p *probe) error {
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
		{"so-sees-no-private-keys", "§5.6 session states", destructive | officer, func(p *probe) error {
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
		{"wrong-so-pin", "§5.6 C_Login", destructive | officer, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			return errors.Join(is(p.lib.Login(s, cryptoki.UserSO, p.not(p.SOPIN)), cryptoki.PINIncorrect), p.officerIn(s))
		}},
		{"wrong-so-pin-is-told", "§3.2 CKF_SO_PIN_COUNT_LOW", destructive | officer | pinFlags, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if err := is(p.lib.Login(s, cryptoki.UserSO, p.not(p.SOPIN)), cryptoki.PINIncorrect); err != nil {
				return err
			}
			told := p.flags(cryptoki.FlagSOPINCountLow|cryptoki.FlagSOPINFinalTry, true)
			return errors.Join(told, p.officerIn(s), p.flags(cryptoki.FlagSOPINCountLow|cryptoki.FlagSOPINFinalTry, false))
		}},
		{"wrong-so-pin-is-no-wrong-pin", "§3.2 CKF_USER_PIN_COUNT_LOW", destructive | officer, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if err := is(p.lib.Login(s, cryptoki.UserSO, p.not(p.SOPIN)), cryptoki.PINIncorrect); err != nil {
				return err
			}
			const users = cryptoki.FlagUserPINCountLow | cryptoki.FlagUserPINFinalTry | cryptoki.FlagUserPINLocked
			return errors.Join(p.flags(users, false), p.officerIn(s))
		}},
		{"user-beside-the-so", "§5.6 C_Login", destructive | officer, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if err := p.officerIn(s); err != nil {
				return err
			}
			return is(p.lib.Login(s, cryptoki.UserNormal, p.PIN), cryptoki.UserAnotherAlreadyLoggedIn)
		}},
		{"so-pin-and-pin-in-one-session", "§5.5 C_SetPIN, C_InitPIN", destructive | officer, (*probe).reset},
	}
}

// officerIn logs the security officer in, which makes all tries good.
func (p *probe) officerIn(s cryptoki.Session) error { return p.lib.Login(s, cryptoki.UserSO, p.SOPIN) }

// reset is what an unlocking workstation does: it gives the card another SO PIN
// and then a PIN, in one session; then it takes the SO PIN back.
func (p *probe) reset() error {
	next := p.not(p.SOPIN)
	s, err := p.session()
	if err != nil {
		return err
	}
	if err := p.officerIn(s); err != nil {
		return err
	}
	if err := p.lib.SetPIN(s, p.SOPIN, next); err != nil {
		return err
	}
	err = p.lib.InitPIN(s, p.PIN)
	if err == nil {
		err = p.lib.Logout(s)
	}
	if err == nil {
		err = p.right()
	}
	p.rest()
	again, opened := p.session()
	if opened != nil {
		return errors.Join(err, opened)
	}
	if in := p.lib.Login(again, cryptoki.UserSO, next); in != nil {
		return errors.Join(err, in)
	}
	return errors.Join(err, p.lib.SetPIN(again, next, p.SOPIN))
}
