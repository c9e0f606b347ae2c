// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"fmt"
	"slices"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// behaviours are all, in the order in which they are asked: what leaves the card
// as it was comes first.
func behaviours() []behaviour {
	return slices.Concat(tokenBehaviours(), sessionBehaviours(), keyBehaviours(), objectBehaviours(), tlsBehaviours(), pinBehaviours(), officerBehaviours(), lockBehaviours(), removalBehaviours(), eventBehaviours(), swapBehaviours())
}

// Return values that only the suite asks for.
const (
	noEvent                   = 0x8
	operationActive           = 0x90
	operationNotInit          = 0x91
	parallelNotSupported      = 0xB4
	stateROPublic             = 0
	stateRWPublic             = 2
	unlikely             uint = 0x7ffffff0 // a slot, a session and a mechanism that nobody has
)

// The readers and what a card tells without a PIN.
func tokenBehaviours() []behaviour {
	return []behaviour{
		{"initialize-twice", "§5.4 C_Initialize", 0, func(p *probe) error {
			return is(p.lib.Initialize(p.InitArgs), cryptoki.CryptokiAlreadyInitialized)
		}},
		{"slots-with-a-card", "§5.5 C_GetSlotList", 0, func(p *probe) error {
			all, err := p.lib.SlotList(false)
			if err != nil {
				return err
			}
			present, err := p.lib.SlotList(true)
			if err != nil {
				return err
			}
			for _, slot := range present {
				if !slices.Contains(all, slot) {
					return fmt.Errorf("slot %d has a card and isn't among all slots", slot)
				}
			}
			return holds(slices.Contains(present, p.slot), "the card's slot is missing")
		}},
		{"slots-repeat", "§5.5 C_GetSlotList", 0, func(p *probe) error {
			one, err := p.lib.SlotList(true)
			if err != nil {
				return err
			}
			two, err := p.lib.SlotList(true)
			if err != nil {
				return err
			}
			return holds(slices.Equal(one, two), "%v, then %v", one, two)
		}},
		{"token-present", "§3.2 CK_SLOT_INFO", 0, func(p *probe) error {
			info, err := p.lib.SlotInfo(p.slot)
			if err != nil {
				return err
			}
			return holds(info.Flags&cryptoki.FlagTokenPresent != 0, "CKF_TOKEN_PRESENT isn't set")
		}},
		{"unknown-slot", "§5.5 C_GetTokenInfo", 0, func(p *probe) error {
			_, err := p.lib.TokenInfo(unlikely)
			return is(err, cryptoki.SlotIDInvalid)
		}},
		{"login-required", "§3.2 CKF_LOGIN_REQUIRED", 0, func(p *probe) error {
			info, err := p.lib.TokenInfo(p.slot)
			if err != nil {
				return err
			}
			return holds(info.Flags&flagLoginRequired != 0, "flags 0x%X", info.Flags)
		}},
		{"serial-repeats", "§3.2 CK_TOKEN_INFO", 0, func(p *probe) error {
			info, err := p.lib.TokenInfo(p.slot)
			if err != nil {
				return err
			}
			return holds(info.Serial == p.Serial && info.Label == p.label, "serial %q and label %q, before %q and %q", info.Serial, info.Label, p.Serial, p.label)
		}},
		{"pin-initialised", "§3.2 CK_TOKEN_INFO", 0, func(p *probe) error {
			info, err := p.lib.TokenInfo(p.slot)
			if err != nil {
				return err
			}
			const both = cryptoki.FlagTokenInitialized | cryptoki.FlagUserPINInitialized
			return holds(info.Flags&both == both, "flags 0x%X", info.Flags)
		}},
		{"pin-lengths", "§3.2 CK_TOKEN_INFO", 0, func(p *probe) error {
			info, err := p.lib.TokenInfo(p.slot)
			if err != nil {
				return err
			}
			n := len(p.PIN)
			return holds(info.MinPIN <= n && (n <= info.MaxPIN || info.MaxPIN == 0), "a PIN of %d to %d bytes, and this one has %d", info.MinPIN, info.MaxPIN, n)
		}},
		{"no-event-without-cause", "§5.5 C_WaitForSlotEvent", slotEvents, (*probe).drain},
	}
}

// Sessions, and the login that they share.
func sessionBehaviours() []behaviour {
	return []behaviour{
		{"session-begins-public", "§5.6 C_OpenSession", 0, func(p *probe) error { return p.state(p.public(), p.session) }},
		{"session-read-only", "§5.6 C_OpenSession", 0, func(p *probe) error {
			return p.state(stateROPublic, func() (cryptoki.Session, error) { return p.sessionOf(cryptoki.FlagSerialSession) })
		}},
		{"session-serial", "§5.6 C_OpenSession", 0, func(p *probe) error {
			_, err := p.sessionOf(p.flagsOf() &^ cryptoki.FlagSerialSession)
			return is(err, parallelNotSupported)
		}},
		{"session-unknown", "§5.6 C_GetSessionInfo", 0, func(p *probe) error {
			_, err := p.lib.SessionState(cryptoki.Session(unlikely))
			return is(err, cryptoki.SessionHandleInvalid)
		}},
		{"session-closed", "§5.6 C_CloseSession", 0, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			if err := p.lib.CloseSession(s); err != nil {
				return err
			}
			_, err = p.lib.SessionState(s)
			return is(err, cryptoki.SessionHandleInvalid, cryptoki.SessionClosed)
		}},
		{"sessions-side-by-side", "§5.6 C_OpenSession", 0, func(p *probe) error {
			a, b, err := p.two()
			if err != nil {
				return err
			}
			if err := p.lib.CloseSession(a); err != nil {
				return err
			}
			_, err = p.lib.SessionState(b)
			return err
		}},
		{"login-is-shared", "§5.6 C_Login", 0, func(p *probe) error {
			_, b, err := p.twoIn()
			if err != nil {
				return err
			}
			return p.stateOf(b, p.in())
		}},
		{"login-of-later-sessions", "§5.6 C_OpenSession", 0, func(p *probe) error {
			if _, err := p.user(); err != nil {
				return err
			}
			return p.state(p.in(), p.session)
		}},
		{"login-twice", "§5.6 C_Login", 0, func(p *probe) error {
			a, _, err := p.twoIn()
			if err != nil {
				return err
			}
			return is(p.lib.Login(a, cryptoki.UserNormal, p.PIN), cryptoki.UserAlreadyLoggedIn)
		}},
		{"logout-is-shared", "§5.6 C_Logout", 0, func(p *probe) error {
			a, b, err := p.twoIn()
			if err != nil {
				return err
			}
			if err := p.lib.Logout(b); err != nil {
				return err
			}
			return p.stateOf(a, p.public())
		}},
		{"logout-without-login", "§5.6 C_Logout", 0, func(p *probe) error {
			s, err := p.session()
			if err != nil {
				return err
			}
			return is(p.lib.Logout(s), cryptoki.UserNotLoggedIn)
		}},
		{"last-session-logs-out", "§5.6 C_CloseSession", 0, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			if err := p.lib.CloseSession(s); err != nil {
				return err
			}
			return p.state(p.public(), p.session)
		}},
		{"login-on-a-dead-session", "§5.6 C_Login", 0, func(p *probe) error {
			return is(p.lib.Login(cryptoki.Session(unlikely), cryptoki.UserNormal, p.PIN), cryptoki.SessionHandleInvalid)
		}},
	}
}

// two are sessions beside one another.
func (p *probe) two() (a, b cryptoki.Session, err error) {
	if a, err = p.session(); err == nil {
		b, err = p.session()
	}
	if err == nil && a == b {
		err = fmt.Errorf("two sessions have one handle")
	}
	return a, b, err
}

// twoIn are two sessions, logged in by the first.
func (p *probe) twoIn() (a, b cryptoki.Session, err error) {
	if a, b, err = p.two(); err == nil {
		err = p.lib.Login(a, cryptoki.UserNormal, p.PIN)
	}
	return a, b, err
}

// state is of a session that is opened for it.
func (p *probe) state(want uint, open func() (cryptoki.Session, error)) error {
	s, err := open()
	if err != nil {
		return err
	}
	return p.stateOf(s, want)
}

func (p *probe) stateOf(s cryptoki.Session, want uint) error {
	got, err := p.lib.SessionState(s)
	if err != nil {
		return err
	}
	return holds(got == want, "CK_STATE %d instead of %d", got, want)
}
