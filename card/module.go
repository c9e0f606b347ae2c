// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Config says which PKCS#11 module to open.
type Config struct {
	// Module is the absolute path of the module (a .so, .dylib or .dll), or a
	// PKCS#11 URI whose module-path names it; what else the URI says is for
	// ParseURI. A relative path, and a file or folder that others can write to, is
	// refused; on Windows access lists are not read, and a network share is refused.
	Module string
	// InitArgs is the text that some modules want from C_Initialize in pReserved,
	// such as NSS softokn: "configdir='sql:/home/ana/.pki/nssdb' certPrefix=''
	// keyPrefix='' secmod='secmod.db' flags=". Most want none. Modules of one file
	// that are open at the same time must have the same.
	InitArgs string
	// Poll is the time between two looks at the readers while somebody reads
	// Events. Default 200 ms, so that what happens is told within 250.
	Poll time.Duration
	// Authentication puts the certificates of a card that may sign its holder in
	// into the order in which they are to be tried. Default ForAuthentication.
	Authentication func([]*x509.Certificate) []*x509.Certificate
	// Log tells of the insertions and removals that Events sees, by serial; never
	// of PINs, labels or what was signed. Default silent.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.Authentication == nil {
		c.Authentication = ForAuthentication
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Module is an open PKCS#11 module. It is safe for concurrent use.
type Module struct {
	config Config
	lib    *library
	place  *place
	once   sync.Once
	closed chan struct{}
}

// library is one loaded module and what this process holds in it. A module's
// state belongs to the process (C_Initialize, logins), so all Modules of one
// file share one.
type library struct {
	path    string
	args    string // Config.InitArgs of the first
	lib     *cryptoki.Lib
	adopted bool // somebody else initialised it, and finalises it

	// slots serialises C_GetSlotList and what follows from it: some modules
	// crash when two threads list readers.
	slots  gate
	tokens []*token          // of the cards that were asked for; guarded by slots
	hung   map[uint]*reading // by slot: calls that were left behind; guarded by slots
	ended  bool              // closed; guarded by slots

	orphaned atomic.Bool // initialised anew, and nothing was there yet
}

// place is where a module is open, or was: a module stays loaded as long as the
// process. Each has its own lock, so that one which hangs doesn't keep others.
type place struct {
	sync.Mutex
	lib   *library // nil: closed
	users int      // Modules
}

// places are by real path. They are state of the process because the modules' is:
// C_Initialize is once a process, whoever calls it.
var places = struct {
	sync.Mutex
	byPath map[string]*place
}{byPath: map[string]*place{}}

func placeOf(path string) *place {
	places.Lock()
	defer places.Unlock()
	p := places.byPath[path]
	if p == nil {
		p = new(place)
		places.byPath[path] = p
	}
	return p
}

// Open loads and initialises a module. Several Modules of one file in one
// process share it. ErrUntrusted: the path is relative or others can replace
// the file. ErrURI: it is a URI with a PIN, or one that says more than can be
// kept to. ErrUnsupported: built without cgo. ErrModule: it can't be loaded
// (with the system's own text) or initialised, or is open already with other
// InitArgs.
//
// A module that other code of this process initialised already is adopted, with
// what that code gave it instead of InitArgs, and then never finalised by us.
// What Open can't prove is that the module is honest: it runs inside this process
// and sees every PIN. (PKCS#11 v2.40 §5.4, C_Initialize)
func Open(c Config) (*Module, error) {
	c = c.withDefaults()
	path := c.Module
	if strings.HasPrefix(path, uriScheme) {
		u, err := ParseURI(path)
		if err != nil {
			return nil, err
		}
		path = u.Module
	}
	path, err := trusted(path)
	if err != nil {
		return nil, err
	}
	p := placeOf(path)
	p.Lock()
	defer p.Unlock()
	if p.lib == nil {
		if p.lib, err = load(path, c.InitArgs); err != nil {
			return nil, err
		}
	}
	if p.lib.args != c.InitArgs {
		return nil, fmt.Errorf("%w: %s is open already, with other InitArgs", ErrModule, path)
	}
	p.users++
	return &Module{config: c, lib: p.lib, place: p, closed: make(chan struct{})}, nil
}

func load(path, args string) (*library, error) {
	lib, err := cryptoki.Open(path)
	if err != nil {
		if err == cryptoki.ErrNoCgo {
			return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	l := &library{path: path, args: args, lib: lib, slots: newGate(), hung: map[uint]*reading{}}
	switch err := lib.Initialize(args); code(err) {
	case cryptoki.OK:
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrModule, err)
		}
	case cryptoki.CryptokiAlreadyInitialized:
		l.adopted = true
	default:
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	return l, nil
}

// Close ends the use of the module, with its Cards logged out. The last Module of
// a file closes the sessions too, and finalises it if Open initialised it. Cards
// and Keys of a closed Module answer ErrClosed. Close waits for calls and
// SOSessions of the file that are under way; it may be called again.
func (m *Module) Close() error {
	var err error
	m.once.Do(func() {
		close(m.closed)
		m.place.Lock()
		defer m.place.Unlock()
		m.place.users--
		if m.place.users > 0 {
			m.logout()
			return
		}
		m.place.lib = nil
		err = m.lib.end()
	})
	return err
}

// logout ends the logins of this Module's Cards.
func (m *Module) logout() {
	m.lib.slots.wait()
	tokens := slices.Clone(m.lib.tokens)
	m.lib.slots.leave()
	for _, t := range tokens {
		t.lock.wait()
		if t.holder != nil && t.holder.module == m {
			t.logout()
		}
		t.lock.leave()
	}
}

// end closes every session and finalises what we initialised.
func (l *library) end() error {
	l.slots.wait()
	tokens := l.tokens
	l.tokens, l.ended = nil, true
	l.slots.leave()
	for _, t := range tokens {
		t.lock.wait()
		t.drop()
		t.ended = true
		t.lock.leave()
	}
	if l.adopted {
		return nil
	}
	l.slots.wait() // nobody lists readers meanwhile
	defer l.slots.leave()
	_ = l.settled(context.Background()) // which has no end
	if err := l.lib.Finalize(); err != nil && code(err) != cryptoki.CryptokiNotInitialized {
		return fmt.Errorf("%w: %w", ErrModule, err)
	}
	return nil
}

// enter takes the list of readers, for an open module that answers.
func (m *Module) enter(ctx context.Context) error {
	if err := m.open(); err != nil {
		return err
	}
	if err := m.lib.enter(ctx); err != nil {
		return err
	}
	if !m.lib.dead() {
		return nil
	}
	m.lib.slots.leave()
	if err := m.lib.revive(ctx); err != nil {
		return err
	}
	return m.lib.enter(ctx)
}

// enter takes the list of readers. Once it was closed the module isn't called any
// more: who waited here is told.
func (l *library) enter(ctx context.Context) error {
	if err := l.slots.enter(ctx); err != nil {
		return err
	}
	if l.ended {
		l.slots.leave()
		return ErrClosed
	}
	return nil
}

// open says whether Close was not called yet.
func (m *Module) open() error {
	select {
	case <-m.closed:
		return ErrClosed
	default:
		return nil
	}
}
