// SPDX-License-Identifier: Apache-2.0

package card

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Config says which PKCS#11 module to open.
type Config struct {
	// Module is the absolute path of the module (a .so, .dylib or .dll), or a
	// PKCS#11 URI whose module-path names it; what else the URI says is for
	// ParseURI. A relative path, and a file or folder that others can write to, is
	// refused.
	Module string
	// InitArgs is the text that some modules want from C_Initialize in pReserved,
	// such as NSS softokn: "configdir='sql:/home/ana/.pki/nssdb' certPrefix=''
	// keyPrefix='' secmod='secmod.db' flags=". Most want none. Modules of one file
	// that are open at the same time must have the same.
	InitArgs string
	// Poll is the time between two looks at the readers while somebody reads
	// Events. Default 250 ms.
	Poll time.Duration
	// Log tells of the insertions and removals that Events sees, by serial; never
	// of PINs, labels or what was signed. Default silent.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 250 * time.Millisecond
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
	users   int  // Modules; guarded by libraries

	// slots serialises C_GetSlotList and what follows from it: some modules
	// crash when two threads list readers.
	slots  sync.Mutex
	tokens map[string]*token // by serial; guarded by slots
}

// libraries holds the loaded modules by real path. It is state of the process
// because theirs is: C_Initialize is once a process, whoever calls it.
var libraries = struct {
	sync.Mutex
	byPath map[string]*library
}{byPath: map[string]*library{}}

// Open loads and initialises a module. Several Modules of one file in one
// process share it. ErrUntrusted: the path is relative or others can replace
// the file. ErrURI: it is a URI with a PIN, or one that says more than can be
// kept to. ErrUnsupported: built without cgo. ErrModule: it can't be loaded
// (with the system's own text) or initialised, or is open already with other
// InitArgs.
//
// A module that other code of this process initialised already is adopted, with
// what that code gave it instead of InitArgs, and then never finalised by us. What Open can't prove is that the module is
// honest: it runs inside this process and sees every PIN.
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
	libraries.Lock()
	defer libraries.Unlock()
	l := libraries.byPath[path]
	if l == nil {
		if l, err = load(path, c.InitArgs); err != nil {
			return nil, err
		}
		libraries.byPath[path] = l
	}
	if l.args != c.InitArgs {
		return nil, fmt.Errorf("%w: %s is open already, with other InitArgs", ErrModule, path)
	}
	l.users++
	return &Module{config: c, lib: l, closed: make(chan struct{})}, nil
}

func load(path, args string) (*library, error) {
	lib, err := cryptoki.Open(path)
	if err != nil {
		if err == cryptoki.ErrNoCgo {
			return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	l := &library{path: path, args: args, lib: lib, tokens: map[string]*token{}}
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

// Close ends the use of the module. The last Module of a file closes its
// sessions, which logs its cards out, and finalises it if Open initialised it.
// Cards and Keys of a closed Module answer ErrClosed. Close waits for calls and
// SOSessions that are under way; it may be called again.
func (m *Module) Close() error {
	var err error
	m.once.Do(func() {
		close(m.closed)
		libraries.Lock()
		defer libraries.Unlock()
		m.lib.users--
		if m.lib.users > 0 {
			return
		}
		delete(libraries.byPath, m.lib.path)
		err = m.lib.end()
	})
	return err
}

// end closes every session and finalises what we initialised.
func (l *library) end() error {
	l.slots.Lock()
	tokens := l.tokens
	l.tokens = map[string]*token{}
	l.slots.Unlock()
	for _, t := range tokens {
		t.lock <- struct{}{}
		t.drop()
		t.ended = true
		<-t.lock
	}
	if l.adopted {
		return nil
	}
	l.slots.Lock() // nobody lists readers meanwhile
	defer l.slots.Unlock()
	if err := l.lib.Finalize(); err != nil && code(err) != cryptoki.CryptokiNotInitialized {
		return fmt.Errorf("%w: %w", ErrModule, err)
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
