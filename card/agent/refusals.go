// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

//go:embed rules.json
var rulesJSON []byte

// Rulebook returns the workstation's rules: a row for each error of card and of
// this package, and the form of a passcode.
func Rulebook() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) }

// refusal says any error in words for a person: the server's own where it said
// no, else the row of the rule that the error names. Its fact page is where it is
// mended.
func (a *Agent) refusal(err error) *wardkey.Refusal { return a.toPage(a.words(err)) }

func (a *Agent) words(err error) *wardkey.Refusal {
	var said *wardkey.Refusal
	switch {
	case errors.As(err, &said):
		return said
	case a.life.Err() != nil:
		return a.rules.Refuse("task.ended").Because(err)
	case errors.Is(err, errUnreachable), errors.Is(err, context.DeadlineExceeded):
		return a.rules.Refuse("server.unreachable").Because(err)
	}
	rule := wardkey.RuleOf(err)
	if rule == "passcode.length" {
		return a.passcodeLength(nil).Because(err)
	}
	if !slices.Contains(a.rules.IDs(), rule) {
		rule = "internal"
	}
	return a.rules.Refuse(rule, triesLeft(err)...).Because(err)
}

// mends says what would help after a "no" of this agent's or of a server's.
func mends(rule string) string {
	switch rule {
	case "card.locked", "passcode.unset", "unlock.unfinished":
		return string(Unlock)
	case "card.blank", "cert.none", "cert.expired":
		return mendByRA
	}
	return ""
}

// toPage adds the configured page to a "no" that one mends.
func (a *Agent) toPage(no *wardkey.Refusal) *wardkey.Refusal {
	page := a.config.Pages.at(mends(no.Rule))
	if page == "" {
		return no
	}
	with := *no
	with.Facts = maps.Clone(no.Facts)
	if with.Facts == nil {
		with.Facts = map[string]string{}
	}
	with.Facts["page"] = page
	return &with
}

// triesLeft is the fact of a refused passcode: how many tries the card has left,
// where its module tells that.
func triesLeft(err error) []string {
	pin, ok := errors.AsType[*card.PINError](err)
	if !ok || pin.Role != card.RoleUser || pin.TriesLeft < 0 {
		return nil
	}
	return []string{"triesLeft", strconv.Itoa(pin.TriesLeft)}
}

// window is how long before the end a certificate may be renewed, for the
// status; zero where no rule is in force.
func (a *Agent) window(at time.Time) time.Duration {
	d, err := a.rules.Duration("renewal.window", at)
	if err != nil {
		return 0
	}
	return d
}
