// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cryptoki

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// Lib is a loaded module. Its methods are one PKCS#11 call each, safe for
// concurrent use as far as the module is; a session is not.
type Lib struct {
	ctx  *pkcs11.Ctx
	list functions
}

// Open loads the module. It doesn't initialise it.
func Open(path string) (*Lib, error) {
	if err := answers(path); err != nil {
		return nil, err
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, errors.New("module can't be loaded twice")
	}
	list, err := functionsOf(ctx)
	if err != nil {
		return nil, err
	}
	return &Lib{ctx: ctx, list: list}, nil
}

// result makes an error of a return value.
func result(name string, rv uint) error {
	if rv == OK {
		return nil
	}
	return &Error{Func: name, Code: rv, Name: Name(rv)}
}

// Name is the standard's name of a return value, or its number.
func Name(rv uint) string {
	text := pkcs11.Error(rv).Error()
	if i := strings.LastIndex(text, "CKR_"); i >= 0 {
		return text[i:]
	}
	return fmt.Sprintf("CK_RV 0x%X", rv)
}

// from makes our error of one of miekg's.
func from(name string, err error) error {
	if err == nil {
		return nil
	}
	if code, ok := err.(pkcs11.Error); ok {
		return result(name, uint(code))
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Initialize is C_Initialize with CKF_OS_LOCKING_OK, and with the text in
// pReserved unless it is empty.
func (l *Lib) Initialize(reserved string) error {
	if reserved == "" {
		return from("C_Initialize", l.ctx.Initialize())
	}
	if strings.Contains(reserved, "\x00") {
		return errors.New("C_Initialize: the text for pReserved has a zero byte, where it would end")
	}
	text := append([]byte(reserved), 0)
	return from("C_Initialize", l.ctx.Initialize(pkcs11.InitializeWithReserved(unsafe.Pointer(&text[0]))))
}

// Finalize is C_Finalize.
func (l *Lib) Finalize() error { return from("C_Finalize", l.ctx.Finalize()) }

// SlotList is C_GetSlotList, which also makes some modules notice readers.
func (l *Lib) SlotList(present bool) ([]uint, error) {
	ids, err := l.ctx.GetSlotList(present)
	return ids, from("C_GetSlotList", err)
}

// SlotInfo is C_GetSlotInfo.
func (l *Lib) SlotInfo(slot uint) (SlotInfo, error) {
	i, err := l.ctx.GetSlotInfo(slot)
	if err != nil {
		return SlotInfo{}, from("C_GetSlotInfo", err)
	}
	return SlotInfo{Description: trim(i.SlotDescription), Flags: i.Flags}, nil
}

// TokenInfo is C_GetTokenInfo.
func (l *Lib) TokenInfo(slot uint) (TokenInfo, error) {
	i, err := l.ctx.GetTokenInfo(slot)
	if err != nil {
		return TokenInfo{}, from("C_GetTokenInfo", err)
	}
	return TokenInfo{
		Label: trim(i.Label), Manufacturer: trim(i.ManufacturerID), Model: trim(i.Model), Serial: trim(i.SerialNumber),
		Flags: i.Flags, MinPIN: int(i.MinPinLen), MaxPIN: int(i.MaxPinLen),
	}, nil
}

// Mechanisms is C_GetMechanismList: the mechanisms' types.
func (l *Lib) Mechanisms(slot uint) ([]uint, error) {
	list, err := l.ctx.GetMechanismList(slot)
	types := make([]uint, len(list))
	for i, m := range list {
		types[i] = m.Mechanism
	}
	return types, from("C_GetMechanismList", err)
}

// trim cuts at the first NUL and takes spaces away on both sides; modules pad
// with either.
func trim(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return strings.TrimSpace(s)
}

// OpenSession is C_OpenSession.
func (l *Lib) OpenSession(slot, flags uint) (Session, error) {
	s, err := l.ctx.OpenSession(slot, flags)
	return Session(s), from("C_OpenSession", err)
}

// CloseSession is C_CloseSession.
func (l *Lib) CloseSession(s Session) error {
	return from("C_CloseSession", l.ctx.CloseSession(pkcs11.SessionHandle(s)))
}

// SessionState is the state in C_GetSessionInfo (CKS_RW_PUBLIC_SESSION 2, …).
func (l *Lib) SessionState(s Session) (uint, error) {
	i, err := l.ctx.GetSessionInfo(pkcs11.SessionHandle(s))
	return i.State, from("C_GetSessionInfo", err)
}

// Logout is C_Logout.
func (l *Lib) Logout(s Session) error {
	return from("C_Logout", l.ctx.Logout(pkcs11.SessionHandle(s)))
}

// Find is C_FindObjectsInit, C_FindObjects until it is dry, and
// C_FindObjectsFinal. After an error the session may have an unfinished search.
func (l *Lib) Find(s Session, template []Attribute) ([]Object, error) {
	sh := pkcs11.SessionHandle(s)
	if err := l.ctx.FindObjectsInit(sh, attributes(template)); err != nil {
		return nil, from("C_FindObjectsInit", err)
	}
	var found []Object
	for {
		some, _, err := l.ctx.FindObjects(sh, 64)
		if err != nil {
			return nil, from("C_FindObjects", err)
		}
		for _, o := range some {
			found = append(found, Object(o))
		}
		if len(some) == 0 {
			return found, from("C_FindObjectsFinal", l.ctx.FindObjectsFinal(sh))
		}
	}
}

// Attributes is C_GetAttributeValue: the values, in the order of types.
func (l *Lib) Attributes(s Session, o Object, types ...uint) ([][]byte, error) {
	template := make([]*pkcs11.Attribute, len(types))
	for i, t := range types {
		template[i] = &pkcs11.Attribute{Type: t}
	}
	got, err := l.ctx.GetAttributeValue(pkcs11.SessionHandle(s), pkcs11.ObjectHandle(o), template)
	if err != nil {
		return nil, from("C_GetAttributeValue", err)
	}
	values := make([][]byte, len(types))
	for i, a := range got {
		values[i] = a.Value
	}
	return values, nil
}

// CreateObject is C_CreateObject.
func (l *Lib) CreateObject(s Session, template []Attribute) (Object, error) {
	o, err := l.ctx.CreateObject(pkcs11.SessionHandle(s), attributes(template))
	return Object(o), from("C_CreateObject", err)
}

// DestroyObject is C_DestroyObject.
func (l *Lib) DestroyObject(s Session, o Object) error {
	return from("C_DestroyObject", l.ctx.DestroyObject(pkcs11.SessionHandle(s), pkcs11.ObjectHandle(o)))
}

// GenerateKeyPair is C_GenerateKeyPair.
func (l *Lib) GenerateKeyPair(s Session, mechanism uint, public, private []Attribute) (pub, priv Object, err error) {
	m := []*pkcs11.Mechanism{{Mechanism: mechanism}}
	a, b, err := l.ctx.GenerateKeyPair(pkcs11.SessionHandle(s), m, attributes(public), attributes(private))
	return Object(a), Object(b), from("C_GenerateKeyPair", err)
}

// SignInit is C_SignInit.
func (l *Lib) SignInit(s Session, m Mechanism, key Object) error {
	mechanism := pkcs11.Mechanism{Mechanism: m.Type}
	if m.PSS != nil {
		mechanism.Parameter = pkcs11.NewPSSParams(m.PSS.Hash, m.PSS.MGF, m.PSS.SaltLength)
	}
	return from("C_SignInit", l.ctx.SignInit(pkcs11.SessionHandle(s), []*pkcs11.Mechanism{&mechanism}, pkcs11.ObjectHandle(key)))
}

// Sign is C_Sign. After an error the session may have an unfinished signature.
func (l *Lib) Sign(s Session, data []byte) ([]byte, error) {
	signature, err := l.ctx.Sign(pkcs11.SessionHandle(s), data)
	return signature, from("C_Sign", err)
}

// Bool and Ulong are attributes in the module's encoding.
func Bool(typ uint, v bool) Attribute  { return Attribute{typ, pkcs11.NewAttribute(typ, v).Value} }
func Ulong(typ uint, v uint) Attribute { return Attribute{typ, pkcs11.NewAttribute(typ, v).Value} }

// attributes are ours as miekg's. A value is never nil there: C_FindObjectsInit
// with NULL and length 0 means "has this attribute empty".
func attributes(ours []Attribute) []*pkcs11.Attribute {
	theirs := make([]*pkcs11.Attribute, len(ours))
	for i, a := range ours {
		theirs[i] = &pkcs11.Attribute{Type: a.Type, Value: a.Value}
	}
	return theirs
}
