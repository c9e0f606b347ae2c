// SPDX-License-Identifier: Apache-2.0

package card

import "context"

// Prompt is what a Prompter is asked.
type Prompt struct {
	Serial, Label string
	Op            string   // what needs the PIN: "sign", "generate key", …
	PIN           PINState // what is known of the tries left
	// Once: the PIN is for one signature of a key that wants it each time; the
	// Card is logged in already.
	Once bool
}

// Prompter asks the person for the PIN. The SDK clears what it returns, so it
// must return a fresh slice each time; one that was cleared before is ErrPINLength
// and costs no try. It may take as long as ctx allows, and must return then: the
// call that asked waits for it. Other calls on the card go on meanwhile, but one
// question at a time is asked for a Card, so that a Prompter which signs with the
// same Card waits for itself. nil without an error means the reader's own PIN pad.
type Prompter func(ctx context.Context, p Prompt) ([]byte, error)

// PromptWith sets who is asked when an operation needs a login that the Card
// hasn't, at first or after the card was pulled. The operation asks once, logs
// in and goes on; a wrong PIN is its error, and that of the operations which
// waited for the same answer. A card with one try left isn't asked for:
// ErrFinalTry, and Login is the way. nil, the default, makes such operations
// answer ErrNotLoggedIn.
//
// A question that is being asked goes on as it was.
func (c *Card) PromptWith(p Prompter) { c.prompter.Store(&p) }

// ask gets a login from the prompter. Who had to wait for another's prompt
// shares its answer, the refusal too: one question, one try.
func (c *Card) ask(ctx context.Context, op string) error {
	before := c.asked.Load()
	if err := c.asking.enter(ctx); err != nil {
		return err
	}
	defer c.asking.leave()
	if c.refusal != nil && c.asked.Load() != before {
		return c.refusal
	}
	info, in, err := c.standing(ctx)
	if err != nil || in { // in: another goroutine asked meanwhile
		return err
	}
	err = c.loginAsked(ctx, info, op)
	if ctx.Err() == nil { // one that gave up doesn't answer for the others
		c.refusal = err
		c.asked.Add(1)
	}
	return err
}

func (c *Card) loginAsked(ctx context.Context, info *TokenInfo, op string) error {
	pin, err := c.prompt(ctx, info, Prompt{Op: op})
	defer clear(pin)
	if err != nil {
		return err
	}
	return c.Login(ctx, pin, LoginOptions{})
}

// askOnce gets a PIN for one signature; the caller clears it.
func (c *Card) askOnce(ctx context.Context, op string) ([]byte, error) {
	if err := c.asking.enter(ctx); err != nil {
		return nil, err
	}
	defer c.asking.leave()
	info, _, err := c.standing(ctx)
	if err != nil {
		return nil, err
	}
	return c.prompt(ctx, info, Prompt{Op: op, Once: true})
}

// prompt asks, unless the PIN would be refused; asking is held.
func (c *Card) prompt(ctx context.Context, info *TokenInfo, p Prompt) ([]byte, error) {
	ask := c.prompter.Load()
	if ask == nil || *ask == nil {
		return nil, ErrNotLoggedIn
	}
	if err := triesLeft(RoleUser, info.PIN, LoginOptions{}); err != nil {
		return nil, err
	}
	p.Serial, p.Label, p.PIN = info.Serial, info.Label, info.PIN
	pin, err := (*ask)(ctx, p)
	if err != nil {
		clear(pin)
		return nil, err
	}
	return pin, nil
}

// standing is the card's info and whether this Card is logged in.
func (c *Card) standing(ctx context.Context) (*TokenInfo, bool, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, false, err
	}
	defer c.token.release()
	info, err := c.token.look(ctx)
	return info, c.token.holder == c, err
}
