// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"time"
)

// Outcome is what a recovery does in the end.
type Outcome string

const (
	// UnlockOnly opens a locked account and keeps its password.
	UnlockOnly Outcome = "unlock"
	// UnlockAndReset sets a new password, and opens the account if it is locked.
	UnlockAndReset Outcome = "unlock-and-reset"
)

// Recovery is a recovery under way.
type Recovery struct {
	// Token is the secret of who began it, for the calls that follow, until
	// Expires (exclusive).
	Token   string
	Expires time.Time
	// Questions are those to be answered, in order.
	Questions []string
}

// StartRecovery begins what the portal calls Unlock Account or Forgotten
// Password: it returns some of the account's security questions, drawn at
// random. While a recovery is open the same ones are asked again, and the token
// before is dead.
//
// Security questions are the older published rule, which newer guidance drops.
// Here they, and the last four digits of the mobile number, only start a
// recovery: it ends with a code that is texted to that number
// (FinishRecovery).
//
// An address that has no account, or one that can't recover itself (not
// activated, no questions, no mobile number, disabled or deleted), gets
// questions too, and answers to them are wrong. The holder's own questions can
// be told from those; that they are shown to whoever knows the address is how
// the published procedure works. Whoever knows an address can also use up its
// tries, or begin anew while its holder answers: the help desk is there for
// that. Refusals: mail.recovery.blocked.
func (a *Accounts) StartRecovery(ctx context.Context, address string) (*Recovery, error) {
	p, err := a.policy()
	if err != nil {
		return nil, err
	}
	started := &Recovery{Token: newToken()}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		record := RecoveryRecord{Address: addressKey(address), TokenHash: tokenHash(started.Token), Expires: tx.Now().Add(p.RecoveryMax)}
		for _, what := range []string{answersOf(record.Address), codesOf(record.Address)} {
			if err := p.tryLeft(ctx, tx, what); err != nil {
				return err
			}
		}
		questions, err := a.questionsOf(ctx, tx, p, record.Address)
		if err != nil {
			return err
		}
		open, err := tx.RecoveryOf(ctx, record.Address)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if record.Asked = open.Asked; record.Asked == "" || !tx.Now().Before(open.Expires) {
			record.Asked = joinInts(draw(len(questions), p.QuestionsAsked))
		}
		started.Questions, started.Expires = nil, record.Expires
		for _, i := range splitInts(record.Asked) {
			if i < len(questions) {
				started.Questions = append(started.Questions, questions[i].Question)
			}
		}
		if err := tx.PutRecovery(ctx, record); err != nil {
			return err
		}
		if questions[0].AnswerHash == "" {
			return nil // a stranger must not fill the audit with addresses of nobody
		}
		return tx.Audit(ctx, record.Address, "mail.recovery.started", record.Address, "")
	})
	if err != nil {
		return nil, err
	}
	return started, nil
}

// questionsOf are the questions of an account that can recover itself, or
// others, without a hash, that are always the same for an address.
func (a *Accounts) questionsOf(ctx context.Context, tx StoreTx, p *Policy, address string) ([]AnswerRecord, error) {
	r, err := tx.Account(ctx, address)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if err == nil && p.recovers(r) {
		answers, err := tx.Answers(ctx, address)
		if err != nil || len(answers) > 0 {
			return answers, err
		}
	}
	sum := hmac.New(sha256.New, a.decoys)
	_, _ = sum.Write([]byte(address)) // never fails
	order := sum.Sum(nil)
	questions := slices.Clone(usualQuestions[:])
	slices.SortStableFunc(questions, func(x, y AnswerRecord) int {
		return int(order[slices.Index(usualQuestions[:], x)]) - int(order[slices.Index(usualQuestions[:], y)])
	})
	return questions[:min(p.Questions, len(questions))], nil
}

// usualQuestions are what people choose.
var usualQuestions = [...]AnswerRecord{
	{Question: "What was the name of your first pet?"},
	{Question: "What was the name of your first school?"},
	{Question: "In which street did you grow up?"},
	{Question: "In which town were your parents married?"},
	{Question: "What was the make of your first car?"},
	{Question: "What is the name of your oldest cousin?"},
}

// recovers reports whether the holder of an account can recover it alone.
func (p *Policy) recovers(r AccountRecord) bool {
	switch p.state(r) {
	case Active, Leaver, Locked, Inactive, Activated:
		return r.Activation == ActivationDone && r.QuestionsSet && r.Mobile != ""
	}
	return false
}

// AnswerRecovery takes the answers to the questions of a recovery, in their
// order and exactly as they were set, and the last four digits of the mobile
// number. If all are right a one-time code is texted to that number, and the
// outcomes that may be chosen are returned: UnlockOnly is among them only where
// the account is locked (Account.ShowUnlock). Refusals: mail.recovery.answers,
// which does not say what was wrong, mail.recovery.blocked (three tries in an
// hour, right or wrong, for each address), mail.recovery.ended, mail.busy.
func (a *Accounts) AnswerRecovery(ctx context.Context, token string, answers []string, lastDigits string) ([]Outcome, error) {
	p, err := a.policy()
	if err != nil {
		return nil, err
	}
	var rec RecoveryRecord
	var r AccountRecord
	var hashes []string
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if rec, err = p.recovery(ctx, tx, token); err != nil {
			return err
		}
		if rec.CodeHash != "" {
			return Rules().Refuse("mail.recovery.ended")
		}
		if err := p.countTries(ctx, tx, answersOf(rec.Address)); err != nil {
			return err
		}
		if r, err = tx.Account(ctx, rec.Address); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		hashes, err = a.askedHashes(ctx, tx, p, rec)
		return err
	})
	if err != nil {
		return nil, err
	}
	right, err := a.allMatch(ctx, answers, hashes)
	if err != nil {
		return nil, err
	}
	if known := r.Mobile[max(0, len(r.Mobile)-4):]; subtle.ConstantTimeCompare([]byte(lastDigits), []byte(known)) != 1 || len(known) != 4 {
		right = false
	}
	code := newCode(p.CodeDigits)
	hash, err := a.hasher.hash(ctx, []byte(code)) // also where it is not needed, to take as long
	if err != nil {
		return nil, err
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if right {
			return a.sendCode(ctx, tx, p, token, r, hash)
		}
		if p.recovers(r) {
			if err := tx.Audit(ctx, rec.Address, "mail.recovery.failed", rec.Address, "answers"); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !right:
		return nil, Rules().Refuse("mail.recovery.answers")
	}
	a.queueText(r.Mobile, "Your one-time code to open "+r.Address+" is below. If you did not ask for it, tell your help desk.", code, r.Address)
	return p.outcomes(r), nil
}

func (p *Policy) outcomes(r AccountRecord) []Outcome {
	if p.view(r).ShowUnlock() {
		return []Outcome{UnlockAndReset, UnlockOnly}
	}
	return []Outcome{UnlockAndReset}
}

// sendCode keeps the hash of a code, where nothing has changed since the answers
// were checked.
func (a *Accounts) sendCode(ctx context.Context, tx StoreTx, p *Policy, token string, checked AccountRecord, hash string) error {
	rec, err := p.recovery(ctx, tx, token)
	if err != nil {
		return err
	}
	r, err := tx.Account(ctx, rec.Address)
	if err != nil {
		return refuseIf(err, ErrNotFound, "mail.recovery.ended")
	}
	if rec.CodeHash != "" || !p.recovers(r) || r.Mobile != checked.Mobile {
		return Rules().Refuse("mail.recovery.ended")
	}
	rec.CodeHash, rec.Expires = hash, tx.Now().Add(p.CodeMax)
	if err := tx.PutRecovery(ctx, rec); err != nil {
		return err
	}
	return tx.Audit(ctx, rec.Address, "mail.recovery.answered", rec.Address, "")
}

// askedHashes are the hashes of the answers that a recovery asks for, empty
// where there is nothing to be right about.
func (a *Accounts) askedHashes(ctx context.Context, tx StoreTx, p *Policy, rec RecoveryRecord) ([]string, error) {
	questions, err := a.questionsOf(ctx, tx, p, rec.Address)
	if err != nil {
		return nil, err
	}
	var hashes []string
	for _, i := range splitInts(rec.Asked) {
		hash := ""
		if i < len(questions) {
			hash = questions[i].AnswerHash
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// allMatch compares each answer with its hash, in turn and none left out.
func (a *Accounts) allMatch(ctx context.Context, answers, hashes []string) (bool, error) {
	right := len(answers) == len(hashes) && len(hashes) > 0
	for i, hash := range hashes {
		answer := ""
		if i < len(answers) {
			answer = answers[i]
		}
		same, err := a.hasher.matches(ctx, []byte(answer), hash)
		if err != nil {
			return false, err
		}
		right = right && same
	}
	return right, nil
}

// FinishRecovery ends a recovery with the code that was texted. UnlockOnly takes
// no password; UnlockAndReset sets the one given, by the policy of passwords,
// and ends the account's sessions. Refusals: mail.recovery.code,
// mail.recovery.blocked (three codes in an hour for each address),
// mail.recovery.ended, mail.recovery.outcome (it was not offered, or a password
// came with UnlockOnly), mail.password.form, mail.busy.
func (a *Accounts) FinishRecovery(ctx context.Context, token, code string, do Outcome, password []byte) error {
	p, err := a.policy()
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
	var newHash string
	if do == UnlockAndReset {
		if newHash, err = a.newPassword(ctx, p, r, password); err != nil {
			return err
		}
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		return p.countTries(ctx, tx, codesOf(rec.Address))
	})
	if err != nil {
		return err
	}
	right, err := a.hasher.matches(ctx, []byte(code), rec.CodeHash)
	if err != nil {
		return err
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if !right {
			return tx.Audit(ctx, rec.Address, "mail.recovery.failed", rec.Address, "code")
		}
		return p.recovered(ctx, tx, token, rec, r, do, newHash)
	})
	if err == nil && !right {
		return Rules().Refuse("mail.recovery.code")
	}
	return err
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
	}
	if err := p.update(ctx, tx, r); err != nil {
		return err
	}
	if do == UnlockAndReset {
		if err := tx.DeleteSessions(ctx, r.Address, nil); err != nil {
			return err
		}
	}
	for _, what := range []string{answersOf(r.Address), codesOf(r.Address)} {
		if err := tx.PutTries(ctx, TriesRecord{What: what}); err != nil {
			return err
		}
	}
	if err := tx.DeleteRecovery(ctx, r.Address); err != nil {
		return err
	}
	return tx.Audit(ctx, r.Address, "mail.account.recovered", r.Address, string(do))
}

// recovery finds an open recovery by its token.
func (p *Policy) recovery(ctx context.Context, tx StoreTx, token string) (RecoveryRecord, error) {
	rec, err := tx.Recovery(ctx, tokenHash(token))
	if err == nil && !tx.Now().Before(rec.Expires) {
		err = ErrNotFound
	}
	return rec, refuseIf(err, ErrNotFound, "mail.recovery.ended")
}
