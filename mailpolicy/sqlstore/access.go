// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (t tx) KeepPassword(ctx context.Context, address, hash string, most int) error {
	var turn int64
	if err := t.QueryRowContext(ctx, "SELECT coalesce(max(turn), 0) + 1 FROM mail_password WHERE address = $1", address).Scan(&turn); err != nil {
		return err
	}
	if err := t.insert(ctx, "INSERT INTO mail_password (address, turn, hash) VALUES ($1, $2, $3)", address, turn, hash); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, "DELETE FROM mail_password WHERE address = $1 AND turn <= $2", address, turn-int64(most))
	return err
}

func (t tx) Passwords(ctx context.Context, address string) ([]string, error) {
	scan := func(row scanner) (hash string, err error) {
		err = row.Scan(&hash)
		return hash, err
	}
	return all(ctx, t, scan, "SELECT hash FROM mail_password WHERE address = $1 ORDER BY turn DESC", address)
}

func (t tx) ReplaceAnswers(ctx context.Context, address string, answers []mailpolicy.AnswerRecord) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mail_answer WHERE address = $1", address); err != nil {
		return err
	}
	for i, a := range answers {
		if err := t.insert(ctx, "INSERT INTO mail_answer (address, position, question, answer_hash, places, places_hash) VALUES ($1, $2, $3, $4, $5, $6)",
			address, int64(i), a.Question, a.AnswerHash, a.Places, a.PlacesHash); err != nil {
			return err
		}
	}
	return nil
}

func (t tx) Answers(ctx context.Context, address string) ([]mailpolicy.AnswerRecord, error) {
	scan := func(row scanner) (a mailpolicy.AnswerRecord, err error) {
		err = row.Scan(&a.Question, &a.AnswerHash, &a.Places, &a.PlacesHash)
		return a, err
	}
	return all(ctx, t, scan, "SELECT question, answer_hash, places, places_hash FROM mail_answer WHERE address = $1 ORDER BY position", address)
}

func (t tx) InsertSession(ctx context.Context, s mailpolicy.SessionRecord) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mail_session WHERE expires <= $1", t.Now().Unix()); err != nil {
		return err
	}
	return t.insert(ctx, "INSERT INTO mail_session (token_hash, address, expires, private) VALUES ($1, $2, $3, $4)",
		s.TokenHash, s.Address, s.Expires.Unix(), s.Private)
}

func (t tx) Session(ctx context.Context, tokenHash []byte) (mailpolicy.SessionRecord, error) {
	s := mailpolicy.SessionRecord{TokenHash: tokenHash}
	var expires int64
	err := t.QueryRowContext(ctx, "SELECT address, expires, private FROM mail_session WHERE token_hash = $1", tokenHash).
		Scan(&s.Address, &expires, &s.Private)
	if err != nil {
		return mailpolicy.SessionRecord{}, missing(err)
	}
	s.Expires = at(expires)
	return s, nil
}

func (t tx) DeleteSession(ctx context.Context, tokenHash []byte) error {
	_, err := t.ExecContext(ctx, "DELETE FROM mail_session WHERE token_hash = $1", tokenHash)
	return err
}

// DeleteSessions compares with an empty hash where none is to stay: no session
// has that.
func (t tx) DeleteSessions(ctx context.Context, address string, but []byte) error {
	if but == nil {
		but = []byte{}
	}
	_, err := t.ExecContext(ctx, "DELETE FROM mail_session WHERE address = $1 AND token_hash <> $2", address, but)
	return err
}

func (t tx) SetPrivate(ctx context.Context, tokenHash []byte, private bool) error {
	return t.changed(ctx, "UPDATE mail_session SET private = $2 WHERE token_hash = $1", tokenHash, private)
}

func (t tx) PutRecovery(ctx context.Context, r mailpolicy.RecoveryRecord) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mail_recovery WHERE expires <= $1", t.Now().Unix()); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, `INSERT INTO mail_recovery (address, token_hash, asked, code_hash, expires) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (address) DO UPDATE SET token_hash = $2, asked = $3, code_hash = $4, expires = $5`,
		r.Address, r.TokenHash, r.Asked, r.CodeHash, r.Expires.Unix())
	return err
}

const selectRecovery = "SELECT address, token_hash, asked, code_hash, expires FROM mail_recovery"

func scanRecovery(row scanner) (r mailpolicy.RecoveryRecord, err error) {
	var expires int64
	err = row.Scan(&r.Address, &r.TokenHash, &r.Asked, &r.CodeHash, &expires)
	r.Expires = at(expires)
	return r, err
}

func (t tx) Recovery(ctx context.Context, tokenHash []byte) (mailpolicy.RecoveryRecord, error) {
	return one(t.QueryRowContext(ctx, selectRecovery+" WHERE token_hash = $1", tokenHash), scanRecovery)
}

func (t tx) RecoveryOf(ctx context.Context, address string) (mailpolicy.RecoveryRecord, error) {
	return one(t.QueryRowContext(ctx, selectRecovery+" WHERE address = $1", address), scanRecovery)
}

func (t tx) DeleteRecovery(ctx context.Context, address string) error {
	_, err := t.ExecContext(ctx, "DELETE FROM mail_recovery WHERE address = $1", address)
	return err
}

func (t tx) PutTries(ctx context.Context, r mailpolicy.TriesRecord) error {
	if _, err := t.ExecContext(ctx, "DELETE FROM mail_tries WHERE until <= $1", t.Wall().Unix()); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, `INSERT INTO mail_tries (what, count, until) VALUES ($1, $2, $3)
		ON CONFLICT (what) DO UPDATE SET count = $2, until = $3`, r.What, int64(r.Count), unix(r.Until))
	return err
}

func (t tx) Tries(ctx context.Context, what string) (mailpolicy.TriesRecord, error) {
	r := mailpolicy.TriesRecord{What: what}
	var until int64
	err := missing(t.QueryRowContext(ctx, "SELECT count, until FROM mail_tries WHERE what = $1", what).Scan(&r.Count, &until))
	if err == mailpolicy.ErrNotFound {
		return r, nil
	}
	r.Until = maybeAt(until)
	return r, err
}
