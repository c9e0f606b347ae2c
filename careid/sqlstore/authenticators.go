// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

const (
	insertAuthenticator = `INSERT INTO careid_authenticator
		(id, profile, kind, name, credential, state, registered_at, registered_by, last_used, sealed, public_key, aaguid, attested, counter)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	selectAuthenticator = `SELECT id, profile, kind, name, credential, state, registered_at, registered_by, last_used,
		public_key, aaguid, attested, counter FROM careid_authenticator`
	endAuthenticator = `UPDATE careid_authenticator SET state = 'removed', credential = NULL, sealed = NULL, public_key = NULL
		WHERE id = $1 AND state <> 'removed'`
	// The row that is there is written as it stands, so that one statement returns it whoever came first.
	keepUserHandle = `INSERT INTO careid_user_handle (profile, handle) VALUES ($1, $2)
		ON CONFLICT (profile) DO UPDATE SET handle = careid_user_handle.handle RETURNING handle`
	countUse = `UPDATE careid_authenticator SET counter = $2, last_used = $3
		WHERE id = $1 AND state = 'active' AND (counter < $2 OR counter = 0 AND $2 = 0)`
	countCodeTry = `UPDATE careid_authenticator SET tries = tries + 1,
		window_tries = CASE WHEN window_at > $4 THEN window_tries + 1 ELSE 1 END,
		window_at = CASE WHEN window_at > $4 THEN window_at ELSE $5 END
		WHERE id = $1 AND state <> 'removed' AND tries < $3 AND (window_at <= $4 OR window_tries < $2)`
	takeStep = `UPDATE careid_authenticator SET last_step = $2, last_used = $3, tries = 0, window_at = 0, window_tries = 0
		WHERE id = $1 AND state <> 'removed' AND last_step < $2`
)

type authenticators struct{ queries }

func scanAuthenticator(row scanner) (v careid.Authenticator, err error) {
	var registered, used int64
	var aaguid []byte
	err = row.Scan(&v.ID, &v.Profile, &v.Kind, &v.Name, &v.Credential, &v.State, &registered, &v.RegisteredBy, &used,
		&v.Key.Public, &aaguid, &v.Key.Attested, &v.Key.Counter)
	copy(v.Key.AAGUID[:], aaguid)
	v.RegisteredAt, v.LastUsed = fromUnix(registered), fromUnix(used)
	return v, err
}

func (a authenticators) AddAuthenticator(ctx context.Context, v careid.Authenticator, sealed []byte) error {
	return a.added(ctx, insertAuthenticator, v.ID, v.Profile, string(v.Kind), v.Name, orNull(v.Credential), string(v.State),
		unix(v.RegisteredAt), v.RegisteredBy, unix(v.LastUsed), orNull(sealed), orNull(v.Key.Public), v.Key.AAGUID[:], v.Key.Attested,
		int64(v.Key.Counter))
}

// orNull is NULL for no bytes: drivers differ in what a nil slice is.
func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func (a authenticators) Authenticator(ctx context.Context, id string) (careid.Authenticator, error) {
	return one(ctx, a.queries, scanAuthenticator, selectAuthenticator+" WHERE id = $1", id)
}

func (a authenticators) AuthenticatorBy(ctx context.Context, credential []byte) (careid.Authenticator, error) {
	return one(ctx, a.queries, scanAuthenticator, selectAuthenticator+" WHERE credential = $1", credential)
}

func (a authenticators) AuthenticatorsOf(ctx context.Context, profile string) ([]careid.Authenticator, error) {
	return all(ctx, a.queries, scanAuthenticator, selectAuthenticator+" WHERE profile = $1 ORDER BY registered_at, id", profile)
}

func (a authenticators) KeepUserHandle(ctx context.Context, profile string, handle []byte) ([]byte, error) {
	scan := func(row scanner) (kept []byte, err error) { err = row.Scan(&kept); return kept, err }
	return one(ctx, a.queries, scan, keepUserHandle, profile, handle)
}

func (a authenticators) RenameAuthenticator(ctx context.Context, id, name string) (bool, error) {
	return a.changed(ctx, "UPDATE careid_authenticator SET name = $2 WHERE id = $1 AND state <> 'removed'", id, name)
}

func (a authenticators) ConfirmAuthenticator(ctx context.Context, id string) (bool, error) {
	return a.changed(ctx, "UPDATE careid_authenticator SET state = 'active' WHERE id = $1 AND state = 'pending'", id)
}

func (a authenticators) EndAuthenticator(ctx context.Context, id string) (bool, error) {
	return a.changed(ctx, endAuthenticator, id)
}

func (a authenticators) CountUse(ctx context.Context, id string, counter uint32, at time.Time) (bool, error) {
	return a.changed(ctx, countUse, id, int64(counter), unix(at))
}

func (a authenticators) AppSecret(ctx context.Context, id string) (careid.AppSecret, error) {
	scan := func(row scanner) (v careid.AppSecret, err error) {
		var window int64
		err = row.Scan(&v.Sealed, &v.Tries, &window)
		v.WindowAt = fromUnix(window)
		return v, err
	}
	return one(ctx, a.queries, scan, "SELECT sealed, tries, window_at FROM careid_authenticator WHERE id = $1", id)
}

func (a authenticators) SealAgain(ctx context.Context, id string, was, sealed []byte) (bool, error) {
	return a.changed(ctx, "UPDATE careid_authenticator SET sealed = $3 WHERE id = $1 AND sealed = $2", id, was, sealed)
}

func (a authenticators) CountCodeTry(ctx context.Context, id string, limit, most int, since, now time.Time) (bool, error) {
	return a.changed(ctx, countCodeTry, id, limit, most, unix(since), unix(now))
}

func (a authenticators) TakeStep(ctx context.Context, id string, step int64, at time.Time) (bool, error) {
	return a.changed(ctx, takeStep, id, step, unix(at))
}

// usedText is what a session without a card stands on, as kept: JSON, or "" for nothing.
func usedText(used []careid.Shown) (string, error) {
	if len(used) == 0 {
		return "", nil
	}
	text, err := json.Marshal(used)
	return string(text), err
}

func usedFrom(text string) ([]careid.Shown, error) {
	if text == "" {
		return nil, nil
	}
	var used []careid.Shown
	if err := json.Unmarshal([]byte(text), &used); err != nil {
		return nil, fmt.Errorf("sqlstore: what a session stands on: %w", err)
	}
	return used, nil
}
