// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"errors"
	"slices"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// LoginOptions change what a login dares.
type LoginOptions struct {
	// FinalTry sends the PIN even when the card says that one try is left. If
	// it is wrong, the card locks.
	FinalTry bool
}

// Login shows the PIN to the card, once. A nil PIN asks the reader's own PIN
// pad, where it has one. What could be refused without the card is refused
// before: ErrPINLength, ErrPINNotSet, ErrLocked, and ErrFinalTry unless
// LoginOptions.FinalTry. Then ErrWrongPIN, or ErrLocked when this try was the
// one that locked it.
//
// Whoever was logged in on this card in this process is logged out first, even
// when the PIN turns out to be wrong. ErrBusy: code outside this package holds a
// login on it, which would hide whether the PIN is right. The caller clears pin.
//
// A refusal is also a [*PINError], which has what the card tells of the tries
// left. (PKCS#11 v2.40 §5.6, C_Login)
func (c *Card) Login(ctx context.Context, pin []byte, o LoginOptions) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	return c.login(ctx, "login", pin, o)
}

func (c *Card) login(ctx context.Context, op string, pin []byte, o LoginOptions) error {
	t := c.token
	info, err := t.look(ctx)
	if err != nil {
		return err
	}
	if err := mayTry(info, pin, o); err != nil {
		return err
	}
	t.logout()
	if err := t.ensure(ctx); err != nil {
		return err
	}
	if err := t.settle(t.lib.lib.Login(t.session, cryptoki.UserNormal, pin)); err != nil {
		return t.refused(op, RoleUser, t.slot, err)
	}
	t.holder = c
	t.unsure.Store(false)
	return nil
}

// mayTry is all that can be known before a PIN is sent.
func mayTry(info *TokenInfo, pin []byte, o LoginOptions) error {
	if info.PIN == PINNotSet {
		return pinError(RoleUser, PINNotSet, ErrPINNotSet)
	}
	if !pinFits(info, pin) {
		return ErrPINLength
	}
	return triesLeft(RoleUser, info.PIN, o)
}

// triesLeft refuses a try that is hopeless, and the last one unless it is asked
// for.
func triesLeft(role Role, s PINState, o LoginOptions) error {
	locked, final := ErrLocked, ErrFinalTry
	if role == RoleSO {
		locked, final = ErrSOLocked, ErrSOFinalTry
	}
	switch {
	case s == PINLocked:
		return pinError(role, s, locked)
	case s == PINFinalTry && !o.FinalTry:
		return pinError(role, s, final)
	}
	return nil
}

// pinFits is the length check of the card, done before it costs a try. nil fits
// where there is a PIN pad. No PIN has a zero byte: it is what is left of a slice
// that was cleared and is given again by mistake.
func pinFits(info *TokenInfo, pin []byte) bool {
	if pin == nil {
		return info.PINPad
	}
	return len(pin) > 0 && !slices.Contains(pin, 0) && len(pin) >= info.MinPIN && (info.MaxPIN == 0 || len(pin) <= info.MaxPIN)
}

// refused makes the error of a refused PIN. Cards differ in what they answer to
// the try that locks them, so their flags are asked; of our card, not of one that
// was put in its place meanwhile.
func (t *token) refused(op string, role Role, slot uint, err error) error {
	wrong, locked := ErrWrongPIN, ErrLocked
	explained := explain(op, err)
	if role != RoleUser {
		wrong, locked = ErrWrongSOPIN, ErrSOLocked
		explained = explainSO(op, err)
	}
	if !isPINRefusal(explained) {
		return explained
	}
	state := PINUnknown
	if raw, err := t.lib.lib.TokenInfo(slot); err == nil && t.self.matches(tokenInfo(raw)) {
		state = tokenInfo(raw).PIN
		if role != RoleUser {
			state = tokenInfo(raw).SOPIN
		}
	}
	var e *Error
	if errors.As(explained, &e) {
		switch {
		case e.Err == wrong && state == PINLocked:
			e.Err = locked
		case e.Err == locked:
			state = PINLocked // some cards have no flags
		case e.Err == wrong && state == PINReady:
			state = PINUnknown
			if role == RoleUser {
				t.unsure.Store(true)
			}
		}
	}
	return pinError(role, state, explained)
}

// Logout ends the login of this Card, which must be shown the PIN again before it
// signs. No error if it wasn't logged in or the card is gone. It doesn't prove that
// the card itself forgot the PIN: OpenSC 0.23 sends a PIV card nothing at C_Logout,
// and other programs can use it as verified until it is reset or pulled. (PKCS#11
// v2.40 §5.6, C_Logout)
func (c *Card) Logout(ctx context.Context) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	if c.token.holder == c {
		c.token.logout()
	}
	return nil
}

// logout ends any login of ours. A module that refuses C_Logout loses its
// session.
func (t *token) logout() {
	if t.holder == nil {
		return
	}
	if err := t.lib.lib.Logout(t.session); err != nil {
		t.drop()
		return
	}
	t.holder = nil
	t.epoch++ // handles of private objects die with the login
}

// ChangePIN sets another PIN, shown the current one. The lengths of both are
// checked before (ErrPINLength, which a zero byte is too); a card with one try
// left answers ErrFinalTry, and a right Login makes it good again. ErrWrongPIN
// and ErrLocked are as for Login. nil for both asks the reader's PIN pad. The
// caller clears both.
//
// This Card's login stays; without one, the current PIN is logged in for the
// change and out again, as Login would: in a session where nobody is logged in,
// some cards take the first PIN of C_SetPIN for a PUK. A card that answers to
// that login that the PIN expired is the exception: it has no other way.
// (PKCS#11 v2.40 §5.5, C_SetPIN; §5.1.6, CKR_PIN_EXPIRED)
func (c *Card) ChangePIN(ctx context.Context, current, next []byte) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	t := c.token
	info, err := t.look(ctx)
	if err != nil {
		return err
	}
	if !pinFits(info, next) || (current == nil) != (next == nil) {
		return ErrPINLength
	}
	if err := mayTry(info, current, LoginOptions{}); err != nil {
		return err
	}
	if t.holder != c || !t.userIn() {
		err := c.login(ctx, "change PIN", current, LoginOptions{})
		if err != nil && !errors.Is(err, ErrPINExpired) {
			return err
		}
		defer t.logout()
	}
	if err := t.ensure(ctx); err != nil {
		return err
	}
	if err := t.settle(t.lib.lib.SetPIN(t.session, current, next)); err != nil {
		return t.refused("change PIN", RoleUser, t.slot, err)
	}
	t.unsure.Store(false)
	return nil
}
