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
	p, err := a.Policy()
	if err != nil {
		return nil, err
	}
	started := &Recovery{Token: newToken()}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		record := RecoveryRecord{Address: addressKey(address), TokenHash: tokenHash(started.Token), Expires: tx.Now().Add(p.RecoveryMax)}
		started.Expires = record.Expires
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
		again := open.Asked != "" && tx.Now().Before(open.Expires)
		if record.Asked = open.Asked; !again {
			record.Asked = joinInts(draw(len(questions), p.QuestionsAsked))
		}
		started.Questions = nil
		for _, q := range asked(questions, record.Asked) {
			started.Questions = append(started.Questions, q.Question)
		}
		if err := tx.PutRecovery(ctx, record); err != nil {
			return err
		}
		if again || questions[0].AnswerHash == "" {
			return nil // a stranger must not fill the audit, with nobody's address or by beginning again
		}
		return tx.Audit(ctx, record.Address, "mail.recovery.started", record.Address, "")
	})
	if err != nil {
		return nil, err
	}
	return started, nil
}

// asked are the questions at the positions that a recovery asks.
func asked(questions []AnswerRecord, positions string) []AnswerRecord {
	var chosen []AnswerRecord
	for _, i := range splitInts(positions) {
		if i < len(questions) {
			chosen = append(chosen, questions[i])
		}
	}
	return chosen
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
	p, err := a.Policy()
	if err != nil {
		return nil, err
	}
	r, code, hash, err := a.tryAnswers(ctx, p, token, answers, lastDigits)
	if err != nil {
		return nil, err
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if hash != "" {
			return a.sendCode(ctx, tx, p, token, r, hash)
		}
		if p.recovers(r) {
			return tx.Audit(ctx, r.Address, "mail.recovery.failed", r.Address, "answers")
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case hash == "":
		return nil, Rules().Refuse("mail.recovery.answers")
	}
	a.queueText(r.Mobile, "Your one-time code to open "+r.Address+" is below. If you did not ask for it, tell your help desk.", code, r.Address)
	return p.outcomes(r), nil
}

// tryAnswers waits for its turn to hash, counts a try and checks it. It returns
// the account that it was checked against, and a code with its hash where all was
// right; hash is empty otherwise.
func (a *Accounts) tryAnswers(ctx context.Context, p *Policy, token string, answers []string, lastDigits string) (r AccountRecord, code, hash string, err error) {
	release, err := a.hasher.slot(ctx)
	if err != nil {
		return r, "", "", err
	}
	defer release()
	r, questions, err := a.countAnswers(ctx, p, token)
	if err != nil {
		return r, "", "", err
	}
	right := allMatch(answers, questions)
	digits := r.Mobile[max(0, len(r.Mobile)-4):]
	right = subtle.ConstantTimeCompare([]byte(lastDigits), []byte(digits)) == 1 && len(digits) == 4 && right
	code = newCode(p.CodeDigits)
	hash = hashOf([]byte(code)) // also where it is not needed, to take as long
	if !right {
		return r, "", "", nil
	}
	return r, code, hash, nil
}

// countAnswers counts a try in advance, and returns the account, which may be
// nobody's, and what it is asked.
func (a *Accounts) countAnswers(ctx context.Context, p *Policy, token string) (r AccountRecord, questions []AnswerRecord, err error) {
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		rec, err := p.recovery(ctx, tx, token)
		if err != nil {
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
		all, err := a.questionsOf(ctx, tx, p, rec.Address)
		questions = asked(all, rec.Asked)
		return err
	})
	return r, questions, err
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

// allMatch compares each answer with its hash, in turn and none left out. A
// question without a hash has no right answer.
func allMatch(answers []string, questions []AnswerRecord) bool {
	right := len(answers) == len(questions) && len(questions) > 0
	for i, q := range questions {
		answer := ""
		if i < len(answers) {
			answer = answers[i]
		}
		same := isOf([]byte(answer), q.AnswerHash)
		right = right && same
	}
	return right
}

// recovery finds an open recovery by its token.
func (p *Policy) recovery(ctx context.Context, tx StoreTx, token string) (RecoveryRecord, error) {
	rec, err := tx.Recovery(ctx, tokenHash(token))
	if err == nil && !tx.Now().Before(rec.Expires) {
		err = ErrNotFound
	}
	return rec, refuseIf(err, ErrNotFound, "mail.recovery.ended")
}
