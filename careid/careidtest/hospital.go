// SPDX-License-Identifier: Apache-2.0

// Package careidtest is a hospital for tests: a careid.Service on a database of its own, a certificate authority in
// memory, two clocks that only the test moves, an inbox for what leaves, mail accounts, and four people with cards,
// who all came in through the service itself.
//
//	h := careidtest.New(t, careidtest.Config{})
//	in, err := h.SignIn(ctx, h.Nurse.Card)
//
// # People
//
// A Persona is a plain struct: take one (LockedNoEmail, ExpiredLocked, LeaverMidMove and others), change a copy, and
// give it to Config.People or to Add.
//
// # Cards
//
// The cards are keys in memory that follow the card protocol, with a passcode that locks after three wrong tries. Where
// PKCS#11 matters, one field makes them virtual cards of SoftHSM instead, which cost a few hundred milliseconds each:
//
//	h := careidtest.New(t, careidtest.Config{Tray: cardtest.New(t, cardtest.Config{})})
//
// A card is used by its holder (SignIn, Renew), by somebody who types something else (SignInWith), at a desk
// (RenewAtDesk), or in a Reader, where it can be pulled and unlocked.
//
// What a card of either kind refuses comes as an agent would tell it: a Refusal by passcode.wrong or card.locked.
//
// Cards of other issuers come from Config.Outside: each name is a CA of its own, whose cards Outside.Card makes and Bind
// binds to a profile.
//
// # Certificates on the wire
//
// The CA serves OCSP and its lists over HTTP on loopback, at the addresses that its certificates name. Status asks there
// as a stranger does, TLSServer is an application that lets good cards in, and TLSClient and TLSCall knock with a card.
// All of them live on Clock.
//
// # Stores
//
// The database is SQLite in memory, or in Config.Dir, or Config.DB; OpenStore gives such a store alone. The one in memory is
// package sqlstore too, on SQLite's own shared memory: what a test sees is what a server does, and a contract of this width
// told a second time, in maps, would be one more thing to trust. It waits for no disk: a hospital opens in about a tenth
// of a second, on a file in about six tenths. Only one thing is otherwise than on a file: a commit waits for whoever
// reads. TestStore is the suite that every careid.Store passes, those of users too.
package careidtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// Where the hospital is, as cards and agents know it.
const (
	Server       = "https://care.example"
	Origin       = "https://app.example"
	Organisation = "RBA"
)

// Config says what to build.
type Config struct {
	// Dir, where set, holds the database as the file care.db: for a test that opens it a second time. Default: in memory.
	Dir string
	// DB, where set, is the database instead of Dir, empty and the caller's to close: PostgreSQL, for a test of that.
	DB *sql.DB
	// People are brought in besides the four who are always there, in this order in Hospital.People.
	People []Persona
	// Tray, where set, is where the cards are made: virtual cards of SoftHSM, which lock, are pulled, and sign through
	// PKCS#11. Default: keys in memory. It stays the caller's to close.
	Tray *cardtest.Tray
	// Outside names issuers of cards elsewhere, each with a CA of its own: Hospital.Outside, in this order.
	Outside []string
	// Binding is the Service's.
	Binding careid.Binding
	// Observe is the Service's.
	Observe func(context.Context, careid.Event)
}

// Clock only moves when it is told to.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Set moves the clock, backwards too.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// Add moves the clock by a duration.
func (c *Clock) Add(d time.Duration) { c.Set(c.Now().Add(d)) }

// Person is somebody with a profile, and a card if they have one.
type Person struct {
	Profile careid.Profile
	Card    *Card
}

// Hospital is all of it.
type Hospital struct {
	Service *careid.Service
	Store   *sqlstore.Store
	DB      *sql.DB
	CA      *pkitest.CA
	Clock   *Clock // the calendar
	Wall    *Clock // the wire
	Inbox   *Inbox
	Mail    *Mail
	Config  careid.Config // what Service was made of, for a second one beside it

	RAManager, RAAgent, Sponsor, Nurse Person
	People                             []Person // those of Config.People
	Outside                            []*Outside

	ownDB   *sql.DB
	cards   int
	drawer  *drawer
	network network
	readers []*Reader
}

// New is Open for a test that fails if it can't.
func New(t testing.TB, c Config) *Hospital {
	t.Helper()
	h, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// Open builds a hospital. It opens on Monday 5 January 2026, 09:00 UTC, by both clocks, or later where somebody of
// Config.People has an older card.
func Open(c Config) (*Hospital, error) {
	monday := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	opens, err := opening(monday, c.People)
	if err != nil {
		return nil, err
	}
	h := &Hospital{Clock: &Clock{at: monday}, Wall: &Clock{at: monday}, Inbox: new(Inbox), Mail: new(Mail)}
	if err := h.build(context.Background(), c, opens); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Hospital) build(ctx context.Context, c Config, opens time.Time) (err error) {
	if c.Tray != nil {
		if h.drawer, err = openDrawer(c.Tray); err != nil {
			return err
		}
	}
	if h.DB = c.DB; h.DB == nil {
		if h.DB, err = openDB(c.Dir); err != nil {
			return err
		}
		h.ownDB = h.DB
	}
	if h.Store, err = sqlstore.Open(ctx, sqlstore.Config{DB: h.DB, Now: h.Clock.Now, Wall: h.Wall.Now}); err != nil {
		return err
	}
	if h.CA, h.network.verifier, err = h.publish(); err != nil {
		return err
	}
	for _, name := range c.Outside {
		if err := h.open(name); err != nil {
			return err
		}
	}
	master, err := careid.NewSoftwareMaster([]byte("a master secret for tests alone!"))
	if err != nil {
		return err
	}
	h.Config = careid.Config{
		Store: h.Store, CA: h.CA, Mail: h.Mail, Sender: h.Inbox, CardMaster: master,
		AuthenticatorKey: []byte("a key of 32 bytes for tests only"),
		Servers:          []string{Server}, Origins: []string{Origin},
		Outside: h.issuers(), Binding: c.Binding, Now: h.Clock.Now, Wall: h.Wall.Now, Observe: c.Observe,
	}
	if h.Service, err = careid.New(h.Config); err != nil {
		return err
	}
	return h.staff(ctx, opens, c.People)
}

// Close ends what Open began.
func (h *Hospital) Close() error {
	var failed []error
	if h.Service != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		failed = append(failed, h.Service.Drain(ctx))
	}
	if h.drawer != nil {
		failed = append(failed, h.drawer.module.Close())
	}
	h.network.close()
	if h.CA != nil {
		failed = append(failed, h.CA.Close())
	}
	for _, o := range h.Outside {
		failed = append(failed, o.CA.Close())
	}
	if h.Store != nil {
		failed = append(failed, h.Store.Close())
	}
	if h.ownDB != nil {
		failed = append(failed, h.ownDB.Close())
	}
	return errors.Join(failed...)
}

// staff brings the people in the way they come: the first RA manager by Bootstrap, the others by Apply for Care ID.
func (h *Hospital) staff(ctx context.Context, opens time.Time, people []Persona) error {
	blank := h.Blank()
	founded, err := h.Service.Bootstrap(ctx, careid.Founder{
		Given: "Ruth", Family: "Okafor", Organisation: Organisation, Email: "ruth.okafor@nhs.net", Mobile: "07700900001", Card: blank.Serial,
	})
	if err != nil {
		return err
	}
	if err := h.Personalise(ctx, blank, founded.Act.Handle); err != nil {
		return err
	}
	h.RAManager = Person{founded.Profile, blank}
	h.People = make([]Person, len(people))
	if err := h.older(ctx, opens, people); err != nil {
		return err
	}
	for _, p := range []struct {
		into *Person
		Persona
	}{{&h.RAAgent, RAAgent()}, {&h.Sponsor, Sponsor()}, {&h.Nurse, Nurse()}} {
		if *p.into, err = h.Add(ctx, p.Persona); err != nil {
			return fmt.Errorf("admit %s: %w", p.Given, err)
		}
	}
	for i, p := range people {
		if p.DaysLeft != 0 {
			continue
		}
		if h.People[i], err = h.Add(ctx, p); err != nil {
			return fmt.Errorf("admit %s: %w", p.Given, err)
		}
	}
	return nil
}

// Documents are enough for an identity check.
func Documents() []careid.Document {
	return []careid.Document{{Kind: "passport", Number: "500000000"}, {Kind: "utility-bill"}, {Kind: "driving-licence"}}
}

// Admit takes a person through Apply for Care ID and issues them a card.
func (h *Hospital) Admit(ctx context.Context, given, family string) (Person, error) {
	p, err := h.Enrol(ctx, given, family)
	if err != nil {
		return Person{}, err
	}
	card, err := h.Issue(ctx, p.ID, "")
	return Person{p, card}, err
}

// Enrol takes a person through Apply for Care ID: a profile, and no card.
func (h *Hospital) Enrol(ctx context.Context, given, family string) (careid.Profile, error) {
	return h.apply(ctx, Persona{Given: given, Family: family}.withDefaults())
}

func (h *Hospital) apply(ctx context.Context, p Persona) (careid.Profile, error) {
	var none careid.Profile
	manager, err := h.Actor(ctx, h.RAManager, careid.RAManager)
	if err != nil {
		return none, err
	}
	checker := manager
	if h.RAAgent.Card != nil {
		if agent, err := h.Actor(ctx, h.RAAgent, careid.RAAgent); err == nil {
			checker = agent
		}
	}
	app, err := h.Service.Invite(ctx, manager, careid.Invitation{Given: p.Given, Family: p.Family, Email: p.Email, Mobile: p.Mobile})
	if err != nil {
		return none, err
	}
	message, err := h.Inbox.Last(ctx, h.Service, p.Email)
	if err != nil {
		return none, err
	}
	if _, err := h.Service.Submit(ctx, message.Token(), careid.Submission{}); err != nil {
		return none, err
	}
	if _, err := h.Service.RecordCheck(ctx, checker, app.ID, careid.Check{Method: careid.FaceToFace, Documents: Documents()}); err != nil {
		return none, err
	}
	profile, err := h.Service.Approve(ctx, manager, app.ID)
	if err != nil {
		return none, err
	}
	return *profile, nil
}

// Issue has the RA manager issue a new card to a person; replaces is the serial of the card that it takes the place
// of, or "".
func (h *Hospital) Issue(ctx context.Context, profile, replaces string) (*Card, error) {
	return h.issue(ctx, profile, replaces, Passcode)
}

func (h *Hospital) issue(ctx context.Context, profile, replaces, passcode string) (*Card, error) {
	manager, err := h.Actor(ctx, h.RAManager, careid.RAManager)
	if err != nil {
		return nil, err
	}
	card := h.Blank()
	card.Passcode = []byte(passcode)
	act, err := h.Service.OpenAct(ctx, manager, careid.ActRequest{
		Kind: careid.Issue, Card: card.Serial, Profile: profile, Replaces: replaces,
		Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"},
	})
	if err != nil {
		return nil, err
	}
	return card, h.Personalise(ctx, card, act.Handle)
}

// Actor signs a person in with their card and takes a role at the hospital.
func (h *Hospital) Actor(ctx context.Context, p Person, role careid.Role) (careid.Actor, error) {
	in, err := h.SignIn(ctx, p.Card)
	if err != nil {
		return careid.Actor{}, err
	}
	return h.Service.Actor(ctx, in.Token, role, Organisation)
}
