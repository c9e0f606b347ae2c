// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// AAL is an authenticator assurance level. A session has AAL2 or AAL3: less signs nobody in.
type AAL int

// ACR is the published value that says a level was reached, whatever was used for it; "" below AAL2.
func (l AAL) ACR() string {
	if l < 2 {
		return ""
	}
	return fmt.Sprintf("AAL%d_ANY", int(l))
}

// Shown is what a person showed in one use of an authenticator.
type Shown struct {
	Kind AuthenticatorKind
	// Verified is whether the device says that it asked for its PIN or a biometric; unknown counts as no.
	Verified Known
	// Authenticator is the id of the registered one, "" for a card.
	Authenticator string
}

// Assurance is what one or more authenticators used together come to: their different factors, and the level.
//
// An authenticator that has shown two factors by itself gives the level of its kind. Several that only do so together,
// as a password and a code, give no more than authenticator.combined.aal. One factor is AAL1, and nothing is 0. The
// answer is computed from the kind and from what happened, never from what an authenticator was registered as.
// Refusal: authenticator.unknown.
func Assurance(book *wardkey.Rulebook, shown []Shown, t time.Time) (AAL, []Factor, error) {
	if len(shown) == 0 {
		return 0, nil, nil
	}
	var factors []Factor
	alone, together := AAL(0), AAL(0)
	for i, one := range shown {
		own, _, err := Factors(book, one.Kind, one.Verified, t)
		if err != nil {
			return 0, nil, err
		}
		level, err := kindLevel(book, one.Kind, t)
		if err != nil {
			return 0, nil, err
		}
		if len(own) >= 2 {
			alone = max(alone, level)
		}
		if i == 0 || level < together {
			together = level
		}
		for _, f := range own {
			if !slices.Contains(factors, f) {
				factors = append(factors, f)
			}
		}
	}
	if alone > 0 {
		return alone, factors, nil
	}
	if len(factors) < 2 {
		return 1, factors, nil
	}
	most, err := book.Int("authenticator.combined.aal", t)
	return min(together, AAL(most)), factors, err
}

// kindLevel is the level that a kind gives when it has shown two factors.
func kindLevel(book *wardkey.Rulebook, kind AuthenticatorKind, t time.Time) (AAL, error) {
	level, err := book.Int("authenticator."+string(kind)+".aal", t)
	return AAL(level), err
}

func levelText(level AAL) string { return strconv.Itoa(int(level)) }

// used are the amr values of a session.
func (s *Service) used(row SessionRow, t time.Time) ([]string, error) {
	if row.Card != "" {
		policy, err := s.policy(t)
		return slices.Clone(policy.CardMethods), err
	}
	return methods(s.book, row.Used, t)
}

// methods are the amr values of what was used, each once.
func methods(book *wardkey.Rulebook, shown []Shown, t time.Time) ([]string, error) {
	var all []string
	for _, one := range shown {
		name, err := book.Text("authenticator."+string(one.Kind)+".amr", t)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all, nil
}

// shown is what a session stands on: a card, which asks for its passcode, or what was used instead.
func (r SessionRow) shown() []Shown {
	if r.Card != "" {
		return []Shown{{Kind: KindCard, Verified: Yes}}
	}
	return r.Used
}

// level is the level of a session as the book stands at t. An authenticator that the book no longer has is none. That of
// a card is read once a day and not at each sign-in.
func (s *Service) level(row SessionRow, t time.Time) (AAL, error) {
	if row.Card != "" {
		policy, err := s.policy(t)
		return policy.CardAAL, err
	}
	level, _, err := Assurance(s.book, row.shown(), t)
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		return 0, nil
	}
	return level, err
}
