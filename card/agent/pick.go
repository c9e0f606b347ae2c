// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// readers are those of this workstation, in their order. It waits no longer than
// ctx.
func (a *Agent) readers(ctx context.Context) ([]card.Slot, error) {
	slots, err := within(ctx, func() ([]card.Slot, error) { return a.config.Module.Slots(ctx) })
	if err != nil || a.config.Readers == nil {
		return slots, err
	}
	own := make([]card.Slot, 0, len(a.config.Readers))
	for _, id := range a.config.Readers {
		i := slices.IndexFunc(slots, func(s card.Slot) bool { return s.ID == id })
		if i < 0 { // unplugged: its number stays, empty
			own = append(own, card.Slot{ID: id})
			continue
		}
		own = append(own, slots[i])
	}
	return own, nil
}

// readerOf is the number of the reader that holds a card, -1 where none of this
// workstation does.
func (a *Agent) readerOf(ctx context.Context, serial string) int {
	slots, err := a.readers(ctx)
	if err != nil {
		return -1
	}
	return holding(slots, serial)
}

func holding(slots []card.Slot, serial string) int {
	return slices.IndexFunc(slots, func(s card.Slot) bool { return s.Token != nil && s.Token.Serial == serial })
}

// pick says which card a task is about: the one that is already known, the one
// in the reader that the page named, or the only one that fits. It doesn't
// touch the card.
func (a *Agent) pick(ctx context.Context, t *task) (*card.TokenInfo, error) {
	slots, err := a.readers(ctx)
	if err != nil {
		return nil, err
	}
	var present []*card.TokenInfo
	hung := false
	for i, s := range slots {
		here := t.request.Reader == nil || *t.request.Reader == i
		if s.Token != nil && s.Token.Serial != "" && here {
			present = append(present, s.Token)
		}
		hung = hung || here && errors.Is(s.Err, card.ErrHung)
	}
	if t.serial != "" {
		if fit := only(present, func(c *card.TokenInfo) bool { return c.Serial == t.serial }); fit != nil {
			return fit, nil
		}
	}
	switch {
	case hung: // it may be the one that is meant, and no other gets its passcode
		return nil, card.ErrHung
	case len(present) == 0:
		return nil, card.ErrNoCard
	case t.serial != "":
		return nil, a.rules.Refuse("card.other")
	}
	for _, fits := range a.preferences(t.request) {
		if fit := only(present, fits); fit != nil {
			return fit, nil
		}
	}
	return nil, card.ErrAmbiguous
}

// preferences are tried in order until one leaves a single card.
func (a *Agent) preferences(r Request) []func(*card.TokenInfo) bool {
	signedIn := a.signedIn()
	any := func(*card.TokenInfo) bool { return true }
	held := func(c *card.TokenInfo) bool { return c.Serial == signedIn }
	guest := func(c *card.TokenInfo) bool { return c.Serial != signedIn }
	locked := func(c *card.TokenInfo) bool { return c.PIN == card.PINLocked }
	switch {
	case r.Kind == SignIn, r.Kind == StepUp, r.Kind == Renew, r.Kind == Passcode && r.Act == "":
		return []func(*card.TokenInfo) bool{any, held}
	case r.Kind == Presence, r.Kind == Passcode:
		return []func(*card.TokenInfo) bool{guest, any}
	case r.Kind == Unlock:
		return []func(*card.TokenInfo) bool{locked, any, guest}
	}
	return []func(*card.TokenInfo) bool{any}
}

// only returns the one card that fits, or nil where none or several do.
func only(cards []*card.TokenInfo, fits func(*card.TokenInfo) bool) *card.TokenInfo {
	var found *card.TokenInfo
	for _, c := range cards {
		if !fits(c) {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}

// take opens the task's card for work that nothing else of this agent does on
// the same card meanwhile: a login belongs to one task. give ends it, with
// nobody logged in.
func (a *Agent) take(ctx context.Context, t *task) (c *card.Card, info *card.TokenInfo, give func(), err error) {
	if info, err = a.pick(ctx, t); err != nil {
		return nil, nil, nil, err
	}
	serial := info.Serial
	if other := a.signedIn(); other != "" && other != serial && !t.request.ofAct() {
		return nil, nil, nil, a.rules.Refuse("session.busy")
	}
	if t.shown != "" && t.shown != serial {
		return nil, nil, nil, a.rules.Refuse("card.swapped")
	}
	a.mu.Lock()
	by := a.busy[serial]
	if by == nil {
		a.busy[serial] = t
	}
	a.mu.Unlock()
	switch {
	case by != nil && by.givenUp():
		return nil, nil, nil, card.ErrHung
	case by != nil:
		return nil, nil, nil, card.ErrBusy
	}
	free := func() {
		a.mu.Lock()
		delete(a.busy, serial)
		a.mu.Unlock()
	}
	if c, err = a.config.Module.Card(ctx, card.Selector{Serial: serial}); err != nil {
		free()
		return nil, nil, nil, err
	}
	give = func() {
		if err := c.Logout(context.WithoutCancel(ctx)); err != nil {
			a.config.Log.Warn("logout", "card", serial, "rule", wardkey.RuleOf(err))
		}
		free()
	}
	return c, info, give, nil
}

// passcodeDigits is the length that a new passcode may have on a card: the rule
// in force, and within it what the card takes. info may be nil.
func (a *Agent) passcodeDigits(info *card.TokenInfo) (least, most int) {
	now := a.config.Now()
	least, most = 4, 64 // what cards take at all, where no rule is in force
	if n, err := a.rules.Int("passcode.digits.min", now); err == nil {
		least = n
	}
	if n, err := a.rules.Int("passcode.digits.max", now); err == nil {
		most = n
	}
	if info != nil {
		least = max(least, info.MinPIN)
		if info.MaxPIN > 0 {
			most = min(most, info.MaxPIN)
		}
	}
	return least, most
}

func (a *Agent) passcodeLength(info *card.TokenInfo) *wardkey.Refusal {
	least, most := a.passcodeDigits(info)
	return a.rules.Refuse("passcode.length", "min", fmt.Sprint(least), "max", fmt.Sprint(most))
}

// chosen checks the form of a new passcode, typed twice, before any card or
// server is asked.
func (a *Agent) chosen(info *card.TokenInfo, f form) ([]byte, error) {
	passcode := f["newPasscode"]
	if !sameText(passcode, f["newPasscode2"]) {
		return nil, a.rules.Refuse("passcode.differs")
	}
	for _, c := range passcode {
		if c < '0' || c > '9' {
			return nil, a.rules.Refuse("passcode.invalid")
		}
	}
	if least, most := a.passcodeDigits(info); len(passcode) < least || len(passcode) > most {
		return nil, a.passcodeLength(info)
	}
	return passcode, nil
}
