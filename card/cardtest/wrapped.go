// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Wrapped is a PKCS#11 module that the shim stands above instead of SoftHSM. Its
// tokens that have PINs are the cards; they are made ready by the module's own
// tools before.
type Wrapped struct {
	// Module is the absolute path of the module. Empty: the tray has cards of
	// SoftHSM, one copy of it a reader.
	Module string
	// InitArgs is what its C_Initialize takes as reserved argument, one line: NSS's
	// softokn wants "configdir='sql:/path' certPrefix='' keyPrefix=''
	// secmod='secmod.db' flags=". Empty: NULL.
	InitArgs string
}

const (
	maxWrapped        = 2000 // bytes: the shim's room for a path and for the argument
	flagLoginRequired = 0x4  // CKF_LOGIN_REQUIRED
)

// wrapped are the modules that stand under a tray of this process, by real path.
// It is state of the process because theirs is: C_Initialize and the logins are
// once a process, so two trays would end each other's.
var wrapped = struct {
	sync.Mutex
	trays map[string]*wrapping
}{trays: map[string]*wrapping{}}

type wrapping struct {
	dir   string
	trays int // values of Tray
}

// claim takes the module for the trays of one folder, and gives its real path.
func (w Wrapped) claim(dir string) (Wrapped, error) {
	if !filepath.IsAbs(w.Module) || strings.ContainsRune(w.Module+w.InitArgs, '\n') || max(len(w.Module), len(w.InitArgs)) > maxWrapped {
		return w, fmt.Errorf("cardtest: Config.Wrapped: an absolute path and one line are wanted, of %d bytes at most", maxWrapped)
	}
	real, err := filepath.EvalSymlinks(w.Module)
	if err != nil {
		return w, fmt.Errorf("cardtest: Config.Wrapped: %w", err)
	}
	w.Module = real
	wrapped.Lock()
	defer wrapped.Unlock()
	under := wrapped.trays[real]
	if under == nil {
		under = &wrapping{dir: dir}
		wrapped.trays[real] = under
	}
	if under.dir != dir {
		return w, fmt.Errorf("cardtest: %s stands under the tray %s in this process; a module that can't be copied has one tray a process", real, under.dir)
	}
	under.trays++
	return w, nil
}

func (w Wrapped) release() {
	wrapped.Lock()
	defer wrapped.Unlock()
	if under := wrapped.trays[w.Module]; under != nil {
		if under.trays--; under.trays == 0 {
			delete(wrapped.trays, w.Module)
		}
	}
}

// serials are those of the module's cards, in the order of its slots.
func (w Wrapped) serials() ([]string, error) {
	lib, err := cryptoki.Open(w.Module)
	if err != nil {
		return nil, fmt.Errorf("cardtest: %s: %w", w.Module, err)
	}
	switch err := lib.Initialize(w.InitArgs); {
	case codeOf(err) == cryptoki.CryptokiAlreadyInitialized:
	case err != nil:
		return nil, fmt.Errorf("cardtest: %s: %w", w.Module, err)
	default:
		defer func() { _ = lib.Finalize() }() // what was read stays read
	}
	slots, err := lib.SlotList(true)
	if err != nil {
		return nil, fmt.Errorf("cardtest: %s: %w", w.Module, err)
	}
	var serials []string
	for _, slot := range slots {
		info, err := lib.TokenInfo(slot)
		switch {
		case err != nil || !hasPINs(info): // not a card, or not one that can be used
		case info.Serial == "":
			return nil, fmt.Errorf("cardtest: %s: the token %q has no serial, by which cards are known", w.Module, info.Label)
		case slices.Contains(serials, info.Serial):
			return nil, fmt.Errorf("cardtest: %s: two tokens have the serial %s", w.Module, info.Serial)
		default:
			serials = append(serials, info.Serial)
		}
	}
	if len(serials) == 0 {
		return nil, fmt.Errorf("cardtest: %s has no token that is ready: initialise it with its own tools first", w.Module)
	}
	return serials, nil
}

// hasPINs tells a card from a token that only computes, as NSS has one.
func hasPINs(info cryptoki.TokenInfo) bool {
	const both = cryptoki.FlagTokenInitialized | flagLoginRequired
	return info.Flags&both == both
}

// take makes a tray of the module's cards: each that is new gets its counters, and
// lies in the first empty reader while there are some.
func (t *Tray) take(serials []string) error {
	for _, serial := range serials {
		fresh, err := t.counters(serial)
		if err != nil {
			return err
		}
		for reader := 0; fresh && reader < t.count; reader++ {
			r, err := t.read(reader)
			if err != nil {
				return err
			}
			if r.card() == "" {
				if err := t.Insert(reader, serial); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// counters makes a card's counters unless it has some; whoever is first makes
// them whole.
func (t *Tray) counters(serial string) (fresh bool, err error) {
	err = t.locked(func() error {
		tries := filepath.Join(t.cardDir(serial), "tries")
		if _, err := os.Stat(tries); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		fresh = true
		if err := os.MkdirAll(t.cardDir(serial), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(tries+".new", []byte("0 0\n"), 0o600); err != nil {
			return err
		}
		return os.Rename(tries+".new", tries)
	})
	return fresh, err
}

// belongs keeps the cards of two modules out of one folder: the counters of the
// one would stand for the other's.
func (t *Tray) belongs(w Wrapped) error {
	file := filepath.Join(t.dir, "wrapped")
	was, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cards, err := t.Cards()
	if err != nil {
		return err
	}
	switch {
	case string(was) == w.Module:
		return nil
	case len(cards) > 0 || len(was) > 0:
		return fmt.Errorf("cardtest: %s has the cards of another module: %s", t.dir, cmp.Or(string(was), "SoftHSM's copies"))
	}
	return os.WriteFile(file, []byte(w.Module), 0o600)
}
