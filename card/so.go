// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"sync"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// SOSession is a card with its security officer logged in. The card belongs to
// it until Close: every other call on the card waits. It is for one goroutine.
type SOSession struct {
	card  *Card
	close sync.Once
	err   error
}

// SO logs the security officer in, which logs the holder out. One wrong SO PIN
// too many and no one can ever unlock the card: ErrWrongSOPIN counts, ErrSOLocked
// is final, and ErrSOFinalTry is answered before the last try unless
// LoginOptions.FinalTry. Close the session when done.
func (c *Card) SO(ctx context.Context, soPIN []byte, o LoginOptions) (*SOSession, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	if err := c.loginSO(ctx, soPIN, o); err != nil {
		c.token.release()
		return nil, err
	}
	return &SOSession{card: c}, nil
}

// loginSO begins from a new session, so that nothing of the holder's is left.
func (c *Card) loginSO(ctx context.Context, soPIN []byte, o LoginOptions) error {
	t := c.token
	t.drop()
	info, err := t.look(ctx)
	if err != nil {
		return err
	}
	if err := maySO(info, soPIN, o); err != nil {
		return err
	}
	if err := t.settle(t.lib.lib.Login(t.session, cryptoki.UserSO, soPIN)); err != nil {
		refused := t.refused("login SO", RoleSO, t.slot, err)
		t.drop()
		return refused
	}
	return nil
}

// maySO is what can be known before an SO PIN is sent.
func maySO(info *TokenInfo, soPIN []byte, o LoginOptions) error {
	if !pinFits(info, soPIN) {
		return ErrSOPINLength
	}
	return triesLeft(RoleSO, info.SOPIN, o)
}

// ChangeSOPIN sets another SO PIN, shown the current one, which counts like a
// login when it is wrong.
func (s *SOSession) ChangeSOPIN(ctx context.Context, current, next []byte) error {
	return s.do(ctx, func(t *token, info *TokenInfo) error {
		if !pinFits(info, next) {
			return ErrSOPINLength
		}
		if err := maySO(info, current, LoginOptions{}); err != nil {
			return err
		}
		if err := t.lib.lib.SetPIN(t.session, current, next); err != nil {
			return t.refused("change SO PIN", RoleSO, t.slot, err)
		}
		return nil
	})
}

// InitPIN sets the holder's PIN and makes all its tries good again.
func (s *SOSession) InitPIN(ctx context.Context, pin []byte) error {
	return s.do(ctx, func(t *token, info *TokenInfo) error {
		if !pinFits(info, pin) {
			return ErrPINLength
		}
		if err := t.lib.lib.InitPIN(t.session, pin); err != nil {
			return explain("set PIN", err)
		}
		t.unsure.Store(false)
		return nil
	})
}

// do runs one call of the session; a card that is gone ends the session, and
// all that follows answers so.
func (s *SOSession) do(ctx context.Context, call func(*token, *TokenInfo) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	t := s.card.token
	raw, err := t.lib.lib.TokenInfo(t.slot)
	switch {
	case err == nil && !t.self.matches(tokenInfo(raw)): // no PIN for the card in its place
		err = ErrRemoved
	case err == nil:
		err = call(t, tokenInfo(raw))
	}
	if gone(err) || err == ErrRemoved {
		s.err = ErrRemoved
		t.lost()
	}
	return explain("SO session", err)
}

// Close logs the security officer out and gives the card back. It may be called
// again.
func (s *SOSession) Close() {
	s.close.Do(func() {
		s.err = ErrClosed
		t := s.card.token
		if t.open {
			_ = t.lib.lib.Logout(t.session) // drop ends the login where this can't
		}
		t.drop()
		t.release()
	})
}

// ResetPIN sets the holder's PIN by the security officer's and makes a locked
// card usable. It ends with nobody logged in, whatever happened. Errors as for
// SO; the new PIN's length is checked before the SO PIN is sent.
func (c *Card) ResetPIN(ctx context.Context, soPIN, next []byte) error {
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if !pinFits(&info, next) {
		return ErrPINLength
	}
	so, err := c.SO(ctx, soPIN, LoginOptions{})
	if err != nil {
		return err
	}
	defer so.Close()
	return so.InitPIN(ctx, next)
}

// Initialize makes a card empty (C_InitToken): all keys and certificates are
// gone, no PIN is set, the label is new. A blank card takes soPIN as its SO PIN;
// any other must be shown its own, and a wrong one counts. The label has at most
// 32 bytes; more is cut. Some modules (SoftHSM) give the card another serial: then
// this Card answers ErrRemoved, and Module.Card finds the new one by its label.
func (c *Card) Initialize(ctx context.Context, soPIN []byte, label string) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	t := c.token
	t.drop() // C_InitToken wants no session on the card
	slot, info, err := t.find(ctx)
	if err != nil {
		return err
	}
	if err := maySO(info, soPIN, LoginOptions{}); err != nil {
		return err
	}
	if err := t.lib.lib.InitToken(slot, soPIN, label); err != nil {
		return t.refused("initialize", RoleSO, slot, err)
	}
	t.unsure.Store(false)
	return nil
}
