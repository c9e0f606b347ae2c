// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// What a store answers besides data.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("openid: not found")
	// ErrConflict: a row with that key is there already.
	ErrConflict = errors.New("openid: conflict")
)

// Store keeps what a provider must not forget. openidtest.TestStore holds one to this contract.
//
// Write runs fn in a transaction that no other Write overlaps as far as fn can tell (serializable), commits it durably
// when fn returns nil and undoes all of it otherwise. fn may run more than once, and only the last run counts. Read runs
// fn on a snapshot. A Tx is good until fn returns. Every Tx carries one Now and one Wall, whole seconds in UTC, and
// times are kept as whole seconds.
//
// Methods that change a row only from a given state report whether they did, in one statement: of any number of callers
// in any number of processes one gets true. Codes, tokens and request ids are kept as their SHA-256 only.
type Store interface {
	Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
	Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
}

// Tx is one transaction, split by noun.
type Tx struct {
	Now, Wall time.Time

	Requests   Requests
	Sessions   Sessions
	Grants     Grants
	Tokens     Tokens
	Logouts    Logouts
	Assertions Assertions
	Audit      AuditLog
}

// Requests keeps authorization requests that wait for their person.
type Requests interface {
	AddRequest(ctx context.Context, r RequestRow) error
	Request(ctx context.Context, hash []byte) (RequestRow, error)
	// TakeRequest removes one that has not ended at now (Wall) and returns it, once. ErrNotFound.
	TakeRequest(ctx context.Context, hash []byte, now time.Time) (RequestRow, error)
}

// RequestRow is an authorization request as kept.
type RequestRow struct {
	Hash    []byte
	Request Request
	Until   time.Time // Wall, exclusive
}

// Request is what a client asked for, checked.
type Request struct {
	Client      string    `json:"client"`
	RedirectURI string    `json:"redirect_uri"`
	Scopes      []string  `json:"scopes"`
	State       string    `json:"state,omitempty"`
	Nonce       string    `json:"nonce,omitempty"`
	Challenge   string    `json:"challenge,omitempty"` // PKCE, S256
	ACR         []string  `json:"acr,omitempty"`       // any of them will do; none asks for nothing
	MaxAge      *int64    `json:"max_age,omitempty"`   // seconds
	Fresh       bool      `json:"fresh,omitempty"`     // sign in for this request
	Silent      bool      `json:"silent,omitempty"`    // show nothing
	Hint        string    `json:"hint,omitempty"`      // whom the client expects, by an ID token of theirs
	Started     time.Time `json:"started"`             // Now
	Prior       string    `json:"prior,omitempty"`     // the browser's session when it asked
	Role        string    `json:"role,omitempty"`      // chosen in that session: a step-up goes on with it
	Browser     []byte    `json:"browser,omitempty"`   // SHA-256 of the cookie that the browser got with it
}

// Sessions keeps the sessions of careid that relying parties stand on.
type Sessions interface {
	// PutSession adds one, or writes the role chosen in it.
	PutSession(ctx context.Context, s SessionRow) error
	Session(ctx context.Context, id string) (SessionRow, error)
	// Over are up to limit sessions whose time is over at now (Now).
	Over(ctx context.Context, now time.Time, limit int) ([]SessionRow, error)
	// Unchecked are up to limit sessions last looked at before a time (Wall), longest ago first.
	Unchecked(ctx context.Context, before time.Time, limit int) ([]SessionRow, error)
	SetChecked(ctx context.Context, id string, at time.Time) error
	// NextExpiry is the earliest end of a session, zero when there is none.
	NextExpiry(ctx context.Context) (time.Time, error)
	// DropSession removes one with its participants and says whether it was there.
	DropSession(ctx context.Context, id string) (bool, error)

	AddParticipant(ctx context.Context, p Participant) error // the same one again changes nothing
	Participants(ctx context.Context, session string) ([]Participant, error)
}

// SessionRow is a session as kept.
type SessionRow struct {
	ID        string // careid's Session.ID, and the claim sid
	Hash      []byte // SHA-256 of its token
	Profile   string
	Role      string    // the role chosen in it, or ""
	ExpiresAt time.Time // Now, exclusive
	CheckedAt time.Time // Wall
}

// Participant is a relying party of a session, and the sid that it knows.
type Participant struct {
	Session, Client, SID string
}

// Grants keeps what was granted, with its code. A grant is never written again but to mark its code used and itself
// revoked.
type Grants interface {
	AddGrant(ctx context.Context, g GrantRow) error
	Grant(ctx context.Context, id string) (GrantRow, error)
	GrantByCode(ctx context.Context, code []byte) (GrantRow, error)
	// UseCode marks a code used that was not, has not ended at now (Wall) and whose grant is not revoked, and forgets what
	// was sealed under it: codes stay in histories and logs.
	UseCode(ctx context.Context, code []byte, now time.Time) (bool, error)
	// Revoke and RevokeOf forget what is sealed under the code and the tokens too. Revoke says whether it was not revoked before.
	Revoke(ctx context.Context, id, why string) (bool, error)
	RevokeOf(ctx context.Context, session, why string) error
}

// GrantRow is a grant as kept.
type GrantRow struct {
	ID        string
	Client    string
	Session   string
	Granted   Granted
	Code      []byte    // SHA-256
	Sealed    []byte    // the session's token, encrypted under the code; empty once that is used or the grant revoked
	CodeUntil time.Time // Wall, exclusive
	Used      bool
	Revoked   string    // why, or ""
	Until     time.Time // Wall, exclusive: no token of it lives longer
}

// Granted is what a person granted, and what is said of their sign-in.
type Granted struct {
	Profile     string    `json:"profile"`
	RedirectURI string    `json:"redirect_uri"`
	Scopes      []string  `json:"scopes"`
	Nonce       string    `json:"nonce,omitempty"`
	Challenge   string    `json:"challenge,omitempty"`
	ACR         string    `json:"acr"`
	AMR         []string  `json:"amr"`
	AAL         int       `json:"aal"`
	AuthTime    time.Time `json:"auth_time"` // Wall
	Role        string    `json:"role,omitempty"`
}

// TokenKind tells access tokens from refresh tokens.
type TokenKind string

// The two kinds.
const (
	AccessToken  TokenKind = "access"
	RefreshToken TokenKind = "refresh"
)

// Tokens keeps access and refresh tokens.
type Tokens interface {
	AddToken(ctx context.Context, t TokenRow) error
	// Token is one with the grant that it is of.
	Token(ctx context.Context, hash []byte) (TokenRow, GrantRow, error)
	// UseToken marks a refresh token used that was not and has not ended at now (Wall), and forgets what was sealed under it.
	UseToken(ctx context.Context, hash []byte, now time.Time) (bool, error)
}

// TokenRow is a token as kept.
type TokenRow struct {
	Hash   []byte // SHA-256
	Grant  string
	Kind   TokenKind
	Sealed []byte    // the session's token, encrypted under this one; empty once that is used or the grant revoked
	Until  time.Time // Wall, exclusive
	Used   bool
}

// Logouts keeps logout tokens that are still to be delivered.
type Logouts interface {
	AddLogout(ctx context.Context, l LogoutRow) error
	// DueLogouts are up to limit of a client's to be tried at now (Wall), the longest due first.
	DueLogouts(ctx context.Context, client string, now time.Time, limit int) ([]LogoutRow, error)
	// TryLogout counts one more try of a logout that had as many as it says, and sets when the next is due.
	TryLogout(ctx context.Context, l LogoutRow, next time.Time) (bool, error)
	DropLogout(ctx context.Context, id string) error
	// TakeLogouts removes those of a session that were not tried and are not due at now (Wall), and returns them.
	TakeLogouts(ctx context.Context, session string, now time.Time) ([]LogoutRow, error)
}

// LogoutRow is one relying party to be told that a session ended.
type LogoutRow struct {
	ID      string
	Session string
	Client  string
	SID     string
	Profile string
	Tries   int
	At      time.Time // Wall: the next try
	Until   time.Time // Wall: the last
}

// Assertions keeps the ids of client assertions as long as they could be used again.
type Assertions interface {
	// UseAssertion notes one and says whether it is the first.
	UseAssertion(ctx context.Context, hash []byte, until time.Time) (bool, error)
	// Stale says whether Drop has anything to do. Drop drops what can't be used any more at a time of Wall, up to limit
	// rows of a kind: assertions, requests, grants with their tokens, logouts.
	Stale(ctx context.Context, wall time.Time) (bool, error)
	Drop(ctx context.Context, wall time.Time, limit int) error
}

// AuditLog is append-only. Append is the last call of a transaction.
type AuditLog interface {
	Append(ctx context.Context, e careid.AuditEntry) error
	Entries(ctx context.Context, after int64, limit int) ([]careid.AuditEntry, error)
	// Verify reads the whole chain; its error names the first bad row.
	Verify(ctx context.Context) (int64, error)
}
