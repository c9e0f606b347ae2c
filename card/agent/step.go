// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// step takes a posted form one step on, and clears it. What goes wrong with the
// card or the server is told on the page and in the task.
func (a *Agent) step(t *task, f form) {
	step := string(f["step"])
	if !t.claim(step, string(f["form"])) {
		f.clear()
		return // the page shows where the task is
	}
	a.overseen(t, func(ctx context.Context) {
		defer f.clear() // here, since a call that hangs may still read it
		t.one.Lock()
		defer t.one.Unlock()
		t.shown = string(f["card"])
		a.move(t, Working, step, nil)
		next, err := a.do(ctx, t, step, f)
		a.settle(t, step, next, err)
	})
}

// settle says where a task is after a step.
func (a *Agent) settle(t *task, step, next string, err error) {
	var refusal *wardkey.Refusal
	if err != nil {
		refusal = a.refusal(err)
		a.config.Log.Info("refused", "kind", t.request.Kind, "rule", refusal.Rule, "card", t.serial, "cause", err)
		if next == "" && mendable(refusal.Rule) {
			next = step
		}
	}
	switch {
	case next != "":
		a.move(t, Waiting, next, refusal)
	case refusal != nil:
		t.forget()
		a.move(t, Refused, "", refusal)
	default:
		t.forget()
		a.config.Log.Info("done", "kind", t.request.Kind, "card", t.serial)
		a.move(t, Done, "", nil)
	}
}

// do runs the step. It returns the step that comes next, "" for the end. With
// an error, a next step means that the person can mend it there.
func (a *Agent) do(ctx context.Context, t *task, step string, f form) (next string, err error) {
	switch t.request.Kind {
	case SignIn, StepUp, Presence:
		return "", a.proveCard(ctx, t, f)
	case Issue:
		return "", a.issue(ctx, t, f)
	case Renew, Repair:
		return "", a.renew(ctx, t, f)
	case Clear:
		return "", a.clear(ctx, t)
	case Passcode:
		return "", a.changePasscode(ctx, t, f)
	}
	switch step {
	case stepChoose:
		return a.unlockAtDesk(ctx, t, f)
	case stepChannel:
		return a.askForCode(ctx, t, f)
	case stepCode:
		return a.redeemCode(ctx, t, f)
	}
	return a.resumeReset(ctx, t, f)
}

// mendable are the refusals after which the same form can be filled in again.
func mendable(rule string) bool {
	return slices.Contains([]string{
		"card.absent", "card.removed", "card.ambiguous", "card.busy", "card.other", "card.swapped",
		"passcode.wrong", "passcode.final", "passcode.length", "passcode.invalid", "passcode.differs", "passcode.same",
		"server.unreachable",
	}, rule)
}

// login shows the typed passcode to the card, once. The last try is dared only
// when the page said that it is the last.
func (a *Agent) login(ctx context.Context, c *card.Card, f form) error {
	return c.Login(ctx, f["passcode"], card.LoginOptions{FinalTry: string(f["final"]) == "yes"})
}

// changePasscode needs no server, since the holder knows the passcode; with an act
// of a desk the card speaks for that first, as presence.
func (a *Agent) changePasscode(ctx context.Context, t *task, f form) error {
	c, info, give, err := a.take(ctx, t)
	if err != nil {
		return err
	}
	defer give()
	next, err := a.chosen(info, f)
	if err != nil {
		return err
	}
	if sameText(next, f["passcode"]) {
		return a.rules.Refuse("passcode.same")
	}
	if err := a.login(ctx, c, f); err != nil {
		return err
	}
	if t.request.Act != "" && !t.agreed {
		if _, err := a.prove(ctx, c, t, Presence); err != nil {
			return err
		}
		t.agreed, t.serial = true, c.Serial()
	}
	return c.ChangePIN(ctx, f["passcode"], next)
}
