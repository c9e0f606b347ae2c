// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// resetLife is how long a server keeps a reset act open.
const resetLife = 10 * time.Minute

// unlock is an unlock under way. It lives in this process only: when it is gone,
// the person asks for a new code, or whoever helps opens another act.
type unlock struct {
	request    string // of a code; empty at a desk
	token      string // of the reset act, once the code was taken
	candidates []sealedSOPIN
	released   int64     // the generation that the server released, 0 before
	until      time.Time // by Wall
}

// askForCode begins an unlock. That the card's certificates have ended is told
// here, from the card itself: the server's answer to strangers says nothing.
func (a *Agent) askForCode(ctx context.Context, t *task, f form) (string, error) {
	c, _, give, err := a.take(ctx, t)
	if err != nil {
		return "", err
	}
	defer give()
	if err := a.notExpired(ctx, c); err != nil {
		return "", err
	}
	channel := string(f["channel"])
	if channel != "email" && channel != "text" {
		return stepChannel, a.rules.Refuse("request.invalid")
	}
	request, message, err := a.server(t.request.Server).startUnlock(ctx, t.request.Handle, c.Serial(), channel)
	if err != nil {
		return stepChannel, err
	}
	t.serial, t.message, t.unlock = c.Serial(), message, &unlock{request: request}
	return stepCode, nil
}

func (a *Agent) notExpired(ctx context.Context, c *card.Card) error {
	candidates, err := a.candidates(ctx, c)
	if err != nil {
		return err
	}
	if end := candidates[0].NotAfter; a.config.Now().After(end) {
		return a.expired(end)
	}
	return nil
}

// expired is the "no" to a card whose certificate ended.
func (a *Agent) expired(end time.Time) *wardkey.Refusal {
	return a.toPage(a.rules.Refuse("cert.expired", "notAfter", end.UTC().Format("2 January 2006")))
}

// redeemCode checks the new passcode's form, sends the code alone, and resets
// the card with what came back.
func (a *Agent) redeemCode(ctx context.Context, t *task, f form) (string, error) {
	if len(f["again"]) > 0 {
		return stepChannel, nil
	}
	c, info, give, err := a.take(ctx, t)
	if err != nil {
		return "", err
	}
	defer give()
	passcode, err := a.chosen(info, f)
	if err != nil {
		return stepCode, err
	}
	key, err := newAgentKey()
	if err != nil {
		return "", err
	}
	got, err := a.server(t.request.Server).redeem(ctx, t.unlock.request, c.Serial(), digits(f["code"]), key)
	if err != nil {
		return stepCode, a.asCode(err)
	}
	t.key = key
	t.unlock.take(got, a.config.Wall())
	return a.reset(ctx, c, t, passcode)
}

// take goes over to the reset act that was opened.
func (u *unlock) take(got *reset, now time.Time) {
	u.token, u.candidates, u.until = got.Reset, got.Candidates, now.Add(resetLife)
}

// unlockAtDesk opens the reset of an act that somebody else opened for the
// holder, who is there and types the new passcode.
func (a *Agent) unlockAtDesk(ctx context.Context, t *task, f form) (string, error) {
	c, info, give, err := a.take(ctx, t)
	if err != nil {
		return "", err
	}
	defer give()
	passcode, err := a.chosen(info, f)
	if err != nil {
		return "", err
	}
	got, err := a.server(t.request.Server).takeUnlock(ctx, t.request.Handle, t.key)
	if err != nil {
		return "", err
	}
	t.unlock = new(unlock)
	t.unlock.take(got, a.config.Wall())
	return a.reset(ctx, c, t, passcode)
}

// asCode: a code that isn't digits alone never leaves, and is told as the
// server tells any wrong one.
func (a *Agent) asCode(err error) error {
	if errors.Is(err, errForm) {
		return a.rules.Refuse("code.form")
	}
	return err
}

// resumeReset goes on with a reset that was cut short: the card was pulled, or
// the server could not be reached. The passcode is typed again, since it was
// not kept.
func (a *Agent) resumeReset(ctx context.Context, t *task, f form) (string, error) {
	if t.unlock == nil || a.config.Wall().After(t.unlock.until) {
		return "", a.rules.Refuse("reset.ended")
	}
	c, info, give, err := a.take(ctx, t)
	if err != nil {
		return "", err
	}
	defer give()
	passcode, err := a.chosen(info, f)
	if err != nil {
		return stepResume, err
	}
	return a.reset(ctx, c, t, passcode)
}

// reset runs the reset act. What goes wrong with the reader or the network leaves
// the task waiting to be resumed; the server's "no" ends it, and a card that none
// of the candidates opens, which must not be tried again, and candidates that
// this act's key doesn't open.
func (a *Agent) reset(ctx context.Context, c *card.Card, t *task, passcode []byte) (string, error) {
	err := a.resetCard(ctx, c, t, passcode)
	if err == nil {
		err = a.patiently(ctx, func(ctx context.Context) error {
			return a.server(t.request.Server).resetDone(ctx, t.unlock.token)
		})
	}
	var no *wardkey.Refusal
	shut := errors.Is(err, errSOPIN) || errors.Is(err, card.ErrWrongSOPIN) || errors.Is(err, card.ErrSOFinalTry) || errors.Is(err, card.ErrSOLocked)
	if err == nil || shut || errors.As(err, &no) || a.life.Err() != nil {
		return "", err
	}
	return stepResume, err
}

// resetCard does steps 2 to 5 of the reset act. The card's calls and the
// server's are in one SO session, so nothing else touches the card between.
func (a *Agent) resetCard(ctx context.Context, c *card.Card, t *task, passcode []byte) error {
	so, generation, opened, err := loginSO(ctx, c, t.key, &t.unlock.candidates)
	if err != nil {
		return err
	}
	defer so.Close()
	defer clear(opened)
	if generation == t.unlock.released { // an earlier attempt came this far
		return so.InitPIN(ctx, passcode)
	}
	var next sealedSOPIN
	err = a.patiently(ctx, func(ctx context.Context) (err error) {
		next, err = a.server(t.request.Server).opened(ctx, t.unlock.token, generation)
		return err
	})
	if err != nil {
		return err
	}
	// From here on the card has one of these two, also if the next line is
	// the last that runs.
	t.unlock.released = next.Generation
	t.unlock.candidates = []sealedSOPIN{candidateOf(t.unlock.candidates, generation), next}
	pin, err := t.key.open(next)
	if err != nil {
		return err
	}
	defer clear(pin)
	if err := so.ChangeSOPIN(ctx, opened, pin); err != nil {
		return err
	}
	t.unlock.candidates = []sealedSOPIN{next}
	return so.InitPIN(ctx, passcode)
}

func candidateOf(candidates []sealedSOPIN, generation int64) sealedSOPIN {
	for _, c := range candidates {
		if c.Generation == generation {
			return c
		}
	}
	return sealedSOPIN{}
}
