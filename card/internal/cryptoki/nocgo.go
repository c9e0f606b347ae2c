// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package cryptoki

import "fmt"

// Lib is never made without cgo; its methods are there so that package card is
// one source for both builds.
type Lib struct{}

// Name has no names without miekg's table.
func Name(rv uint) string { return fmt.Sprintf("CK_RV 0x%X", rv) }

// Open answers ErrNoCgo.
func Open(string) (*Lib, error) { return nil, ErrNoCgo }

func (*Lib) Initialize(string) error                           { return ErrNoCgo }
func (*Lib) Lives() error                                      { return ErrNoCgo }
func (*Lib) Finalize() error                                   { return ErrNoCgo }
func (*Lib) SlotList(bool) ([]uint, error)                     { return nil, ErrNoCgo }
func (*Lib) WaitForSlotEvent(bool) (uint, error)               { return 0, ErrNoCgo }
func (*Lib) SlotInfo(uint) (SlotInfo, error)                   { return SlotInfo{}, ErrNoCgo }
func (*Lib) TokenInfo(uint) (TokenInfo, error)                 { return TokenInfo{}, ErrNoCgo }
func (*Lib) Mechanisms(uint) ([]uint, error)                   { return nil, ErrNoCgo }
func (*Lib) OpenSession(slot, flags uint) (Session, error)     { return 0, ErrNoCgo }
func (*Lib) CloseSession(Session) error                        { return ErrNoCgo }
func (*Lib) SessionState(Session) (uint, error)                { return 0, ErrNoCgo }
func (*Lib) Login(Session, uint, []byte) error                 { return ErrNoCgo }
func (*Lib) Logout(Session) error                              { return ErrNoCgo }
func (*Lib) SetPIN(s Session, before, after []byte) error      { return ErrNoCgo }
func (*Lib) InitPIN(Session, []byte) error                     { return ErrNoCgo }
func (*Lib) InitToken(uint, []byte, string) error              { return ErrNoCgo }
func (*Lib) Find(Session, []Attribute) ([]Object, error)       { return nil, ErrNoCgo }
func (*Lib) CreateObject(Session, []Attribute) (Object, error) { return 0, ErrNoCgo }
func (*Lib) DestroyObject(Session, Object) error               { return ErrNoCgo }

func (*Lib) Attributes(Session, Object, ...uint) ([][]byte, error) { return nil, ErrNoCgo }

func (*Lib) GenerateKeyPair(s Session, m uint, public, private []Attribute) (pub, priv Object, err error) {
	return 0, 0, ErrNoCgo
}

func (*Lib) SignInit(Session, Mechanism, Object) error { return ErrNoCgo }

func (*Lib) Sign(Session, []byte) ([]byte, error) { return nil, ErrNoCgo }

// Bool and Ulong make no attribute without a module.
func Bool(typ uint, _ bool) Attribute  { return Attribute{Type: typ} }
func Ulong(typ uint, _ uint) Attribute { return Attribute{Type: typ} }
