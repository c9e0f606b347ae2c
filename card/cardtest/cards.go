// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
)

// Card is a card of the tray and where it is.
type Card struct {
	Serial string // of a wrapped module's token, as it says itself
	Reader int    // -1: it lies beside the readers
}

// record is one reader in the file that the shim maps: see shim/tray.h. The
// shim looks again when seq is another than before.
type record struct {
	Seq    uint64
	Serial [32]byte

	Events    uint32 // insertions and removals
	Behaviour uint32 // changes of what follows
	Flags     uint32
	Slow      uint32
	Fail      uint32
	_         uint32
}

const recordSize = 64

func (r *record) card() string { return string(bytes.TrimRight(r.Serial[:], "\x00")) }

// openReaders opens the readers' file and makes it long enough.
func (t *Tray) openReaders(count int) error {
	file, err := os.OpenFile(filepath.Join(t.dir, "readers"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	t.file = file
	err = t.locked(func() error {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		t.count = max(count, int(info.Size()/recordSize))
		return file.Truncate(int64(t.count) * recordSize)
	})
	return err
}

// locked runs do while no other thread or process moves a card.
func (t *Tray) locked(do func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := lockFile(t.file); err != nil {
		return err
	}
	return errors.Join(do(), unlockFile(t.file))
}

func (t *Tray) read(reader int) (record, error) {
	var r record
	if reader < 0 || reader >= t.count {
		return r, fmt.Errorf("cardtest: no reader %d", reader)
	}
	raw := make([]byte, recordSize)
	if _, err := t.file.ReadAt(raw, int64(reader)*recordSize); err != nil {
		return r, err
	}
	_, err := binary.Decode(raw, binary.NativeEndian, &r)
	return r, err
}

// write puts a card into a reader, or none: first the card, then the number
// that tells of it.
func (t *Tray) write(reader int, r record, serial string) error {
	r.Serial = [32]byte{}
	copy(r.Serial[:], serial)
	r.Events++
	raw, err := binary.Append(nil, binary.NativeEndian, r)
	if err != nil {
		return err
	}
	at := int64(reader) * recordSize
	if _, err := t.file.WriteAt(raw[8:], at+8); err != nil {
		return err
	}
	_, err = t.file.WriteAt(binary.NativeEndian.AppendUint64(nil, r.Seq+1), at)
	return err
}

// Blank makes a card as it comes from the factory: it has a serial, and neither
// SO PIN nor PIN nor label; card.Initialize is the first that is done with it.
// It lies beside the readers. The cards of a wrapped module are made by its own
// tools, and are an error here.
func (t *Tray) Blank() (serial string, err error) {
	if t.wrapped.Module != "" {
		return "", fmt.Errorf("cardtest: cards of %s are made by its own tools", t.wrapped.Module)
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1e10))
	if err != nil {
		return "", err
	}
	serial = fmt.Sprintf("WK%010d", n)
	dir := t.cardDir(serial)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		return "", err
	}
	return serial, os.WriteFile(filepath.Join(dir, "tries"), []byte("0 0\n"), 0o600)
}

// cardDir is a card's folder: its serial, or, of serials with other characters than
// letters and digits, their hexadecimal form, as shim/tray.c has it.
func (t *Tray) cardDir(serial string) string {
	name := serial
	if strings.ContainsFunc(serial, func(r rune) bool { return !strings.ContainsRune(letters, r) }) {
		name = coded + hex.EncodeToString([]byte(serial))
	}
	return filepath.Join(t.dir, "cards", name)
}

const (
	letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	coded   = "hex-"
)

// serialOf is the serial in a folder's name.
func serialOf(name string) string {
	if code, is := strings.CutPrefix(name, coded); is {
		if serial, err := hex.DecodeString(code); err == nil {
			return string(serial)
		}
	}
	return name
}

// Insert puts a card into a reader. It is an error if the reader has a card, or
// the card is in a reader.
func (t *Tray) Insert(reader int, serial string) error {
	if _, err := os.Stat(filepath.Join(t.cardDir(serial), "tries")); err != nil {
		return fmt.Errorf("cardtest: no card %q: %w", serial, err)
	}
	return t.locked(func() error {
		for i := range t.count {
			r, err := t.read(i)
			if err != nil {
				return err
			}
			if r.card() == serial {
				return fmt.Errorf("cardtest: card %s is in reader %d", serial, i)
			}
		}
		r, err := t.read(reader)
		if err != nil {
			return err
		}
		if r.card() != "" {
			return fmt.Errorf("cardtest: reader %d has the card %s", reader, r.card())
		}
		return t.write(reader, r, serial)
	})
}

// Remove pulls the card out of a reader, whatever is being done with it. An
// empty reader stays so.
func (t *Tray) Remove(reader int) error {
	return t.locked(func() error {
		r, err := t.read(reader)
		if err != nil || r.card() == "" {
			return err
		}
		return t.write(reader, r, "")
	})
}

// Damage makes a card fail: what needs its counters answers CKR_DEVICE_ERROR
// from now on, as from a card with a bad contact. Nothing repairs it.
func (t *Tray) Damage(serial string) error {
	return os.WriteFile(filepath.Join(t.cardDir(serial), "tries"), nil, 0o600)
}

// Unlock makes all tries of both PINs of a card good again, as its issuer may do at
// a desk of its own. The PINs stay what they are, and a lock that a wrapped module
// keeps itself stays too.
func (t *Tray) Unlock(serial string) error {
	file, err := os.OpenFile(filepath.Join(t.cardDir(serial), "tries"), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cardtest: no card %q: %w", serial, err)
	}
	defer file.Close()
	if err := lockFile(file); err != nil {
		return err
	}
	_, err = file.WriteAt([]byte("0 0\n"), 0)
	return errors.Join(err, unlockFile(file))
}

// Cards are all cards of the tray, by serial.
func (t *Tray) Cards() ([]Card, error) {
	var cards []Card
	err := t.locked(func() error {
		entries, err := fs.ReadDir(os.DirFS(t.dir), "cards")
		if err != nil {
			return err
		}
		where := map[string]int{}
		for i := range t.count {
			r, err := t.read(i)
			if err != nil {
				return err
			}
			where[r.card()] = i
		}
		for _, e := range entries {
			serial := serialOf(e.Name())
			reader, in := where[serial]
			if !in {
				reader = -1
			}
			cards = append(cards, Card{serial, reader})
		}
		return nil
	})
	return cards, err
}
