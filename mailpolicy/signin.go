// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wardkey-sdk/wardkey"
)

// PortalSession is a sign-in to the mail portal.
type PortalSession struct {
	// Token is the holder's secret, good for the calls of Accounts that take a
	// token until Expires (exclusive).
	Token   string
	Expires time.Time
	// Account says which steps of the first login are still to do.
	Account Account
}

// SignIn checks an address and a password, exactly as typed: nothing is
// trimmed or folded. An activation password signs in once; what follows is
// ChangePassword, SetQuestions and AcceptPolicy, in any order.
//
// Refusals: mail.password.wrong (also for an address that has no account, after
// a hash as costly), mail.activation.used, mail.account.locked,
// mail.account.disabled, mail.account.deleted, mail.shared.password, mail.busy.
// Whoever tries an address until it locks learns that it has an account, and that
// one is disabled or deleted is said before its password is asked for; the holder
// is told what to do instead. Where the account was unlocked or reset within ResetRecent, the
// refusals mail.password.wrong and mail.account.locked begin with a checklist of
// four steps; a guesser can see by it that there was a reset.
//
// A try is counted before the password is checked, so that tries at once count
// all; the last one that the policy allows locks the account unless it is
// right. Locking by others' guesses is possible and ends with Unlock; it does
// not touch a Care Identity.
func (a *Accounts) SignIn(ctx context.Context, address string, password []byte) (*PortalSession, error) {
	p, err := a.Policy()
	if err != nil {
		return nil, err
	}
	record, right, err := a.try(ctx, p, addressKey(address), password)
	switch {
	case err != nil:
		return nil, err
	case !right:
		return nil, p.afterReset(record, Rules().Refuse("mail.password.wrong"))
	}
	return a.openSession(ctx, p, record)
}

// try waits for its turn to hash before it counts: a try that was given up
// because the service is busy has told nobody anything and counts for nothing.
func (a *Accounts) try(ctx context.Context, p *Policy, address string, password []byte) (AccountRecord, bool, error) {
	release, err := a.hasher.slot(ctx)
	if err != nil {
		return AccountRecord{}, false, err
	}
	defer release()
	record, err := a.countTry(ctx, p, address)
	if err != nil && wardkey.RuleOf(err) != "mail.password.wrong" {
		return AccountRecord{}, false, err
	}
	right := isOf(password, record.PasswordHash)
	return record, right && err == nil, nil
}

// countTry counts one wrong password in advance and returns the account as it
// was checked.
func (a *Accounts) countTry(ctx context.Context, p *Policy, address string) (AccountRecord, error) {
	var r AccountRecord
	err := a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		var err error
		if r, err = tx.Account(ctx, address); err != nil {
			if _, sharedErr := tx.Shared(ctx, address); sharedErr == nil {
				return Rules().Refuse("mail.shared.password")
			}
			return refuseIf(err, ErrNotFound, "mail.password.wrong")
		}
		switch state := p.state(r); {
		case state == Removed:
			r = AccountRecord{}
			return Rules().Refuse("mail.password.wrong")
		case state == Locked:
			return p.afterReset(r, p.refusal(r))
		case !state.Can(SignIn):
			return p.refusal(r)
		}
		r.Wrong++
		action := "mail.signin.tried"
		if r.Wrong >= p.LockAfter {
			r.Locked, action = true, "mail.account.locked"
		}
		if err := p.update(ctx, tx, r); err != nil {
			return err
		}
		return tx.Audit(ctx, address, action, address, fmt.Sprintf("try %d", r.Wrong))
	})
	return r, err
}

// openSession takes back the counted try and opens a session, if the password
// that was checked is still the account's.
func (a *Accounts) openSession(ctx context.Context, p *Policy, checked AccountRecord) (*PortalSession, error) {
	s := &PortalSession{Token: newToken()}
	var used bool
	err := a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := tx.Account(ctx, checked.Address)
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.password.wrong")
		}
		if r.PasswordHash != checked.PasswordHash {
			return Rules().Refuse("mail.password.wrong")
		}
		if state := p.state(r); state != Locked && !state.Can(SignIn) || r.Locked && r.Wrong > checked.Wrong {
			return p.refusal(r)
		}
		r.Wrong, r.Locked = 0, false
		if used = r.Activation == ActivationUsed; used {
			return p.update(ctx, tx, r)
		}
		r.Used, r.Inactive = tx.Now(), time.Time{}
		action := "mail.signed.in"
		if r.Activation == ActivationSent {
			r.Activation, action = ActivationUsed, "mail.activation.used"
		}
		if err := p.update(ctx, tx, r); err != nil {
			return err
		}
		s.Account, s.Expires = p.view(r), tx.Now().Add(p.SessionMax)
		if err := tx.InsertSession(ctx, SessionRecord{TokenHash: tokenHash(s.Token), Address: r.Address, Expires: s.Expires}); err != nil {
			return err
		}
		return tx.Audit(ctx, r.Address, action, r.Address, "")
	})
	if err != nil {
		return nil, err
	}
	if used {
		return nil, Rules().Refuse("mail.activation.used")
	}
	return s, nil
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Session returns the account that a token is signed in to, or the Refusal
// mail.session.
func (a *Accounts) Session(ctx context.Context, token string) (Account, error) {
	p, r, err := a.session(ctx, token)
	if err != nil {
		return Account{}, err
	}
	return p.view(r), nil
}

func (a *Accounts) session(ctx context.Context, token string) (*Policy, AccountRecord, error) {
	p, err := a.Policy()
	if err != nil {
		return nil, AccountRecord{}, err
	}
	var r AccountRecord
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err = p.signedIn(ctx, tx, token)
		return err
	})
	return p, r, err
}

// SignOut ends the session of a token. The account's others go on. Refusal:
// mail.session (it was over already).
func (a *Accounts) SignOut(ctx context.Context, token string) error {
	return a.change(ctx, token, "mail.signed.out", func(ctx context.Context, tx StoreTx, _ *AccountRecord) error {
		return tx.DeleteSession(ctx, tokenHash(token))
	})
}

// SignOutEverywhere ends all the sessions of the account that token is signed in
// to. Refusal: mail.session.
func (a *Accounts) SignOutEverywhere(ctx context.Context, token string) error {
	return a.change(ctx, token, "mail.signed.out.everywhere", func(ctx context.Context, tx StoreTx, r *AccountRecord) error {
		return tx.DeleteSessions(ctx, r.Address, nil)
	})
}

func (p *Policy) signedIn(ctx context.Context, tx StoreTx, token string) (AccountRecord, error) {
	s, err := tx.Session(ctx, tokenHash(token))
	if err != nil {
		return AccountRecord{}, refuseIf(err, ErrNotFound, "mail.session")
	}
	if !tx.Now().Before(s.Expires) {
		return AccountRecord{}, Rules().Refuse("mail.session")
	}
	r, err := tx.Account(ctx, s.Address)
	if err != nil {
		return AccountRecord{}, refuseIf(err, ErrNotFound, "mail.session")
	}
	// Whoever is signed in stays so when others' guesses lock the account.
	if state := p.state(r); state != Locked && !state.Can(SignIn) {
		return AccountRecord{}, p.refusal(r)
	}
	return r, nil
}

// change runs fn on the account of a session, keeps what it changed and audits
// it.
func (a *Accounts) change(ctx context.Context, token, action string, fn func(context.Context, StoreTx, *AccountRecord) error) error {
	p, err := a.Policy()
	if err != nil {
		return err
	}
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		r, err := p.signedIn(ctx, tx, token)
		if err != nil {
			return err
		}
		if err := fn(ctx, tx, &r); err != nil {
			return err
		}
		if err := p.update(ctx, tx, r); err != nil {
			return err
		}
		return tx.Audit(ctx, r.Address, action, r.Address, "")
	})
}

// ChangePassword sets the holder's own password and ends the account's other
// sessions and a recovery that is under way. It must not be the one in force, so an activation password never
// becomes the lasting one. The password in force is not asked for again: a
// portal asks for it by SignIn first, where the session is not fresh. None of the
// holder's latest passwords is taken again. Refusals: mail.session,
// mail.password.form, mail.busy.
func (a *Accounts) ChangePassword(ctx context.Context, token string, password []byte) error {
	p, before, err := a.session(ctx, token)
	if err != nil {
		return err
	}
	hash, err := a.newPassword(ctx, p, before, password)
	if err != nil {
		return err
	}
	return a.change(ctx, token, "mail.password.changed", func(ctx context.Context, tx StoreTx, r *AccountRecord) error {
		if r.PasswordHash != before.PasswordHash {
			return Rules().Refuse("mail.session") // changed at the same time elsewhere
		}
		if err := p.setPassword(ctx, tx, r, hash); err != nil {
			return err
		}
		return errors.Join(tx.DeleteSessions(ctx, r.Address, tokenHash(token)), tx.DeleteRecovery(ctx, r.Address))
	})
}

// Question is a security question and its answer, in the holder's words.
type Question struct{ Question, Answer string }

// SetQuestions sets the holder's security questions, and ends a recovery by those
// before. They are part of the first
// login by the older published rule, which newer guidance drops, and open
// nothing by themselves: there is no call that signs in, unlocks or resets by
// answers alone. Refusals: mail.session,
// mail.questions.form, mail.busy.
func (a *Accounts) SetQuestions(ctx context.Context, token string, questions []Question) error {
	p, before, err := a.session(ctx, token)
	if err != nil {
		return err
	}
	if no := p.checkQuestions(questions); no != nil {
		return no
	}
	records := make([]AnswerRecord, len(questions))
	for i, q := range questions {
		hash, err := a.hasher.hash(ctx, []byte(q.Answer))
		if err != nil {
			return err
		}
		records[i], err = a.withPlaces(ctx, before.Address, q, AnswerRecord{Question: q.Question, AnswerHash: hash})
		if err != nil {
			return err
		}
	}
	return a.change(ctx, token, "mail.questions.set", func(ctx context.Context, tx StoreTx, r *AccountRecord) error {
		r.QuestionsSet = true
		return errors.Join(tx.ReplaceAnswers(ctx, r.Address, records), tx.DeleteRecovery(ctx, r.Address))
	})
}

// checkQuestions applies the published form: as many as the policy says,
// questions and answers all different, answers of 5 to 12 characters that do
// not repeat one; spaces count.
func (p *Policy) checkQuestions(questions []Question) *wardkey.Refusal {
	refuse := func(why string) *wardkey.Refusal { return Rules().Refuse("mail.questions.form", "why", why) }
	if len(questions) != p.Questions {
		return refuse(fmt.Sprintf("there must be %d", p.Questions))
	}
	seen := map[string]bool{}
	for _, q := range questions {
		for _, s := range []string{q.Question, q.Answer} {
			if s == "" || len(s) > maxPassword {
				return refuse("a question or an answer is empty or too long")
			}
			if why := textFault(s); why != "" {
				return refuse(why)
			}
			if key := strings.ToLower(s); seen[key] {
				return refuse("a question or an answer comes twice")
			}
			seen[strings.ToLower(s)] = true
		}
		if isBlank(q.Question) {
			return refuse("a question asks nothing")
		}
		if n := utf8.RuneCountInString(q.Answer); n < p.AnswerMin || n > p.AnswerMax {
			return refuse(fmt.Sprintf("an answer has fewer than %d or more than %d characters", p.AnswerMin, p.AnswerMax))
		}
		first, _ := utf8.DecodeRuneInString(q.Answer)
		if strings.Trim(q.Answer, string(first)) == "" {
			return refuse("an answer is one character again and again")
		}
	}
	return nil
}

// AcceptPolicy records that the holder accepts the acceptable use policy of
// that version. Refusals: mail.session, mail.aup.version.
func (a *Accounts) AcceptPolicy(ctx context.Context, token, version string) error {
	if version != a.config.PolicyVersion {
		return Rules().Refuse("mail.aup.version")
	}
	return a.change(ctx, token, "mail.policy.accepted", func(_ context.Context, _ StoreTx, r *AccountRecord) error {
		r.PolicyVersion = version
		return nil
	})
}
