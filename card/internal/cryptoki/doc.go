// SPDX-License-Identifier: Apache-2.0

// Package cryptoki calls a PKCS#11 module. It is the only place in Wardkey
// with cgo and unsafe.
//
// Calls that github.com/miekg/pkcs11 makes rightly go through it. A small
// bridge of our own does the rest: loading a module with the system's own
// error text and C_GetFunctionList's return value checked (miekg crashes on
// the first call when a module refuses), C_WaitForSlotEvent with its return value
// (miekg drops it), C_GetInfo without the strings, and PINs as bytes, with NULL for a
// reader with its own PIN pad (miekg takes strings, which can't be cleared, and
// never passes NULL).
//
// Both call one list of functions, miekg's, which is found by the names of its
// private fields: a module may give another instance of itself to each who asks for
// a list. With a version of miekg that has other fields, Open answers an error.
// A loaded module is never unloaded: modules register exit handlers that crash
// when their code is gone.
//
// With CGO_ENABLED=0 every call answers ErrNoCgo.
package cryptoki

import (
	"errors"
	"fmt"
)

// ErrNoCgo means that this program was built without cgo and can't load a
// PKCS#11 module.
var ErrNoCgo = errors.New("built without cgo: no PKCS#11 module can be loaded")

// Error is a return value of the module other than CKR_OK.
type Error struct {
	Func string // C_Login
	Code uint   // CK_RV
	Name string // CKR_PIN_INCORRECT, or the number where it has no name
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Func, e.Name) }

// Session is a CK_SESSION_HANDLE and Object a CK_OBJECT_HANDLE.
type (
	Session uint
	Object  uint
)

// SlotInfo is CK_SLOT_INFO, of which this SDK needs this much.
type SlotInfo struct {
	Description string
	Flags       uint
}

// TokenInfo is CK_TOKEN_INFO, without padding.
type TokenInfo struct {
	Label, Manufacturer, Model, Serial string
	Flags                              uint
	MinPIN, MaxPIN                     int // bytes
}

// Attribute is one attribute of an object; Value in the module's own encoding,
// made by Bool, Ulong or plain bytes.
type Attribute struct {
	Type  uint
	Value []byte
}

// Mechanism is a mechanism with its parameter: nil, or *PSS.
type Mechanism struct {
	Type uint
	PSS  *PSS
}

// PSS is CK_RSA_PKCS_PSS_PARAMS.
type PSS struct{ Hash, MGF, SaltLength uint }
