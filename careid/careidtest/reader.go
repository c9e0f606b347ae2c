// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/careid"
)

// Reader is a reader on somebody's desk, and an agent beside it that tells the service when the card leaves.
type Reader struct {
	hospital  *Hospital
	name      string
	slot      int // of a tray
	card      *Card
	presences []string
}

// Reader returns the reader of that name; the first call puts it there. A tray has one reader less than its Config
// says: the last one serves the cards that are in no reader.
func (h *Hospital) Reader(name string) *Reader {
	for _, r := range h.readers {
		if r.name == name {
			return r
		}
	}
	r := &Reader{hospital: h, name: name, slot: len(h.readers)}
	h.readers = append(h.readers, r)
	return r
}

// Insert puts a card into the empty reader.
func (r *Reader) Insert(c *Card) error {
	switch {
	case r.card != nil:
		return fmt.Errorf("careidtest: reader %s has the card %s", r.name, r.card.Serial)
	case c.virtual != nil:
		if r.slot >= c.virtual.drawer.tray.Readers()-1 {
			return fmt.Errorf("careidtest: the tray has no reader for %s: give it more", r.name)
		}
		if err := c.virtual.drawer.tray.Insert(r.slot, c.Serial); err != nil {
			return err
		}
	}
	r.card = c
	return nil
}

// Remove pulls the card. The agent tells the service at once, which ends the sessions that are bound to it.
func (r *Reader) Remove(ctx context.Context) error {
	if r.card == nil {
		return nil
	}
	var failed []error
	if v := r.card.virtual; v != nil {
		failed = append(failed, v.drawer.tray.Remove(r.slot))
	}
	for _, presence := range r.presences {
		if err := r.hospital.Service.Removed(ctx, presence); err != nil && wardkey.RuleOf(err) != "presence.ended" {
			failed = append(failed, err)
		}
	}
	r.card, r.presences = nil, nil
	return errors.Join(failed...)
}

// Lease is what an agent does every ten seconds of Wall while the card is in: without it the sessions bound to the card
// end. A session that has ended is no error.
func (r *Reader) Lease(ctx context.Context) error {
	var failed []error
	for _, presence := range r.presences {
		if err := r.hospital.Service.Lease(ctx, presence); err != nil && wardkey.RuleOf(err) != "presence.ended" {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// SignIn signs the card in by that passcode. Refusals of reader and card: card.absent, passcode.wrong, card.locked.
func (r *Reader) SignIn(ctx context.Context, passcode string) (*SignedIn, error) {
	if r.card == nil {
		return nil, asAgent(card.ErrNoCard)
	}
	in, err := r.hospital.SignInWith(ctx, r.card, []byte(passcode))
	if err != nil {
		return nil, err
	}
	r.presences = append(r.presences, in.Presence)
	return in, nil
}

// StartUnlock asks for a code for the card in the reader; it arrives in the Inbox. The refusals are those of the
// Service, which a page for strangers would hide.
func (r *Reader) StartUnlock(ctx context.Context, by careid.Channel) (*Unlocking, error) {
	if r.card == nil {
		return nil, asAgent(card.ErrNoCard)
	}
	handle, err := r.hospital.Service.OpenUnlock(ctx, []byte("cookie of "+r.name))
	if err != nil {
		return nil, err
	}
	started, err := r.hospital.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: r.card.Serial, Channel: by})
	if err != nil {
		return nil, err
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	return &Unlocking{Request: started.Request, Key: key}, err
}

// FinishUnlock redeems the code that its holder typed and gives the card in the reader that new passcode.
func (r *Reader) FinishUnlock(ctx context.Context, u *Unlocking, code, passcode string) error {
	if r.card == nil {
		return asAgent(card.ErrNoCard)
	}
	holder := Person{Card: r.card}
	reset, err := r.hospital.Redeem(ctx, holder, &Unlocking{Request: u.Request, Code: code, Key: u.Key})
	if err != nil {
		return err
	}
	before := r.card.Passcode
	r.card.Passcode = []byte(passcode)
	if err := r.hospital.Reset(ctx, holder, u, reset); err != nil {
		r.card.Passcode = before
		return err
	}
	return r.hospital.Service.ResetConfirm(ctx, reset.Token)
}

// RenewAtDesk is a renewal by somebody of the Registration Authority in that role, with the holder there: the card is in
// a reader at the desk and its holder types the passcode. It serves after the end of the certificates too.
func (h *Hospital) RenewAtDesk(ctx context.Context, by Person, role careid.Role, c *Card) error {
	in, err := h.SignIn(ctx, by.Card)
	if err != nil {
		return err
	}
	actor, err := h.Service.Actor(ctx, in.Token, role, Organisation)
	if err != nil {
		return err
	}
	act, err := h.Service.OpenAct(ctx, actor, careid.ActRequest{
		Kind: careid.Renew, Card: c.Serial, Evidence: careid.Evidence{Kind: careid.ByCard},
	})
	if err != nil {
		return err
	}
	if _, err := h.Answer(ctx, c, Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token}); err != nil {
		return err
	}
	return h.Personalise(ctx, c, act.Handle)
}
