// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// what a behaviour needs.
const (
	destructive  = 1 << iota // the card may change
	officer                  // the security officer's PIN
	puk                      // a PUK
	publicPIN                // C_SetPIN takes the PIN where nobody is logged in, and no PUK
	unlocking                // some way to open a locked card
	removal                  // somebody who pulls the card
	swap                     // and has another
	finalize                 // C_Finalize is ours to call
	writing                  // Writing, and so on: see Feature
	contextLogin             // AlwaysAuthenticate
	slotEvents               // SlotEvents
	pinFlags                 // PINFlags
	locking                  // Locking
)

const flagWriteProtected = 0x2 // CKF_WRITE_PROTECTED

// behaviour is one thing that a card does.
type behaviour struct {
	name, clause string
	needs        int
	run          func(*probe) error
}

// probe is the module under test.
type probe struct {
	Module
	lib      *cryptoki.Lib
	adopted  bool
	slot     uint
	label    string
	readOnly bool   // the card takes no sessions that may write
	stuck    string // the behaviour that the module never came back from
	differs  bool   // the behaviour that is asked is declared to differ
	sessions []cryptoki.Session
}

func newProbe(m Module) (*probe, error) {
	if err := m.declared(); err != nil {
		return nil, err
	}
	lib, err := cryptoki.Open(m.Path)
	if err != nil {
		return nil, err
	}
	p := &probe{Module: m.withDefaults(), lib: lib}
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

// find is where the card is. Of several tokens with its serial, as NSS has two, it
// is the one with PINs.
func (p *probe) find() error {
	slots, err := p.lib.SlotList(true)
	if err != nil {
		return err
	}
	for _, all := range []bool{false, true} {
		for _, slot := range slots {
			if info, err := p.lib.TokenInfo(slot); err == nil && info.Serial == p.Serial && (all || hasPINs(info)) {
				p.slot, p.label, p.readOnly = slot, info.Label, info.Flags&flagWriteProtected != 0
				return nil
			}
		}
	}
	return fmt.Errorf("cardtest: no card %s in the module's readers", p.Serial)
}

func (p *probe) end() {
	if p.stuck != "" {
		return // whatever is called now may hang too
	}
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
	why, declared := p.expected(b.name)
	p.differs = declared
	done := make(chan error, 1)
	go func() { done <- b.run(p) }()
	var err error
	select {
	case err = <-done:
	case <-time.After(p.Patience):
		p.stuck = b.name
		return Result{b.name, b.clause, Failed, fmt.Sprintf("the module didn't come back for %v", p.Patience)}
	}
	p.rest()
	if err != nil && b.needs&unlocking != 0 {
		// What comes next begins with all tries.
		_ = p.unlock()
	}
	r := Result{Name: b.name, Clause: b.clause, Outcome: Passed}
	switch {
	case declared && err == nil:
		r.Outcome, r.Detail = Failed, "declared to differ, and the module does it"
	case declared:
		r.Outcome, r.Detail = Departed, why
	case err != nil:
		r.Outcome, r.Detail = Failed, strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return r
}

// session opens one that ends with the behaviour, and may write if the card lets
// any.
func (p *probe) session() (cryptoki.Session, error) { return p.sessionOf(p.flagsOf()) }

func (p *probe) flagsOf() uint {
	if p.readOnly {
		return cryptoki.FlagSerialSession
	}
	return cryptoki.FlagSerialSession | cryptoki.FlagRWSession
}

// public and in are the states of such a session without a login and with one.
func (p *probe) public() uint {
	if p.readOnly {
		return stateROPublic
	}
	return stateRWPublic
}

func (p *probe) in() uint {
	if p.readOnly {
		return cryptoki.StateROUser
	}
	return cryptoki.StateRWUser
}

func (p *probe) sessionOf(flags uint) (cryptoki.Session, error) {
	s, err := p.lib.OpenSession(p.slot, flags)
	if err == nil {
		p.sessions = append(p.sessions, s)
	}
	return s, err
}

// several are sessions for as many threads.
func (p *probe) several(n int) ([]cryptoki.Session, error) {
	all := make([]cryptoki.Session, n)
	for i := range all {
		s, err := p.session()
		if err != nil {
			return nil, err
		}
		all[i] = s
	}
	return all, nil
}

// user is a session that is logged in.
func (p *probe) user() (cryptoki.Session, error) {
	s, err := p.session()
	if err != nil {
		return 0, err
	}
	return s, p.lib.Login(s, cryptoki.UserNormal, p.PIN)
}

// enough is the time that a driver may take to notice a card: those of real
// readers look once or twice a second.
const enough = 10 * time.Second

// limit is the time for that, and not much of it for what is declared never to come.
func (p *probe) limit() time.Duration {
	if p.differs {
		return enough / 20
	}
	return enough
}

// eventually repeats what a driver may need some time for.
func (p *probe) eventually(do func() error) error { return within(p.limit(), do) }

// found waits for a card that was put back.
func (p *probe) found() error { return within(enough, p.find) }

// within repeats do until it is well, or the time is over.
func within(limit time.Duration, do func() error) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
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
