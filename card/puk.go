// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"slices"
)

// ResetPINByPUK sets the holder's PIN and makes a locked card usable on cards
// that have a PUK instead of a security officer: C_SetPIN where nobody is logged
// in. PKCS#11 doesn't know a PUK, and no flag tells such a card from others, so
// the caller has to know: a card without this dialect takes the PUK for a wrong
// PIN, and counts it. OpenSC does it with user_pin_unblock_style =
// set_pin_in_unlogged_session, and YKCS11 always.
//
// The holder is logged out first, and nobody is logged in afterwards. The length
// of the new PIN is checked before (ErrPINLength), of the PUK only that it is
// there (ErrSOPINLength). ErrWrongSOPIN: the PUK was wrong, which counts.
// ErrSOLocked: the PUK is locked, or the card has no such dialect. Both are a
// [PINError] of RolePUK. nil for both asks the reader's PIN pad. The caller
// clears both.
func (c *Card) ResetPINByPUK(ctx context.Context, puk, next []byte) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.token.release()
	t := c.token
	t.drop()
	info, err := t.look(ctx)
	if err != nil {
		return err
	}
	if !pinFits(info, next) || (puk == nil) != (next == nil) {
		return ErrPINLength
	}
	if puk != nil && (len(puk) == 0 || slices.Contains(puk, 0)) {
		return ErrSOPINLength
	}
	err = t.settle(t.lib.lib.SetPIN(t.session, puk, next))
	if err != nil {
		err = t.refused("reset PIN by PUK", RolePUK, t.slot, err)
	} else {
		t.unsure.Store(false)
	}
	t.drop()
	return err
}
