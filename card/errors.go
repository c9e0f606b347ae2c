// SPDX-License-Identifier: Apache-2.0

package card

import (
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// sentinel is an error with the id of the rule that it stands for.
type sentinel struct{ rule, text string }

func (s *sentinel) Error() string { return s.text }

// Rule is the stable id that a rulebook has a row for.
func (s *sentinel) Rule() string { return s.rule }

// What can go wrong, to be asked for with errors.Is. Each has a Rule() string,
// given beside it.
var (
	ErrUnsupported error = &sentinel{"card.unsupported", "card: not supported by this build, module or card"}
	ErrUntrusted   error = &sentinel{"module.untrusted", "card: module can be replaced by others"}
	ErrURI         error = &sentinel{"module.uri", "card: not a PKCS#11 URI that is taken"}
	ErrModule      error = &sentinel{"module.failed", "card: module failed"}
	ErrHung        error = &sentinel{"module.hung", "card: card, or its module, doesn't answer"}
	ErrClosed      error = &sentinel{"module.closed", "card: module is closed"}
	ErrNoCard      error = &sentinel{"card.absent", "card: no such card in any reader"}
	ErrRemoved     error = &sentinel{"card.removed", "card: card was removed"}
	ErrAmbiguous   error = &sentinel{"card.ambiguous", "card: more than one matches"}
	ErrNotFound    error = &sentinel{"object.absent", "card: no such object on the card"}
	ErrExists      error = &sentinel{"object.exists", "card: object is already on the card"}
	ErrMismatch    error = &sentinel{"object.mismatch", "card: object doesn't belong to the key"}
	ErrFull        error = &sentinel{"card.full", "card: no room on the card"}
	ErrBlank       error = &sentinel{"card.blank", "card: card isn't initialised"}
	ErrBusy        error = &sentinel{"card.busy", "card: card is in use by another part of this process"}
	ErrNotLoggedIn error = &sentinel{"passcode.required", "card: not logged in"}
	ErrWrongPIN    error = &sentinel{"passcode.wrong", "card: wrong PIN"}
	ErrLocked      error = &sentinel{"card.locked", "card: PIN is locked"}
	ErrFinalTry    error = &sentinel{"passcode.final", "card: one try is left before the card locks"}
	ErrPINLength   error = &sentinel{"passcode.length", "card: PIN is too short, too long or was cleared"}
	ErrPINInvalid  error = &sentinel{"passcode.invalid", "card: PIN has characters that the card doesn't take"}
	ErrPINNotSet   error = &sentinel{"passcode.unset", "card: PIN was never set"}
	ErrPINExpired  error = &sentinel{"passcode.expired", "card: PIN must be changed first"}
	ErrWrongSOPIN  error = &sentinel{"sopin.wrong", "card: wrong SO PIN"}
	ErrSOLocked    error = &sentinel{"sopin.locked", "card: SO PIN is locked; this card can't be unlocked"}
	ErrSOFinalTry  error = &sentinel{"sopin.final", "card: one try of the SO PIN is left"}
	ErrSOPINLength error = &sentinel{"sopin.length", "card: SO PIN is too short, too long or was cleared"}
	ErrDigest      error = &sentinel{"digest.invalid", "card: digest doesn't fit its hash"}
	ErrFailed      error = &sentinel{"card.failed", "card: card failed"}
)

// Error is what the module answered; where that was about a PIN, a [PINError] is
// around it. It never holds a PIN, a label or anything else that was sent.
type Error struct {
	Op   string // what was asked: "login", "sign"
	Func string // the PKCS#11 function: C_Login
	Code uint   // its CK_RV
	Name string // CKR_PIN_INCORRECT
	Err  error  // one of the Err… values
}

func (e *Error) Error() string {
	return fmt.Sprintf("%v (%s: %s: %s)", e.Err, e.Op, e.Func, e.Name)
}

// Unwrap is the Err… value.
func (e *Error) Unwrap() error { return e.Err }

// Rule is the rule of the Err… value.
func (e *Error) Rule() string {
	if s, ok := e.Err.(*sentinel); ok {
		return s.rule
	}
	return "card.failed"
}

// meaning says what a return value means wherever it comes from. Those that
// depend on who logs in are in pin.go and so.go.
var meaning = map[uint]error{
	cryptoki.DeviceRemoved:              ErrRemoved,
	cryptoki.TokenNotPresent:            ErrRemoved,
	cryptoki.TokenNotRecognized:         ErrRemoved,
	cryptoki.SessionHandleInvalid:       ErrRemoved,
	cryptoki.SessionClosed:              ErrRemoved,
	cryptoki.SlotIDInvalid:              ErrRemoved,
	cryptoki.KeyHandleInvalid:           ErrNotFound,
	cryptoki.ObjectHandleInvalid:        ErrNotFound,
	cryptoki.DeviceMemory:               ErrFull,
	cryptoki.FunctionNotSupported:       ErrUnsupported,
	cryptoki.MechanismInvalid:           ErrUnsupported,
	cryptoki.MechanismParamInvalid:      ErrUnsupported,
	cryptoki.KeySizeRange:               ErrUnsupported,
	cryptoki.KeyTypeInconsistent:        ErrUnsupported,
	cryptoki.KeyFunctionNotPermitted:    ErrUnsupported,
	cryptoki.DomainParamsInvalid:        ErrUnsupported,
	cryptoki.CurveNotSupported:          ErrUnsupported,
	cryptoki.TokenWriteProtected:        ErrUnsupported,
	cryptoki.SessionReadOnly:            ErrUnsupported,
	cryptoki.PINIncorrect:               ErrWrongPIN,
	cryptoki.PINInvalid:                 ErrPINInvalid,
	cryptoki.PINTooWeak:                 ErrPINInvalid,
	cryptoki.PINLenRange:                ErrPINLength,
	cryptoki.PINExpired:                 ErrPINExpired,
	cryptoki.PINLocked:                  ErrLocked,
	cryptoki.UserNotLoggedIn:            ErrNotLoggedIn,
	cryptoki.FunctionCanceled:           ErrNotLoggedIn, // at the reader's PIN pad
	cryptoki.UserPINNotInitialized:      ErrPINNotSet,
	cryptoki.UserAlreadyLoggedIn:        ErrBusy,
	cryptoki.UserAnotherAlreadyLoggedIn: ErrBusy,
	cryptoki.UserTooManyTypes:           ErrBusy,
	cryptoki.SessionExists:              ErrBusy,
	cryptoki.SessionReadOnlyExists:      ErrBusy,
	cryptoki.SessionReadWriteSOExists:   ErrBusy,
	cryptoki.CryptokiNotInitialized:     ErrClosed,
}

// asSO is what a return value means when the security officer's PIN was sent.
var asSO = map[uint]error{
	cryptoki.PINIncorrect: ErrWrongSOPIN,
	cryptoki.PINLocked:    ErrSOLocked,
	cryptoki.PINLenRange:  ErrSOPINLength,
}

// explain makes an *Error of what the module answered; nil and errors that are
// already explained stay as they are.
func explain(op string, err error) error {
	var c *cryptoki.Error
	if !errors.As(err, &c) {
		if errors.Is(err, cryptoki.ErrNoCgo) {
			return ErrUnsupported
		}
		return err
	}
	means, known := meaning[c.Code]
	if !known {
		means = ErrFailed
	}
	if gone(err) {
		means = ErrRemoved
	}
	return &Error{Op: op, Func: c.Func, Code: c.Code, Name: c.Name, Err: means}
}

// explainSO is explain for calls that send the security officer's PIN.
func explainSO(op string, err error) error {
	explained := explain(op, err)
	var e *Error
	if errors.As(explained, &e) {
		if means, known := asSO[e.Code]; known {
			e.Err = means
		}
	}
	return explained
}

// code is the return value in an error, or OK.
func code(err error) uint {
	if err == nil {
		return cryptoki.OK
	}
	var c *cryptoki.Error
	if errors.As(err, &c) {
		return c.Code
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return cryptoki.OK
}

// gone says that a call failed because its card or session no longer exists: the
// card was pulled or reset.
func gone(err error) bool {
	if p := (*pulled)(nil); errors.As(err, &p) {
		return true
	}
	switch code(err) {
	case cryptoki.DeviceRemoved, cryptoki.TokenNotPresent, cryptoki.TokenNotRecognized, cryptoki.SessionHandleInvalid,
		cryptoki.SessionClosed, cryptoki.SlotIDInvalid:
		return true
	}
	return false
}

// pulled is a failure whose reason turned out to be that the card was pulled.
type pulled struct{ error }

func (p *pulled) Unwrap() error { return p.error }

// unspecific says that a call failed in a way that may have any reason.
func unspecific(err error) bool {
	switch code(err) {
	case cryptoki.GeneralError, cryptoki.FunctionFailed, cryptoki.DeviceError:
		return true
	}
	return false
}

// stale says that a call failed because an object's handle no longer stands for
// it: it was deleted by others, or the card was away unnoticed.
func stale(err error) bool {
	return code(err) == cryptoki.KeyHandleInvalid || code(err) == cryptoki.ObjectHandleInvalid
}

// unreadable says that an object hasn't an attribute, or doesn't show it.
func unreadable(err error) bool {
	return code(err) == cryptoki.AttributeTypeInvalid || code(err) == cryptoki.AttributeSensitive
}
