// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"slices"
)

// FinishRecovery ends a recovery with the code that was texted. UnlockOnly takes
// no password; UnlockAndReset sets the one given, by the policy of passwords,
// and ends the account's sessions. The code is checked first, so that nobody
// without it learns whether a password is or was the holder's; who has it may
// choose another password where one is refused. Refusals: mail.recovery.code,
// mail.recovery.blocked (three codes in an hour for each address),
// mail.recovery.ended, mail.recovery.outcome (it was not offered, or a password
// came with UnlockOnly), mail.password.form, mail.busy.
func (a *Accounts) FinishRecovery(ctx context.Context, token, code string, do Outcome, password []byte) error {
	p, err := a.Policy()
	if err != nil {
		return err
	}
	rec, r, err := a.answered(ctx, p, token)
	if err != nil {
		return err
	}
	if !slices.Contains(p.outcomes(r), do) || do == UnlockOnly && len(password) > 0 {
		return Rules().Refuse("mail.recovery.outcome")
	}
	if err := a.tryCode(ctx, p, rec, code); err != nil {
		return err
	}
	newHash := ""
	if do == UnlockAndReset {
		if newHash, err = a.newPassword(ctx, p, r, password); err != nil {
			return err
		}
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		return p.recovered(ctx, tx, token, rec, r, do, newHash)
	})
}

// answered is a recovery whose questions were answered, and its account.
func (a *Accounts) answered(ctx context.Context, p *Policy, token string) (rec RecoveryRecord, r AccountRecord, err error) {
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		if rec, err = p.recovery(ctx, tx, token); err != nil {
			return err
		}
		if rec.CodeHash == "" {
			return Rules().Refuse("mail.recovery.ended")
		}
		r, err = tx.Account(ctx, rec.Address)
		if err == nil && !p.recovers(r) {
			return Rules().Refuse("mail.recovery.ended")
		}
		return refuseIf(err, ErrNotFound, "mail.recovery.ended")
	})
	return rec, r, err
}

// tryCode waits for its turn to hash, counts a try and checks it. The right code
// gives the tries back.
func (a *Accounts) tryCode(ctx context.Context, p *Policy, rec RecoveryRecord, code string) error {
	release, err := a.hasher.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		return p.countTries(ctx, tx, codesOf(rec.Address))
	})
	if err != nil {
		return err
	}
	right := isOf([]byte(code), rec.CodeHash)
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if right {
			return tx.PutTries(ctx, TriesRecord{What: codesOf(rec.Address)})
		}
		return tx.Audit(ctx, rec.Address, "mail.recovery.failed", rec.Address, "code")
	})
	if err == nil && !right {
		return Rules().Refuse("mail.recovery.code")
	}
	return err
}

// recovered opens the account, once: the code goes with the recovery.
func (p *Policy) recovered(ctx context.Context, tx StoreTx, token string, checked RecoveryRecord, before AccountRecord, do Outcome, hash string) error {
	rec, err := p.recovery(ctx, tx, token)
	if err != nil {
		return err
	}
	r, err := tx.Account(ctx, rec.Address)
	if err != nil {
		return refuseIf(err, ErrNotFound, "mail.recovery.ended")
	}
	if rec.CodeHash != checked.CodeHash || !p.recovers(r) || r.PasswordHash != before.PasswordHash || r.Mobile != before.Mobile {
		return Rules().Refuse("mail.recovery.ended")
	}
	r.Wrong, r.Locked, r.Recovered = 0, false, tx.Now()
	if do == UnlockAndReset {
		if err := p.setPassword(ctx, tx, &r, hash); err != nil {
			return err
		}
		if err := tx.DeleteSessions(ctx, r.Address, nil); err != nil {
			return err
		}
	}
	if err := p.update(ctx, tx, r); err != nil {
		return err
	}
	if err := tx.PutTries(ctx, TriesRecord{What: answersOf(r.Address)}); err != nil {
		return err
	}
	if err := tx.DeleteRecovery(ctx, r.Address); err != nil {
		return err
	}
	return tx.Audit(ctx, r.Address, "mail.account.recovered", r.Address, string(do))
}
