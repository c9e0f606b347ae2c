// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// A card that is pulled, and one that is put back.
func removalBehaviours() []behaviour {
	gone := []uint{cryptoki.DeviceRemoved, cryptoki.SessionHandleInvalid, cryptoki.SessionClosed, cryptoki.TokenNotPresent}
	return []behaviour{
		{"pulled-token-info", "§5.5 C_GetTokenInfo", removal, func(p *probe) error {
			return p.away(func(cryptoki.Session) error {
				_, err := p.lib.TokenInfo(p.slot)
				return is(err, cryptoki.TokenNotPresent, cryptoki.SlotIDInvalid)
			})
		}},
		{"pulled-slot-list", "§5.5 C_GetSlotList", removal, func(p *probe) error {
			return p.away(func(cryptoki.Session) error { return holds(p.find() != nil, "the card is still listed") })
		}},
		{"pulled-session", "§5.1 CKR_DEVICE_REMOVED", removal, func(p *probe) error {
			return p.away(func(s cryptoki.Session) error {
				_, err := p.lib.SessionState(s)
				return is(err, gone...)
			})
		}},
		{"pulled-is-no-wrong-pin", "§5.6 C_Login", removal, func(p *probe) error {
			return p.away(func(s cryptoki.Session) error { return is(p.lib.Login(s, cryptoki.UserNormal, p.PIN), gone...) })
		}},
		{"pulled-open-session", "§5.6 C_OpenSession", removal, func(p *probe) error {
			return p.away(func(cryptoki.Session) error {
				_, err := p.session()
				return is(err, cryptoki.TokenNotPresent, cryptoki.DeviceRemoved, cryptoki.SlotIDInvalid)
			})
		}},
		{"pulled-while-signing", "§5.11 C_Sign", removal, func(p *probe) error {
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			if err := p.lib.SignInit(s, m, key); err != nil {
				return err
			}
			return p.awayFrom(s, func(s cryptoki.Session) error {
				_, err := p.lib.Sign(s, make([]byte, 32))
				return is(err, gone...)
			})
		}},
		{"put-back-old-session", "§5.6 session handles", removal, func(p *probe) error {
			s, err := p.user()
			if err != nil {
				return err
			}
			if err := p.awayFrom(s, func(cryptoki.Session) error { return nil }); err != nil {
				return err
			}
			_, err = p.lib.SessionState(s)
			return is(err, gone...)
		}},
		{"put-back-logged-out", "§5.6 C_Login", removal, func(p *probe) error {
			if err := p.away(func(cryptoki.Session) error { return nil }); err != nil {
				return err
			}
			return p.state(stateRWPublic, p.session)
		}},
		{"put-back-works", "§5.6 C_Login", removal, func(p *probe) error {
			if err := p.away(func(cryptoki.Session) error { return nil }); err != nil {
				return err
			}
			s, key, m, err := p.signer()
			if err != nil {
				return err
			}
			return p.sign(s, m, key)
		}},
		{"pulled-event", "§5.5 C_WaitForSlotEvent", removal, func(p *probe) error {
			if err := p.drain(); err != nil {
				return err
			}
			slot := p.slot
			return p.away(func(cryptoki.Session) error {
				got, err := p.lib.WaitForSlotEvent(false)
				if err != nil {
					return err
				}
				return holds(got == slot, "slot %d instead of %d", got, slot)
			})
		}},
		{"same-key-again", "§5.6; a Key of package card", removal, func(p *probe) error { return p.withCard(p.again) }},
	}
}

// away runs do on a session that was logged in, while the card is out.
func (p *probe) away(do func(cryptoki.Session) error) error {
	s, err := p.user()
	if err != nil {
		return err
	}
	return p.awayFrom(s, do)
}

func (p *probe) awayFrom(s cryptoki.Session, do func(cryptoki.Session) error) error {
	if err := p.Remove(); err != nil {
		return err
	}
	err := do(s)
	return errors.Join(err, p.Insert(), p.find())
}

// drain takes the events of before.
func (p *probe) drain() error {
	for range 64 {
		if _, err := p.lib.WaitForSlotEvent(false); err != nil {
			return is(err, noEvent)
		}
	}
	return fmt.Errorf("events without end")
}

// again has one Key sign before and after the card was out.
func (p *probe) again(ctx context.Context, c *card.Card) error {
	if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
		return err
	}
	if err := verifies(ctx, c); err != nil {
		return err
	}
	if err := p.Remove(); err != nil {
		return err
	}
	_, out := c.Keys(ctx)
	if err := p.Insert(); err != nil {
		return err
	}
	if !errors.Is(out, card.ErrRemoved) {
		return fmt.Errorf("%v instead of %w", out, card.ErrRemoved)
	}
	if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
		return err
	}
	return errors.Join(verifies(ctx, c), c.Logout(ctx), p.find())
}
