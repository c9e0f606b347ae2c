// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// isGone says whether a session answers that its card is out, or was.
func isGone(err error, or ...uint) error {
	return is(err, append(or, cryptoki.DeviceRemoved, cryptoki.SessionHandleInvalid, cryptoki.SessionClosed, cryptoki.TokenNotPresent)...)
}

// A card that is pulled, and one that is put back.
func removalBehaviours() []behaviour {
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
				return isGone(err)
			})
		}},
		{"pulled-is-no-wrong-pin", "§5.6 C_Login", removal, func(p *probe) error {
			return p.away(func(s cryptoki.Session) error { return isGone(p.lib.Login(s, cryptoki.UserNormal, p.PIN)) })
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
				return isGone(err)
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
			return isGone(err)
		}},
		{"put-back-logged-out", "§5.6 C_Login", removal, func(p *probe) error {
			if err := p.away(func(cryptoki.Session) error { return nil }); err != nil {
				return err
			}
			return p.state(p.public(), p.session)
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
		{"pulled-before-the-pin", "§5.6 C_Login", removal | destructive, func(p *probe) error {
			return p.interrupted(func(s cryptoki.Session) error {
				return isGone(p.lib.Login(s, cryptoki.UserNormal, p.not(p.PIN)))
			}, nil)
		}},
		{"put-back-before-the-pin", "§5.6 C_Login", removal | destructive, func(p *probe) error {
			return p.interrupted(nil, func(s cryptoki.Session) error {
				return isGone(p.lib.Login(s, cryptoki.UserNormal, p.not(p.PIN)))
			})
		}},
		{"pulled-while-others-sign", "§5.11 C_Sign", removal, (*probe).pulledAmong},
		{"pulled-during-a-prompt", "§5.6; a Prompter of package card", removal, func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error { return p.prompted(ctx, c, p.Remove, p.Insert) })
		}},
		{"put-back-during-a-prompt", "§5.6; a Prompter of package card", removal, func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error {
				return p.prompted(ctx, c, func() error { return errors.Join(p.Remove(), p.Insert(), p.found()) }, func() error { return nil })
			})
		}},
		{"same-key-again", "§5.6; a Key of package card", removal, func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error {
				key, err := p.signingKey(ctx, c)
				if err != nil {
					return err
				}
				return p.again(ctx, c, key)
			})
		}},
	}
}

// away runs do on a session that was logged in, while the card is out.
func (p *probe) away(do func(cryptoki.Session) error) error {
	s, err := p.user()
	if err != nil {
		return err
	}
	return p.awayFrom(s, func(s cryptoki.Session) error { return p.eventually(func() error { return do(s) }) })
}

// awayFrom runs do once, at once: the module need not have noticed yet that the
// card is out.
func (p *probe) awayFrom(s cryptoki.Session, do func(cryptoki.Session) error) error {
	if err := p.Remove(); err != nil {
		return err
	}
	err := do(s)
	return errors.Join(err, p.Insert(), p.found())
}

// interrupted is a person who is about to type the PIN when the card leaves:
// out runs while it is out, back when it is in again. Neither costs a try.
func (p *probe) interrupted(out, back func(cryptoki.Session) error) error {
	s, err := p.session()
	if err != nil {
		return err
	}
	err = p.awayFrom(s, func(s cryptoki.Session) error {
		if out != nil {
			return out(s)
		}
		return nil
	})
	if err == nil && back != nil {
		err = back(s)
	}
	const users = cryptoki.FlagUserPINCountLow | cryptoki.FlagUserPINFinalTry | cryptoki.FlagUserPINLocked
	err = errors.Join(err, p.flags(users, false))
	p.rest()
	return errors.Join(err, p.right())
}

// pulledAmong pulls the card while several sessions sign: each signature is
// whole, or the card was gone.
func (p *probe) pulledAmong() error {
	first, key, m, err := p.signer()
	if err != nil {
		return err
	}
	public, err := p.publicOf(first, key)
	if err != nil {
		return err
	}
	const threads = 4
	sessions, err := p.several(threads)
	if err != nil {
		return err
	}
	stop, ended := context.WithTimeout(context.Background(), p.limit())
	defer ended()
	var all, begun sync.WaitGroup
	failed := make(chan error, threads)
	begun.Add(threads)
	for _, s := range sessions {
		all.Go(func() {
			err := p.signRaw(s, m, key, public)
			begun.Done()
			for err == nil && stop.Err() == nil {
				err = p.signRaw(s, m, key, public)
			}
			failed <- isGone(err, cryptoki.KeyHandleInvalid, cryptoki.ObjectHandleInvalid, cryptoki.UserNotLoggedIn)
		})
	}
	begun.Wait()
	if err = p.Remove(); err != nil {
		ended()
	}
	all.Wait()
	close(failed)
	for one := range failed {
		err = errors.Join(err, one)
	}
	return errors.Join(err, p.Insert(), p.found())
}

// prompted has something happen to the card while its holder is asked for the
// PIN, which after mends. What was asked for fails as removed, or is done after
// all: the PIN was never wrong.
func (p *probe) prompted(ctx context.Context, c *card.Card, happen, after func() error) error {
	key, err := p.signingKey(ctx, c)
	if err == nil {
		err = c.Logout(ctx)
	}
	if err != nil {
		return err
	}
	var happened error
	asked := 0
	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) {
		if asked++; asked == 1 {
			happened = happen()
		}
		return bytes.Clone(p.PIN), nil
	})
	err = signed(ctx, key)
	happened = errors.Join(happened, holds(asked > 0, "nobody was asked for the PIN"), after(), p.found())
	if err != nil {
		happened = errors.Join(happened, removed(err))
	}
	return errors.Join(happened, c.Login(ctx, p.PIN, card.LoginOptions{}), c.Logout(ctx))
}

// again has one Key sign before and after the card was out.
func (p *probe) again(ctx context.Context, c *card.Card, key *card.Key) error {
	if err := signed(ctx, key); err != nil {
		return err
	}
	if err := p.Remove(); err != nil {
		return err
	}
	out := p.eventually(func() error { return removed(signed(ctx, key)) })
	if err := errors.Join(out, p.Insert(), p.found()); err != nil {
		return err
	}
	return errors.Join(c.Login(ctx, p.PIN, card.LoginOptions{}), signed(ctx, key), c.Logout(ctx))
}

// removed says whether package card tells of the removal.
func removed(err error) error {
	if errors.Is(err, card.ErrRemoved) {
		return nil
	}
	return fmt.Errorf("%v instead of %w", err, card.ErrRemoved)
}
