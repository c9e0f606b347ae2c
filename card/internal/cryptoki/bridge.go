// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cryptoki

// #include "bridge.h"
import "C"

import (
	"errors"
	"reflect"
	"unsafe"
)

// functions is the module's own function list.
type functions = *C.functions

// answers loads the module and asks for its functions, as miekg will do without
// looking at what is answered: only CKR_OK is believed.
func answers(path string) error {
	get, err := load(path)
	if err != nil {
		return err
	}
	var list functions
	if rv := C.bridge_list(get, &list); rv != OK {
		return result("C_GetFunctionList", uint(rv))
	}
	return present(list)
}

// functionsOf is the list that miekg calls. Ours must be the same one: p11-kit's
// client gives another instance of itself to each C_GetFunctionList. miekg, a
// *pkcs11.Ctx, keeps it private; it is looked for by its fields' names, so that a
// version of miekg which keeps it otherwise is an error and not a crash.
func functionsOf(miekg any) (functions, error) {
	v := reflect.ValueOf(miekg)
	for _, field := range []string{"ctx", "sym"} {
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, errMiekg
		}
		v = v.Elem().FieldByName(field)
	}
	if v.Kind() != reflect.Pointer {
		return nil, errMiekg
	}
	list := functions(v.UnsafePointer())
	return list, present(list)
}

var errMiekg = errors.New("github.com/miekg/pkcs11 is of a version that this one doesn't know; v1.1.2 is known")

func present(list functions) error {
	if list == nil {
		return errors.New("C_GetFunctionList gave no functions")
	}
	return nil
}

// Lives is C_GetInfo, whose answer is dropped: it asks nothing of any reader.
func (l *Lib) Lives() error { return result("C_GetInfo", uint(C.bridge_getInfo(l.list))) }

// WaitForSlotEvent is C_WaitForSlotEvent: the slot where something happened.
// Without block the module answers CKR_NO_EVENT when nothing did; with it, the
// call can only be ended by Finalize.
func (l *Lib) WaitForSlotEvent(block bool) (uint, error) {
	const dontBlock = 1
	var slot C.ulong_t
	flags := C.ulong_t(dontBlock)
	if block {
		flags = 0
	}
	rv := C.bridge_waitForSlotEvent(l.list, flags, &slot)
	return uint(slot), result("C_WaitForSlotEvent", uint(rv))
}

// pinBytes is where a PIN lies, for the time of one call; nil is NULL, which
// asks the reader's own PIN pad.
func pinBytes(pin []byte) (*C.byte_t, C.ulong_t) {
	return (*C.byte_t)(unsafe.SliceData(pin)), C.ulong_t(len(pin))
}

// Login is C_Login.
func (l *Lib) Login(s Session, user uint, pin []byte) error {
	p, n := pinBytes(pin)
	return result("C_Login", uint(C.bridge_login(l.list, C.ulong_t(s), C.ulong_t(user), p, n)))
}

// SetPIN is C_SetPIN: it changes the PIN of the user who is logged in, or the
// normal user's.
func (l *Lib) SetPIN(s Session, before, after []byte) error {
	o, on := pinBytes(before)
	n, nn := pinBytes(after)
	return result("C_SetPIN", uint(C.bridge_setPIN(l.list, C.ulong_t(s), o, on, n, nn)))
}

// InitPIN is C_InitPIN.
func (l *Lib) InitPIN(s Session, pin []byte) error {
	p, n := pinBytes(pin)
	return result("C_InitPIN", uint(C.bridge_initPIN(l.list, C.ulong_t(s), p, n)))
}

// InitToken is C_InitToken; the label is cut and padded to its 32 bytes.
func (l *Lib) InitToken(slot uint, soPIN []byte, label string) error {
	var padded [32]byte
	for i := range padded {
		padded[i] = ' '
	}
	copy(padded[:], label)
	p, n := pinBytes(soPIN)
	return result("C_InitToken", uint(C.bridge_initToken(l.list, C.ulong_t(slot), p, n, (*C.byte_t)(&padded[0]))))
}
