// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"net/http"
)

// Renew renews the card that this browser's person signed in with, by
// themselves.
func (b *Browser) Renew(ctx context.Context, reader int, passcode string) error {
	t := Ticket{}
	if err := b.web(ctx, http.MethodPost, "/my/acts", map[string]string{"kind": "renew"}, &t); err != nil {
		return err
	}
	_, err := b.perform(ctx, t, reader, map[string]string{"passcode": passcode})
	return err
}

// Unlock is a self-service unlock on its way: a locked card in a reader and
// nobody signed in.
type Unlock struct{ task *Task }

// UnlockTicket is what the unlock page gives to the agent.
func (b *Browser) UnlockTicket(ctx context.Context) (Ticket, error) {
	t := Ticket{}
	err := b.web(ctx, http.MethodGet, "/unlock", nil, &t)
	return t, err
}

// StartUnlock opens the unlock page and asks for a code over a channel, email
// or text.
func (h *Hospital) StartUnlock(ctx context.Context, reader int, channel string) (*Unlock, error) {
	b := h.Browser()
	t, err := b.UnlockTicket(ctx)
	if err != nil {
		return nil, err
	}
	task, err := b.Task(ctx, t, reader)
	if err != nil {
		return nil, err
	}
	return &Unlock{task: task}, task.Answer(ctx, map[string]string{"channel": channel})
}

// Finish types the code and the new passcode. A wrong code is a refusal, and
// the right one may follow it.
func (u *Unlock) Finish(ctx context.Context, code, passcode string) error {
	_, err := u.task.finish(ctx, map[string]string{"code": code, "newPasscode": passcode, "newPasscode2": passcode})
	return err
}
