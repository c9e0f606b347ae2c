// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Module is a PKCS#11 module that is held to the standard, and a card in one of
// its readers: initialised, with a PIN and at least one P-256, P-384 or RSA key
// pair, logged out, and used by nobody else meanwhile.
type Module struct {
	Path, Serial string
	PIN, SOPIN   []byte
	// InitArgs is what C_Initialize takes as reserved argument; empty is NULL. NSS's
	// softokn needs one.
	InitArgs string
	// Destructive allows what changes the card: wrong PINs up to the lock, new
	// PINs, a key pair made and deleted. What goes well ends with PIN set again; a
	// module that fails in the middle may leave a locked card. It needs SOPIN.
	Destructive bool
	// Remove and Insert pull the card and put it back, by a robot or a person who
	// is told to. Without both, nothing about removal is asked.
	Remove, Insert func() error
	// Departures are the behaviours, by name, in which the module is known to
	// differ, and why that is accepted. One that the module has after all fails, so
	// that the list stays true.
	Departures map[string]string
}

// Outcome is how a behaviour was found.
type Outcome int

// The outcomes.
const (
	Passed   Outcome = iota + 1
	Failed           // the module differs, or is declared to and doesn't
	Departed         // it differs as declared
	NotAsked         // Module doesn't allow what it needs
)

// String is the outcome's name.
func (o Outcome) String() string {
	if o < Passed || o > NotAsked {
		return fmt.Sprintf("Outcome(%d)", int(o))
	}
	return [...]string{"passed", "failed", "departed", "not asked"}[o-1]
}

// Result is one behaviour of a card and how the module was found in it.
type Result struct {
	Name    string // stable: what Departures is keyed by
	Clause  string // of PKCS#11 v2.40, or of what stands on it
	Outcome Outcome
	Detail  string // what was different, or why it is accepted
}

// what a behaviour needs.
const (
	destructive = 1 << iota
	removal
)

// behaviour is one thing that a card does.
type behaviour struct {
	name, clause string
	needs        int
	run          func(*probe) error
}

// TestModule holds a module to what PKCS#11 says of a card: each behaviour is a
// subtest of its name, and a failure says the clause. What Module doesn't allow,
// and the departures it declares, are logged.
func TestModule(t *testing.T, m Module) {
	t.Helper()
	all := behaviours()
	for name := range m.Departures {
		if !slices.ContainsFunc(all, func(b behaviour) bool { return b.name == name }) {
			t.Errorf("no behaviour has the name %s that is declared", name)
		}
	}
	p, err := newProbe(m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	for _, b := range all {
		if !m.allows(b) {
			t.Logf("not asked: %s (%s)", b.name, b.clause)
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			r := p.check(b)
			switch r.Outcome {
			case Failed:
				t.Errorf("%s: %s", r.Clause, r.Detail)
			case Departed:
				t.Logf("departs from %s as declared: %s", r.Clause, r.Detail)
			}
		})
	}
}

// Check is TestModule without a test: each is called with every result, in a
// fixed order, as it is found. The error is for a module that can't be loaded, or
// doesn't show the card.
func Check(m Module, each func(Result)) error {
	p, err := newProbe(m)
	if err != nil {
		return err
	}
	defer p.end()
	for _, b := range behaviours() {
		if !m.allows(b) {
			each(Result{b.name, b.clause, NotAsked, ""})
			continue
		}
		each(p.check(b))
	}
	return nil
}

func (m Module) allows(b behaviour) bool {
	return (b.needs&destructive == 0 || m.Destructive) && (b.needs&removal == 0 || m.Remove != nil && m.Insert != nil)
}

// probe is the module under test.
type probe struct {
	Module
	lib      *cryptoki.Lib
	adopted  bool
	slot     uint
	sessions []cryptoki.Session
}

func newProbe(m Module) (*probe, error) {
	lib, err := cryptoki.Open(m.Path)
	if err != nil {
		return nil, err
	}
	p := &probe{Module: m, lib: lib}
	switch err := lib.Initialize(m.InitArgs); codeOf(err) {
	case cryptoki.OK:
		if err != nil {
			return nil, err
		}
	case cryptoki.CryptokiAlreadyInitialized:
		p.adopted = true
	default:
		return nil, err
	}
	if err := p.find(); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// find is where the card is.
func (p *probe) find() error {
	slots, err := p.lib.SlotList(true)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		if info, err := p.lib.TokenInfo(slot); err == nil && info.Serial == p.Serial {
			p.slot = slot
			return nil
		}
	}
	return fmt.Errorf("cardtest: no card %s in the module's readers", p.Serial)
}

func (p *probe) end() {
	p.rest()
	if !p.adopted {
		_ = p.lib.Finalize()
	}
}

// rest ends every session, which logs out.
func (p *probe) rest() {
	for _, s := range p.sessions {
		_ = p.lib.Logout(s)
	}
	for _, s := range p.sessions {
		_ = p.lib.CloseSession(s)
	}
	p.sessions = nil
}

func (p *probe) check(b behaviour) Result {
	err := b.run(p)
	p.rest()
	r := Result{Name: b.name, Clause: b.clause, Outcome: Passed}
	why, declared := p.Departures[b.name]
	switch {
	case declared && err == nil:
		r.Outcome, r.Detail = Failed, "declared as a departure, and the module does it"
	case declared:
		r.Outcome, r.Detail = Departed, why
	case err != nil:
		r.Outcome, r.Detail = Failed, err.Error()
	}
	return r
}

// session opens one that ends with the behaviour.
func (p *probe) session() (cryptoki.Session, error) {
	return p.sessionOf(cryptoki.FlagSerialSession | cryptoki.FlagRWSession)
}

func (p *probe) sessionOf(flags uint) (cryptoki.Session, error) {
	s, err := p.lib.OpenSession(p.slot, flags)
	if err == nil {
		p.sessions = append(p.sessions, s)
	}
	return s, err
}

// user is a session that is logged in.
func (p *probe) user() (cryptoki.Session, error) {
	s, err := p.session()
	if err != nil {
		return 0, err
	}
	return s, p.lib.Login(s, cryptoki.UserNormal, p.PIN)
}

func codeOf(err error) uint {
	var e *cryptoki.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return cryptoki.OK
}

// is says whether the module answered one of some return values.
func is(err error, codes ...uint) error {
	if e := (*cryptoki.Error)(nil); errors.As(err, &e) && slices.Contains(codes, e.Code) {
		return nil
	}
	var names []string
	for _, c := range codes {
		names = append(names, cryptoki.Name(c))
	}
	if err == nil {
		return fmt.Errorf("CKR_OK instead of %v", names)
	}
	return fmt.Errorf("%w instead of %v", err, names)
}

// holds is an error with a text unless ok.
func holds(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
