// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Module is a PKCS#11 module that is held to the standard, and a card in one of
// its readers: initialised, with a PIN and at least one P-256, P-384 or RSA key
// pair, logged out, and used by nobody else meanwhile.
type Module struct {
	Path, Serial string
	PIN          []byte
	// InitArgs is what C_Initialize takes as reserved argument; empty is NULL. NSS's
	// softokn needs one.
	InitArgs string

	// SOPIN is the security officer's PIN. nil: the card has no officer that PKCS#11
	// reaches, and nothing of it is asked.
	SOPIN []byte
	// PUK opens a locked PIN by C_SetPIN where nobody is logged in, as with OpenSC.
	// nil: the card has no such dialect, and nothing of it is asked.
	PUK []byte
	// Unlock makes the PIN's tries good again by other means than PKCS#11, the PIN
	// itself unchanged: a card management system, say. Default: the security
	// officer or the PUK. With none of the three the PIN is never locked.
	Unlock func() error

	// Destructive allows what changes the card: wrong PINs up to the lock, new
	// PINs, key pairs and certificates made and deleted. What goes well ends with
	// PIN set again; a module that fails in the middle may leave a locked card.
	Destructive bool
	// Remove and Insert pull the card and put it back, by a robot or a person who
	// is told to. Without both, nothing about removal is asked.
	Remove, Insert func() error
	// InsertOther puts another card into the reader that Remove emptied: one that
	// is ready too, with the same label and another serial. Without it, nothing
	// about swapped cards is asked.
	InsertOther func() error

	// Lacks are parts of the standard that a card may be without, and this one is,
	// and why. One behaviour of each is asked all the same, and fails if the module
	// has it.
	Lacks map[Feature]string
	// Departures are the behaviours, by name, in which the module is known to
	// differ, and why that is accepted. One that the module has after all fails, so
	// that the list stays true.
	Departures map[string]string
	// Hangs are the behaviours that the module never comes back from, and why. They
	// aren't asked. One that isn't declared fails after Patience, and what comes
	// after it isn't asked either.
	Hangs map[string]string
	// Patience is the time for one behaviour. Default 5 minutes, which is enough
	// for a person who pulls the card.
	Patience time.Duration
}

func (m Module) withDefaults() Module {
	if m.Patience <= 0 {
		m.Patience = 5 * time.Minute
	}
	return m
}

// Feature is a part of PKCS#11 that a card may be without.
type Feature string

// The features.
const (
	// Writing: key pairs and certificates are made through PKCS#11.
	Writing Feature = "writing"
	// AlwaysAuthenticate: a key may want the PIN for each signature (§4.9
	// CKA_ALWAYS_AUTHENTICATE, §5.6 CKU_CONTEXT_SPECIFIC).
	AlwaysAuthenticate Feature = "always-authenticate"
	// SlotEvents: C_WaitForSlotEvent tells of insertions and removals (§5.5 lets a
	// module answer CKR_FUNCTION_NOT_SUPPORTED to any function).
	SlotEvents Feature = "slot-events"
	// PINFlags: CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY and the officer's
	// tell of the tries (§3.2 lets a card keep them to itself).
	PINFlags Feature = "pin-flags"
	// Locking: wrong PINs lock the PIN. A card does that; software needn't.
	Locking Feature = "locking"
)

// bit is what the behaviours of a feature need, and witness the one that shows
// whether the module has it; 0 and "" for a feature that isn't there.
func (f Feature) bit() (bit int, witness string) {
	switch f {
	case Writing:
		return writing, "key-pair-made"
	case AlwaysAuthenticate:
		return contextLogin, "always-authenticate-signs"
	case SlotEvents:
		return slotEvents, "no-event-without-cause"
	case PINFlags:
		return pinFlags, "wrong-pin-is-told"
	case Locking:
		return locking, "wrong-pins-lock"
	}
	return 0, ""
}

// Outcome is how a behaviour was found.
type Outcome int

// The outcomes.
const (
	Passed   Outcome = iota + 1
	Failed           // the module differs, or is declared to and doesn't
	Departed         // it differs as declared
	NotAsked         // Module doesn't allow what it needs, or lacks it
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
	Detail  string // what was different, why it is accepted, or why it wasn't asked
}

// TestModule holds a module to what PKCS#11 says of a card: each behaviour is a
// subtest of its name, and a failure says the clause. What isn't asked, and the
// departures that Module declares, are logged with their reasons.
func TestModule(t *testing.T, m Module) {
	t.Helper()
	p, err := newProbe(m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	for _, b := range behaviours() {
		if why := p.missing(b); why != "" {
			t.Logf("not asked: %s (%s): %s", b.name, b.clause, why)
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
// fixed order, as it is found. The error is for a module that can't be loaded or
// doesn't show the card, and for a name in Lacks or Departures that nothing has.
func Check(m Module, each func(Result)) error {
	p, err := newProbe(m)
	if err != nil {
		return err
	}
	defer p.end()
	for _, b := range behaviours() {
		if why := p.missing(b); why != "" {
			each(Result{b.name, b.clause, NotAsked, why})
			continue
		}
		each(p.check(b))
	}
	return nil
}

// Behaviours are the names of all behaviours, in the order in which they are
// asked.
func Behaviours() []string {
	var names []string
	for _, b := range behaviours() {
		names = append(names, b.name)
	}
	return names
}

// declared says whether all that Module declares exists.
func (m Module) declared() error {
	names := Behaviours()
	for _, declared := range []map[string]string{m.Departures, m.Hangs} {
		for name := range declared {
			if !slices.Contains(names, name) {
				return fmt.Errorf("cardtest: no behaviour has the name %s that is declared to differ", name)
			}
		}
	}
	for f := range m.Lacks {
		if bit, _ := f.bit(); bit == 0 {
			return fmt.Errorf("cardtest: no feature has the name %s that is declared lacking", f)
		}
	}
	return nil
}

// missing is why a behaviour isn't asked of the module; "" if it is.
func (p *probe) missing(b behaviour) string {
	if p.stuck != "" {
		return "the module never came back from " + p.stuck
	}
	if why, hangs := p.Hangs[b.name]; hangs {
		return "hangs: " + why
	}
	for feature, why := range p.Lacks {
		if bit, witness := feature.bit(); b.needs&bit != 0 && b.name != witness {
			return fmt.Sprintf("lacks %s: %s", feature, why)
		}
	}
	for _, need := range []struct {
		bit  int
		met  bool
		what string
	}{
		{destructive, p.Destructive, "it changes the card, which Destructive allows"},
		{officer, p.SOPIN != nil, "no SOPIN"},
		{puk, p.PUK != nil, "no PUK"},
		{publicPIN, p.PUK == nil, "C_SetPIN takes the PUK there"},
		{unlocking, p.Unlock != nil || p.SOPIN != nil || p.PUK != nil, "no SOPIN, PUK or Unlock to open the card again"},
		{removal, p.Remove != nil && p.Insert != nil, "no Remove and Insert"},
		{swap, p.InsertOther != nil, "no InsertOther"},
		{finalize, !p.adopted, "another part of this process initialised the module"},
	} {
		if b.needs&need.bit != 0 && !need.met {
			return need.what
		}
	}
	return ""
}

// expected is why a behaviour is known to differ: it is a departure, or the
// witness of a feature that the module lacks.
func (m Module) expected(name string) (why string, declared bool) {
	for feature, why := range m.Lacks {
		if _, witness := feature.bit(); name == witness {
			return fmt.Sprintf("lacks %s: %s", feature, why), true
		}
	}
	why, declared = m.Departures[name]
	return why, declared
}
