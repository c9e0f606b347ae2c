// SPDX-License-Identifier: Apache-2.0

package card

import (
	"errors"
	"fmt"
)

// Role is whose PIN was refused.
type Role int

// The roles. A PUK is what some cards have instead of a security officer.
const (
	RoleUser Role = iota + 1
	RoleSO
	RolePUK
)

// String is the role's name.
func (r Role) String() string {
	switch r {
	case RoleUser:
		return "user"
	case RoleSO:
		return "SO"
	case RolePUK:
		return "PUK"
	}
	return fmt.Sprintf("Role(%d)", int(r))
}

// PINError is a PIN that was refused, by the card or before it was sent. It is
// reached by errors.As, beside the [Error] that it wraps where the card was
// asked; its text is the wrapped error's.
type PINError struct {
	Role  Role
	State PINState // after the refusal; PINUnknown where the card doesn't tell
	// TriesLeft is 0 when the PIN is locked, 1 before the last try and -1
	// otherwise: PKCS#11 has no number of tries left (v2.40 §3.2, CK_TOKEN_INFO).
	TriesLeft int
	Err       error // *Error, or one of the Err… values
}

func (e *PINError) Error() string { return e.Err.Error() }

// Unwrap is what was answered.
func (e *PINError) Unwrap() error { return e.Err }

// Rule is the rule of what was answered.
func (e *PINError) Rule() string {
	if r, ok := errors.AsType[interface {
		error
		Rule() string
	}](e.Err); ok {
		return r.Rule()
	}
	return "card.failed"
}

func pinError(role Role, state PINState, err error) error {
	left := -1
	switch state {
	case PINLocked:
		left = 0
	case PINFinalTry:
		left = 1
	}
	return &PINError{Role: role, State: state, TriesLeft: left, Err: err}
}

// pinRefusals are the answers that a PINError is made of. What is wrong with a
// PIN's form says nothing about its tries.
func isPINRefusal(err error) bool {
	for _, refusal := range []error{ErrWrongPIN, ErrLocked, ErrFinalTry, ErrPINNotSet, ErrPINExpired, ErrWrongSOPIN, ErrSOLocked, ErrSOFinalTry} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
