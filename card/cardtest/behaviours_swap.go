// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Another card in the reader, with the same label.
func swapBehaviours() []behaviour {
	return []behaviour{
		{"other-card-other-serial", "§3.2 CK_TOKEN_INFO", removal | swap, func(p *probe) error {
			return p.swapped(func(slot uint) error {
				info, err := p.lib.TokenInfo(slot)
				if err != nil {
					return err
				}
				return holds(info.Serial != p.Serial && info.Label == p.label, "serial %q, label %q; the card that left had %q and %q", info.Serial, info.Label, p.Serial, p.label)
			})
		}},
		{"other-card-old-session", "§5.6 session handles", removal | swap, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			return p.swapped(func(uint) error {
				_, err := p.lib.SessionState(s)
				return isGone(err)
			})
		}},
		{"other-card-old-key", "§5.11 C_SignInit", removal | swap, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			return p.swapped(func(uint) error {
				return isGone(p.lib.SignInit(s, m, key))
			})
		}},
		{"other-card-logged-out", "§5.6 C_Login", removal | swap, func(p *probe) error {
			if _, err := p.user(); err != nil {
				return err
			}
			return p.swapped(func(slot uint) error {
				s, err := p.lib.OpenSession(slot, p.flagsOf())
				if err != nil {
					return err
				}
				return errors.Join(p.stateOf(s, p.public()), p.lib.CloseSession(s))
			})
		}},
		{"other-card-other-counter", "§3.2 CKF_USER_PIN_COUNT_LOW", removal | swap | destructive | pinFlags, func(p *probe) error {
			if err := p.wrong(cryptoki.PINIncorrect); err != nil {
				return err
			}
			const users = cryptoki.FlagUserPINCountLow | cryptoki.FlagUserPINFinalTry | cryptoki.FlagUserPINLocked
			err := p.swapped(func(slot uint) error {
				info, err := p.lib.TokenInfo(slot)
				if err != nil {
					return err
				}
				return holds(info.Flags&users == 0, "flags 0x%X of the other card", info.Flags)
			})
			return errors.Join(err, p.flags(users, true), p.right())
		}},
		{"other-card-never-signs", "§3.2 serialNumber; a Key of package card", removal | swap, func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error {
				key, err := p.signingKey(ctx, c)
				if err != nil {
					return err
				}
				err = p.swapped(func(uint) error { return removed(signed(ctx, key)) })
				return errors.Join(err, c.Login(ctx, p.PIN, card.LoginOptions{}), signed(ctx, key), c.Logout(ctx))
			})
		}},
	}
}

// swapped runs do while the other card is in the reader, whose slot it is given.
func (p *probe) swapped(do func(slot uint) error) error {
	if err := p.Remove(); err != nil {
		return err
	}
	if err := p.InsertOther(); err != nil {
		return errors.Join(err, p.Insert(), p.found())
	}
	err := p.eventually(func() error {
		slot, err := p.findOther()
		if err != nil {
			return err
		}
		return do(slot)
	})
	p.rest()
	return errors.Join(err, p.Remove(), p.Insert(), p.found())
}

// findOther is where the other card is.
func (p *probe) findOther() (uint, error) {
	slots, err := p.lib.SlotList(true)
	if err != nil {
		return 0, err
	}
	for _, slot := range slots {
		if info, err := p.lib.TokenInfo(slot); err == nil && info.Label == p.label && info.Serial != p.Serial && hasPINs(info) {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("no other card of the label %q in the module's readers", p.label)
}
