// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// mismatch is an expectation that did not hold.
type mismatch struct {
	expected, came string
	cause          error
}

func (m *mismatch) Error() string { return "expected: " + m.expected + "\n    came: " + m.came }

func (m *mismatch) Unwrap() error { return m.cause }

// must fails with what should have been possible.
func must(expected string, err error) error {
	if err == nil {
		return nil
	}
	return &mismatch{expected: expected, came: err.Error(), cause: err}
}

// holds fails where a condition does not hold; came says what there was.
func holds(ok bool, expected, came string, values ...any) error {
	if ok {
		return nil
	}
	return &mismatch{expected: expected, came: fmt.Sprintf(came, values...)}
}

// refused fails unless err is a refusal by one of the rules.
func refused(err error, what string, rules ...string) error {
	expected := what + " is refused by " + strings.Join(rules, " or ")
	if err == nil {
		return &mismatch{expected: expected, came: "it was done"}
	}
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		for _, rule := range rules {
			if no.Rule == rule {
				return nil
			}
		}
	}
	return &mismatch{expected: expected, came: err.Error(), cause: err}
}

// why is the refusal in err, or an empty one.
func why(err error) *wardkey.Refusal {
	var no *wardkey.Refusal
	if errors.As(err, &no) {
		return no
	}
	return new(wardkey.Refusal)
}

// first returns the first error of expectations that were all looked at, and
// of work that was all done.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
