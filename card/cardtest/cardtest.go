// SPDX-License-Identifier: Apache-2.0

// Package cardtest has virtual smartcards for tests and demos: SoftHSM under a
// shim that locks, unlocks and ejects.
package cardtest

import (
	"errors"
	"path/filepath"
)

// ErrNoShim means that the virtual cards can't be built here: no C compiler, no
// SoftHSM, or a system that they don't run on.
var ErrNoShim = errors.New("cardtest: no virtual cards on this machine")

// Config says where a tray keeps its cards.
type Config struct {
	// Dir keeps the cards, and survives the process: a locked card stays locked.
	// Several processes may hold one Dir. Open needs it; New makes one.
	Dir string
	// Readers is the number of readers, which are slots with the ids 0 and up.
	// Default 2, at most 16.
	Readers int
}

// Tray is a desk with readers, and the cards that lie on it.
type Tray struct {
	config Config
}

// Module is the absolute path of the tray's own PKCS#11 module, for card.Open
// or any other program. It needs no environment.
func (t *Tray) Module() string { return filepath.Join(t.config.Dir, "lib", "cardshim.so") }
