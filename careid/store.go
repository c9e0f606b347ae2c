// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"time"
)

// What a store answers besides data.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("careid: not found")
	// ErrConflict: a row with that key, or another one that may exist once only, is there already.
	ErrConflict = errors.New("careid: conflict")
)

// Store keeps everything. Service asks no more of it than this contract, and careidtest.TestStore holds it to it.
//
// Write runs fn in a transaction that no other Write overlaps as far as fn can tell (serializable), commits it
// durably when fn returns nil and undoes all of it otherwise. fn may run more than once, and only the last run counts.
// Read runs fn on a snapshot. A Tx is good until fn returns. Every Tx carries one Now and one Wall, whole seconds in
// UTC, and times are kept as whole seconds.
//
// Methods that change a row only from a given state report whether they did, in one statement: of any number of
// callers in any number of processes one gets true.
type Store interface {
	Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
	Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
}

// Tx is one transaction, split by noun.
type Tx struct {
	Now, Wall time.Time

	People       People
	Applications Applications
	Positions    Positions
	Assignments  Assignments
	Releases     Releases
	Cards        Cards
	Acts         Acts
	Unlocks      Unlocks
	Proofs       Proofs
	Sessions     Sessions
	Acceptances  Acceptances
	Links        Links
	Losses       Losses
	Audit        AuditLog

	Authenticators Authenticators
}

// People keeps profiles and roles.
type People interface {
	AddProfile(ctx context.Context, p Profile) error // ErrConflict: the id is taken
	UpdateProfile(ctx context.Context, p Profile) error
	Profile(ctx context.Context, id string) (Profile, error)
	ProfilesOf(ctx context.Context, organisation string) ([]Profile, error) // "" is all; by id
	AddGrant(ctx context.Context, g Grant) error                            // ErrConflict: held already
	EndGrant(ctx context.Context, profile string, role Role, organisation string, at time.Time) (bool, error)
	// Grants in force at t, of a person; or, with profile "", of all people.
	Grants(ctx context.Context, profile string, t time.Time) ([]Grant, error)
}

// Applications keeps Apply for Care ID.
type Applications interface {
	AddApplication(ctx context.Context, a Application, token []byte) error
	Application(ctx context.Context, id string) (Application, error)
	ApplicationByToken(ctx context.Context, token []byte) (Application, error)
	UpdateApplication(ctx context.Context, a Application, from ApplicationState) (bool, error)
	ApplicationsOf(ctx context.Context, organisation string) ([]Application, error) // "" is all; oldest first
	// IdentityOf is whose profile one mark of an Application's Person stands for. KeepIdentity has it stand for one where it
	// stands for none, and returns the one that it stands for.
	IdentityOf(ctx context.Context, person []byte) (string, error)
	KeepIdentity(ctx context.Context, person []byte, profile string) (string, error)
}

// Generations are the SO PIN generations of a card: at most two that its security officer PIN can be (0 is none),
// and the next that was never used.
type Generations struct{ First, Second, Next int64 }

// Cards keeps cards, their certificates and the orders for them.
type Cards interface {
	AddCard(ctx context.Context, c Card) error // ErrConflict: the serial is known
	Card(ctx context.Context, serial string) (Card, error)
	// CardHolder reads a card with its holder, CardOf a certificate with both: a sign-in asks for them at once.
	CardHolder(ctx context.Context, serial string) (Card, Profile, error)
	CardOf(ctx context.Context, fingerprint [32]byte) (Certificate, Card, Profile, error)
	CardsOf(ctx context.Context, profile string) ([]Card, error)
	// UpdateCard writes holder, state, dates and issuer, from the given state only.
	UpdateCard(ctx context.Context, c Card, from CardState) (bool, error)
	Generations(ctx context.Context, serial string) (Generations, error)
	SetGenerations(ctx context.Context, serial string, g Generations) error
	ImportedSOPIN(ctx context.Context, serial string) (ImportedSOPIN, error) // none is the zero value
	SetImportedSOPIN(ctx context.Context, serial string, v ImportedSOPIN) error

	AddCertificate(ctx context.Context, c Certificate) error // the same one again changes nothing
	Certificate(ctx context.Context, fingerprint [32]byte) (Certificate, error)
	CertificatesOf(ctx context.Context, card string) ([]Certificate, error)            // oldest act first, authentication before signing
	CertificatesIn(ctx context.Context, state CertificateState) ([]Certificate, error) // of all cards
	SetCertificate(ctx context.Context, c Certificate, from CertificateState) (bool, error)

	AddOrder(ctx context.Context, o Order) error
	FillOrder(ctx context.Context, profile, card string) (bool, error) // the profile's oldest open one
	OpenOrders(ctx context.Context) ([]Order, error)
}

// AppSecret is what is kept of an authenticator app beside the app itself.
type AppSecret struct {
	Sealed   []byte
	Tries    int       // in a row since its last good code
	WindowAt time.Time // when the window of tries began; zero when none did
}

// Authenticators keeps what is registered beside cards. Of any credential there is one that was not removed.
type Authenticators interface {
	AddAuthenticator(ctx context.Context, a Authenticator, sealed []byte) error // ErrConflict: its credential is registered
	Authenticator(ctx context.Context, id string) (Authenticator, error)
	AuthenticatorBy(ctx context.Context, credential []byte) (Authenticator, error) // not one that was removed
	AuthenticatorsOf(ctx context.Context, profile string) ([]Authenticator, error) // oldest first
	// KeepUserHandle keeps a person's user handle where none is kept, and returns the one that is.
	KeepUserHandle(ctx context.Context, profile string, handle []byte) ([]byte, error)
	// RenameAuthenticator gives one another name, unless it was removed.
	RenameAuthenticator(ctx context.Context, id, name string) (bool, error)
	// ConfirmAuthenticator makes a pending one active.
	ConfirmAuthenticator(ctx context.Context, id string) (bool, error)
	// EndAuthenticator removes one, its credential, its public key and its secret with it, unless it was removed before.
	EndAuthenticator(ctx context.Context, id string) (bool, error)
	// CountUse notes a use of an active one and its counter: from a lower counter, or without one (0 and always 0).
	CountUse(ctx context.Context, id string, counter uint32, at time.Time) (bool, error)
	AppSecret(ctx context.Context, id string) (AppSecret, error)
	// SealAgain puts another ciphertext of an app's secret in the place of one.
	SealAgain(ctx context.Context, id string, was, sealed []byte) (bool, error)
	// CountCodeTry counts one try, unless there are most in a row, or limit in a window that began after since. A window
	// begins with the first try after the one before it.
	CountCodeTry(ctx context.Context, id string, limit, most int, since, now time.Time) (bool, error)
	// TakeStep notes a use by the code of a time step above every one taken before, and forgets the tries.
	TakeStep(ctx context.Context, id string, step int64, at time.Time) (bool, error)
}

// Acts keeps acts and the handles to them.
type Acts interface {
	AddAct(ctx context.Context, a Act) error // ErrConflict: another act is open on the card
	Act(ctx context.Context, id string) (Act, error)
	OpenActOf(ctx context.Context, card string) (Act, error) // open or issued
	ActsIn(ctx context.Context, state ActState) ([]Act, error)
	UpdateAct(ctx context.Context, a Act, from ActState) (bool, error)
	AddHandle(ctx context.Context, h Handle) error
	Handle(ctx context.Context, hash []byte) (Handle, error)
	// DropHandles drops those made at or before t.
	DropHandles(ctx context.Context, t time.Time) error
}

// Handle is a one-time secret's row: of an act, or, with Act "", of an anonymous unlock.
type Handle struct {
	Hash []byte // SHA-256
	Act  string
	Bind []byte // SHA-256 of the asking browser's cookie: the pre-session's of an unlock, the session's of an act; or nil
	At   time.Time
}

// CodeState is where an unlock code is.
type CodeState string

// Only the newest code of a card is open.
const (
	CodeOpen       CodeState = "open"
	CodeUsed       CodeState = "used"
	CodeSuperseded CodeState = "superseded"
)

// Code is one unlock code as kept: salted and hashed.
type Code struct {
	Request    string
	Card       string
	Profile    string
	Handle     []byte
	Salt, Hash []byte
	Tries      int
	State      CodeState
	SentAt     time.Time
	ExpiresAt  time.Time // exclusive
}

// ResetState is where a reset act is.
type ResetState string

// A reset is opened by a redeemed code, has opened the card when one generation is known, and ends confirmed.
const (
	ResetOpen      ResetState = "open"
	ResetHasOpened ResetState = "opened"
	ResetConfirmed ResetState = "confirmed"
	ResetEnded     ResetState = "ended" // another one took its place
)

// ResetAct is a reset as kept.
type ResetAct struct {
	Token    []byte // SHA-256
	Card     string
	Profile  string
	Request  string
	AgentKey []byte
	State    ResetState
	Opened   int64     // the generation that opened the card; 0 before
	Next     int64     // the generation to set
	At       time.Time // Wall
}

// Unlocks keeps codes, their tries, and resets.
type Unlocks interface {
	// AddCode stores the code and supersedes every open one of its card.
	AddCode(ctx context.Context, c Code) error
	Code(ctx context.Context, request string) (Code, error)
	// LastSent returns when codes were sent to a profile since t, newest first.
	LastSent(ctx context.Context, profile string, since time.Time) ([]time.Time, error)
	// CountTry counts one try of an open code for this card that is not yet at its limit; false when it counted none.
	CountTry(ctx context.Context, request, card string, limit int, now time.Time) (bool, error)
	// CountCardTry counts one try of a card, unless there are limit of them since t.
	CountCardTry(ctx context.Context, card string, limit int, since, now time.Time) (bool, error)
	// CardTries is how many tries of a card there were since t and since the last code was sent to the profile that
	// was used for it.
	CardTries(ctx context.Context, card, profile string, since time.Time) (int, error)
	UseCode(ctx context.Context, request string) (bool, error)
	// EndCodes supersedes every open code that was sent to a profile.
	EndCodes(ctx context.Context, profile string) error
	// AddReset stores the reset and ends every unconfirmed one of its card.
	AddReset(ctx context.Context, r ResetAct) error
	Reset(ctx context.Context, token []byte) (ResetAct, error)
	UpdateReset(ctx context.Context, r ResetAct, from ResetState) (bool, error)
	// Stale says whether Drop has anything to do. Drop drops the codes that ended at or before day; of their cards the
	// tries at or before it that CardTries counts no more, for its holder has used a code since or the card was issued or
	// unlocked since; and resets opened at or before reset (Wall).
	Stale(ctx context.Context, day, reset time.Time) (bool, error)
	Drop(ctx context.Context, day, reset time.Time) error
}

// Result is a good proof that waits for its browser.
type Result struct {
	Hash        []byte
	Bind        []byte
	Purpose     Purpose
	Presence    []byte
	Certificate [32]byte
	Card        string
	Profile     string
	Until       time.Time // Wall, exclusive

	// Read when it is taken: the end of its presence lease, zero when that has ended, and whether Bind is a session's.
	Lease     time.Time
	OfSession bool
}

// PresenceLease is a card known to be in its reader until Until (Wall, exclusive).
type PresenceLease struct {
	Hash  []byte
	Card  string
	Until time.Time
}

// Proofs keeps what the card protocol spends.
type Proofs interface {
	AddNonce(ctx context.Context, nonce string, p Purpose, until time.Time) error
	TakeNonce(ctx context.Context, nonce string, p Purpose, now time.Time) (bool, error)
	AddResult(ctx context.Context, r Result) error
	TakeResult(ctx context.Context, hash, bind []byte, now time.Time) (Result, error) // ErrNotFound: none, late, or of another browser
	AddPresence(ctx context.Context, p PresenceLease) error
	// ExtendPresence moves the end of a lease that has not ended at now.
	ExtendPresence(ctx context.Context, hash []byte, now, until time.Time) (bool, error)
	EndPresence(ctx context.Context, hash []byte) (PresenceLease, error) // ErrNotFound
	// Spent says whether Purge has anything to do, and Purge drops what can't be used any more.
	Spent(ctx context.Context, wall time.Time) (bool, error)
	Purge(ctx context.Context, wall time.Time) error
}

// SessionRow is a session as kept. Lease is the end of its presence lease, read with it; zero when that has ended.
type SessionRow struct {
	Hash        []byte // SHA-256 of the token
	Profile     string
	Card        string
	Certificate [32]byte
	Presence    []byte
	Binding     Binding
	AuthTime    time.Time
	Seen        time.Time // last used
	Locked      bool      // left idle for too long; only a step-up goes on with it
	ExpiresAt   time.Time // exclusive
	Ended       string    // why, or ""
	Used        []Shown   // what it stands on where Card is ""
	Lease       time.Time
}

// SessionFilter chooses sessions: the fields that are set must all match.
type SessionFilter struct {
	Hash, Presence []byte
	Card, Profile  string
	Authenticator  string // only those that stand on it; with Profile
	Bound          bool   // only those that end with their card
}

// Sessions keeps sessions.
type Sessions interface {
	AddSession(ctx context.Context, s SessionRow) error
	Session(ctx context.Context, hash []byte) (SessionRow, error)
	// EndSessions ends those that have not ended and returns them.
	EndSessions(ctx context.Context, f SessionFilter, why string) ([]SessionRow, error)
	// Overdue lists up to limit unended sessions whose time or lease is over.
	Overdue(ctx context.Context, now, wall time.Time, limit int) ([]SessionRow, error)
	// WithCard lists up to limit unended sessions by card, by their hash, those after a hash; nil is from the first.
	WithCard(ctx context.Context, after []byte, limit int) ([]SessionRow, error)
	// NextExpiry is the earliest end among unended sessions, zero when there is none.
	NextExpiry(ctx context.Context) (time.Time, error)
	// SeeSession moves on when a session was last used, unless that is at or before idle or it is locked or ended.
	SeeSession(ctx context.Context, hash []byte, idle, now time.Time) (bool, error)
	// IdleSessions lists up to limit sessions, neither ended nor locked, last used at or before idle; LockSession locks
	// one that still is.
	IdleSessions(ctx context.Context, idle time.Time, limit int) ([]SessionRow, error)
	LockSession(ctx context.Context, hash []byte, idle time.Time) (bool, error)
	// Stale says whether Drop has anything to do, and Drop drops up to limit ended sessions whose time was over at t.
	Stale(ctx context.Context, t time.Time) (bool, error)
	Drop(ctx context.Context, t time.Time, limit int) error
}

// Links keeps links to mail accounts. Of one card, and of one address, at most one link is active.
type Links interface {
	AddLink(ctx context.Context, l Link) error // ErrConflict
	LinksOf(ctx context.Context, profile string) ([]Link, error)
	LinkOfAddress(ctx context.Context, address string) (Link, error) // active or suspended
	SetLink(ctx context.Context, l Link, from LinkState) (bool, error)
}

// AuditEntry is one row of the chain.
type AuditEntry struct {
	Seq     int64
	At      time.Time
	Actor   string // user id, then role and organisation if acted in one; or a word: "anonymous", "agent", "card", "system", …
	Action  string
	Subject string
	Detail  string
}

// AuditQuery asks for rows of the audit with one subject. Zero values of the other fields but Limit ask for nothing.
type AuditQuery struct {
	Subject, Actor string
	Since, Until   time.Time // both inclusive
	Before         int64     // a Seq, exclusive
	Limit          int
}

// AuditLog is append-only. Append is the last call of a transaction.
type AuditLog interface {
	Append(ctx context.Context, e AuditEntry) error
	Entries(ctx context.Context, after int64, limit int) ([]AuditEntry, error)
	// About are the rows with one subject, newest first.
	About(ctx context.Context, q AuditQuery) ([]AuditEntry, error)
	// Verify reads the whole chain and counts its rows; a *BrokenAuditError names the first bad one. VerifyAgainst also
	// finds the anchors, and returns Head, the newest point.
	Verify(ctx context.Context) (int64, error)
	VerifyAgainst(ctx context.Context, anchors []Anchor) (Anchor, error)
	Head(ctx context.Context) (Anchor, error)
}
