// SPDX-License-Identifier: Apache-2.0

// Package cardtest has virtual smartcards for tests and demos: a tray with
// readers, and cards that lock at the third wrong PIN, are unlocked by their
// security officer, and can be pulled and inserted while somebody uses them.
//
//	tray := cardtest.New(t, cardtest.Config{})
//	serial, err := tray.Personalised(0, cardtest.Personal{PIN: []byte("123456")})
//	module, err := card.Open(card.Config{Module: tray.Module()})
//
// A card is a SoftHSM token, which by itself neither locks nor leaves. Above it
// stands a shim of ours, a PKCS#11 module in C, which counts the wrong PINs,
// answers with the return values and flags that the standard has for them, and
// ends the sessions and logins of a card that was pulled. Package card knows
// nothing of it. Any other program can load [Tray.Module] too, without any
// environment: `pkcs11-tool --module …`.
//
// # What a card does
//
// The slots have the ids 0, 1, … and always exist; a slot whose card is out
// answers CKR_TOKEN_NOT_PRESENT. Wrong PINs are counted by card, in its file,
// whichever process or function sends them (C_Login, C_SetPIN; the security
// officer's also in C_InitToken), before the PIN is looked at, so that a killed
// process has used up its try. At the third the card answers CKR_PIN_INCORRECT
// and sets its locked flag; from then on CKR_PIN_LOCKED, to the right PIN too.
// C_InitPIN by the security officer makes the three tries good again. The
// security officer's PIN locks in the same way, and nothing opens that. If a
// counter can't be read or written, no PIN is tried: CKR_DEVICE_ERROR.
//
// After a removal each call on an old session answers CKR_DEVICE_REMOVED while
// the reader is empty and CKR_SESSION_HANDLE_INVALID once a card is in, be it
// the same one; a call that was inside the module answers CKR_DEVICE_REMOVED. A
// card that was out is logged out, even if it was away between two calls only.
// A forked child has none of its parent's sessions, and calls C_Initialize for its
// own.
//
// [Tray.Behave] makes a card slow, hanging, full, read-only or failing at one
// call, and gives it traits that other makes have: a PUK, a PIN pad, fewer
// mechanisms. C_WaitForSlotEvent tells of insertions and removals, polled or
// waited for.
//
// # Cards of another module
//
// [Config].Wrapped puts the shim above any PKCS#11 module by its path: the tokens
// that its own tools made are the cards, one a reader, and the shim gives what
// the module lacks: counters that last, locks, removal, events and faults.
//
//	tray := cardtest.New(t, cardtest.Config{Wrapped: cardtest.Wrapped{Module: "/opt/acme/libacme-p11.so"}})
//
// The counters are the tray's, not the module's, and stay in its Dir; a module
// that locks by itself is believed when it says so. Everything else is passed on,
// also what it refuses: where a module has no C_InitPIN by the security officer, as
// NSS's softokn, nothing unlocks the card. Such a module is loaded once, as it is,
// so a process has one tray above it, whose Open fails while another has it; and
// the removal of a card ends the sessions that the process has with that token by
// other ways too.
//
// # Any module
//
// [TestModule] holds a PKCS#11 module, a vendor's or a tray's, to what the
// standard says of a card: sessions and logins, keys, PINs and locks, removal,
// events. Each of its more than a hundred behaviours has a name and says the
// clause that it stands on. What a card may be without is declared in
// [Module].Lacks, what a module does otherwise in Departures; both fail when they
// are no longer true. Nothing is left out without a reason that is logged.
//
//	func TestMiddleware(t *testing.T) {
//		cardtest.TestModule(t, cardtest.Module{
//			Path: "/opt/acme/libacme-p11.so", Serial: "A0012345",
//			PIN: []byte(os.Getenv("CARD_PIN")), SOPIN: []byte(os.Getenv("CARD_SOPIN")),
//			Destructive: true, Remove: robot.Pull, Insert: robot.PutBack,
//		})
//	}
//
// `go run ./examples/cardcheck` does the same on a command line. Bare SoftHSM,
// which is no card, lacks [Locking] and lets everybody log out.
//
// # What it needs
//
// SoftHSM 2 and a C compiler, or, where there is none, a shim built before:
// WARDKEY_CARDSHIM and SOFTHSM2_MODULE name a shim and a SoftHSM. The shim is
// built once into the user's cache folder; nothing else is left behind. Each
// reader loads its own copy of SoftHSM, in which the name of the variable
// SOFTHSM2_CONF is replaced by another of the same length: so trays run beside one
// another and beside a SoftHSM that the program uses itself, and none sees the
// other's tokens. The C source is embedded, so importing this package from a
// module cache or a vendor folder is enough, and a compiled test runs anywhere.
// Other programs may load [Tray.Module] and unload it again.
// SoftHSM can't read its configuration in two threads at once (strtok): trays wait
// for one another then, but can't hold back a SoftHSM of the program's own, which
// is best initialised before cards come and go.
//
// It was run on Linux (amd64, glibc, SoftHSM 2.6.1, and above NSS's softokn 3.87).
// Elsewhere Open answers ErrNoShim with one sentence that says why: on Windows, on
// macOS, where a copy of SoftHSM would have to be signed anew, on musl, without
// cgo, without a compiler, without SoftHSM. SoftHSM keeps no cards in a folder
// with # or = in its path.
package cardtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// ErrNoShim means that the virtual cards can't be had here: no C compiler, no
// SoftHSM, no cgo, or a system that they don't run on. Its text is one sentence
// that says which.
var ErrNoShim = errors.New("cardtest: no virtual cards on this machine")

const (
	maxReaders = 16
	maxPath    = 900 // bytes: SoftHSM reads lines of 1024, with more than the tray's path in them
)

// Config says where a tray keeps its cards.
type Config struct {
	// Dir keeps the cards, and survives the process: a locked card stays locked
	// and a card in a reader stays there. Several processes may hold one Dir.
	// Open needs it; New makes one that is removed after the test. SoftHSM takes no
	// # and no = in its path.
	Dir string
	// Readers is the number of readers, 1 to 16. Default 2, or one for each card of
	// a wrapped module. A Dir that has more already keeps them.
	Readers int
	// Wrapped is the module that the cards are made of. Default SoftHSM.
	Wrapped Wrapped
}

// withDefaults is for a module with so many cards of its own.
func (c Config) withDefaults(cards int) Config {
	if c.Readers == 0 && cards > 0 {
		c.Readers = min(cards, maxReaders)
	}
	if c.Readers == 0 {
		c.Readers = 2
	}
	return c
}

// Tray is a desk with readers, and the cards that lie on it. It is safe for
// concurrent use.
type Tray struct {
	dir     string
	module  string
	count   int
	wrapped Wrapped

	mu   sync.Mutex
	file *os.File // the readers; its lock is what processes share
}

// New is a tray for a test. The test is skipped where the virtual cards can't be
// had, with ErrNoShim's sentence, and fails if REQUIRE names what is missing (cc;
// softhsm, which stands for the system too).
func New(t testing.TB, c Config) *Tray {
	t.Helper()
	need.Met(t, "softhsm", fits())
	if c.Wrapped.Module == "" {
		need.Tool(t, "softhsm")
	}
	if os.Getenv("WARDKEY_CARDSHIM") == "" {
		need.Tool(t, "cc")
	}
	if c.Dir == "" {
		// Not t.TempDir: its path has the test's name, with # in it.
		dir, err := os.MkdirTemp("", "cardtest-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		c.Dir = dir
	}
	tray, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tray.Close() })
	return tray
}

// Open is a tray in Config.Dir, which is made if need be. ErrNoShim: see the
// package comment.
func Open(c Config) (*Tray, error) {
	if err := fits(); err != nil {
		return nil, err
	}
	if c.Dir == "" {
		return nil, errors.New("cardtest: Config.Dir is empty")
	}
	// The shim finds the tray by its own real path.
	if err := os.MkdirAll(filepath.Join(c.Dir, "cards"), 0o700); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	if c.Wrapped.Module == "" && (strings.ContainsAny(dir, "#=\n") || len(dir) > maxPath) {
		return nil, fmt.Errorf("cardtest: SoftHSM can't keep cards in %s: its configuration takes no # and no = in a path, and %d bytes", dir, maxPath)
	}
	t := &Tray{dir: dir}
	var serials []string
	if c.Wrapped.Module != "" {
		if t.wrapped, err = c.Wrapped.claim(dir); err != nil {
			return nil, err
		}
		serials, err = t.wrapped.serials()
	}
	if err == nil {
		err = t.lay(c.withDefaults(len(serials)).Readers, serials)
	}
	if err != nil {
		_ = t.file.Close()
		t.wrapped.release()
		return nil, err
	}
	return t, nil
}

// lay puts the readers, the cards that there are already, and the module on the
// tray.
func (t *Tray) lay(readers int, serials []string) (err error) {
	if readers < 1 || readers > maxReaders {
		return fmt.Errorf("cardtest: %d readers; 1 to %d are possible", readers, maxReaders)
	}
	if err := t.openReaders(readers); err != nil {
		return err
	}
	if err := t.belongs(t.wrapped); err != nil {
		return err
	}
	if err := t.take(serials); err != nil {
		return err
	}
	t.module, err = t.install()
	return err
}

// Close ends the use of the tray by this value. The cards stay as and where they
// are; modules that were opened stay open.
func (t *Tray) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.file.Close()
	if err == nil { // the first time
		t.wrapped.release()
	}
	return err
}

// Module is the absolute path of the tray's own PKCS#11 module, for card.Open or
// any other program. It is the same each time that Dir is opened on a machine.
func (t *Tray) Module() string { return t.module }

// Readers is the number of readers.
func (t *Tray) Readers() int { return t.count }
