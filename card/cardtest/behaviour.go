// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Behaviour is what the card in a reader does beyond what it must: faults on
// demand, and traits that some makes of card have. The zero value is none.
type Behaviour struct {
	// Slow is the time before each call on the card, in whole milliseconds.
	Slow time.Duration
	// Hang makes calls on the card wait until it is set to false. Listing readers
	// goes on.
	Hang bool
	// FailAt makes the call of this number on the card, counted from now on in
	// each process, answer CKR_DEVICE_ERROR without reaching the card. 0: none.
	FailAt int
	// Full refuses new objects: CKR_DEVICE_MEMORY.
	Full bool
	// ReadOnly refuses sessions that may write, and C_InitToken:
	// CKR_TOKEN_WRITE_PROTECTED.
	ReadOnly bool

	// NoDigests lacks the mechanisms that sign a digest, NoHashing those that hash
	// a message themselves: CKR_MECHANISM_INVALID by C_SignInit. With both, RSA
	// has CKM_RSA_X_509 left.
	NoDigests, NoHashing bool
	// PUK makes C_SetPIN, where nobody is logged in, take the security officer's
	// PIN as a PUK and unlock the card, as OpenSC's and YKCS11's do.
	PUK bool
	// PINPad makes the reader one with its own PIN pad: a NULL PIN is what
	// [Tray.TypePIN] gave, or CKR_FUNCTION_CANCELED.
	PINPad bool
}

// flags are the bits of shim/tray.h.
func (b Behaviour) flags() uint32 {
	var flags uint32
	for i, set := range []bool{b.Hang, b.Full, b.ReadOnly, b.NoDigests, b.NoHashing, b.PUK, b.PINPad} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}

// Behave sets how the card in a reader behaves, at once and in every process,
// until the next Behave; it belongs to the reader, so another card does the same.
func (t *Tray) Behave(reader int, b Behaviour) error {
	if b.Slow < 0 || b.Slow > time.Hour || b.FailAt < 0 || b.FailAt > 1<<31-1 {
		return fmt.Errorf("cardtest: no such behaviour: %+v", b)
	}
	return t.locked(func() error {
		r, err := t.read(reader)
		if err != nil {
			return err
		}
		r.Behaviour++
		r.Flags, r.Slow, r.Fail = b.flags(), uint32(b.Slow.Milliseconds()), uint32(b.FailAt)
		raw, err := binary.Append(nil, binary.NativeEndian, r)
		if err != nil {
			return err
		}
		const behaviour = 44 // its offset in the record
		_, err = t.file.WriteAt(raw[behaviour:], int64(reader)*recordSize+behaviour)
		return err
	})
}

// TypePIN is a person who types PINs at the PIN pad of a reader, one for each
// that the card asks for; what was typed before and not asked for is forgotten.
func (t *Tray) TypePIN(reader int, pins ...[]byte) error {
	var text bytes.Buffer
	for _, pin := range pins {
		if bytes.ContainsAny(pin, "\n") || len(pin) > 100 {
			return fmt.Errorf("cardtest: a PIN that can't be typed")
		}
		text.Write(pin)
		text.WriteByte('\n')
	}
	if text.Len() > 1000 { // the shim's room for them
		return fmt.Errorf("cardtest: more PINs than somebody types")
	}
	return t.locked(func() error {
		r, err := t.read(reader)
		if err != nil {
			return err
		}
		if r.card() == "" {
			return fmt.Errorf("cardtest: reader %d has no card", reader)
		}
		return os.WriteFile(filepath.Join(t.cardDir(r.card()), "pad"), text.Bytes(), 0o600)
	})
}
