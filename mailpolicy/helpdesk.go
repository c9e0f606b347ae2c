// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
)

// placesAsked is how many characters of an answer the help desk asks for.
const placesAsked = 3

// DeskQuestion is what the help desk asks a caller about one of their security
// questions: the characters at Places, counted from 1. Both are empty where the
// caller never set questions, and nothing is asked then.
type DeskQuestion struct {
	Question string
	Places   []int
}

// HelpdeskQuestion returns what to ask a caller about an account: the same until
// it was answered rightly. Only the administration service may. Refusals:
// mail.role, mail.account.unknown, mail.account.deleted, mail.account.disabled,
// mail.desk.nokey (the answers were kept without what the desk needs).
func (a *Accounts) HelpdeskQuestion(ctx context.Context, by Actor, address string) (DeskQuestion, error) {
	if by.Role != AdministrationService || by.check() != nil {
		return DeskQuestion{}, Rules().Refuse("mail.role")
	}
	p, r, err := a.read(ctx, address)
	if err != nil {
		return DeskQuestion{}, err
	}
	if state := p.state(r); state == Deleted || state == Disabled {
		return DeskQuestion{}, p.refusal(r)
	}
	var answer AnswerRecord
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		answer, err = a.deskAnswer(ctx, tx, r)
		return err
	})
	return DeskQuestion{Question: answer.Question, Places: splitInts(answer.Places)}, err
}

// deskAnswer is the answer whose turn it is; an empty one where there is none.
func (a *Accounts) deskAnswer(ctx context.Context, tx StoreTx, r AccountRecord) (AnswerRecord, error) {
	answers, err := tx.Answers(ctx, r.Address)
	if err != nil || len(answers) == 0 {
		return AnswerRecord{}, err
	}
	answer := answers[r.DeskTurn%len(answers)]
	if answer.PlacesHash == "" || len(a.config.Key) == 0 {
		return AnswerRecord{}, Rules().Refuse("mail.desk.nokey")
	}
	return answer, nil
}

// Caller is what somebody on the phone has given.
type Caller struct {
	// Address of the account and the mobile number linked to it.
	Address, Mobile string
	// Characters are those that HelpdeskQuestion asks for, in order and in any
	// case; they are not looked at where it asks for none.
	Characters string
}

// HelpdeskVerify checks a caller: the address, the mobile number linked to the
// account, and the characters asked for where questions were set. Three callers
// that fail block the account's checks for an hour. Only the administration
// service may. Refusals: mail.desk.unverified, which does not say what was wrong
// and also stands for an address without an account, mail.recovery.blocked,
// mail.desk.nokey, mail.role, mail.busy, and those of an account that is
// disabled or deleted.
func (a *Accounts) HelpdeskVerify(ctx context.Context, by Actor, c Caller) error {
	if by.Role != AdministrationService || by.check() != nil {
		return Rules().Refuse("mail.role")
	}
	p, err := a.Policy()
	if err != nil {
		return err
	}
	address, right, err := a.tryCaller(ctx, p, c)
	if err != nil {
		return err
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if !right {
			return tx.Audit(ctx, by.ID, "mail.desk.unverified", address, "")
		}
		r, err := tx.Account(ctx, address)
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.desk.unverified")
		}
		r.DeskTurn++
		if err := p.update(ctx, tx, r); err != nil {
			return err
		}
		if err := tx.PutTries(ctx, TriesRecord{What: callsOf(address)}); err != nil {
			return err
		}
		return tx.Audit(ctx, by.ID, "mail.desk.verified", address, "")
	})
	if err == nil && !right {
		return Rules().Refuse("mail.desk.unverified")
	}
	return err
}

// tryCaller waits for its turn to hash, counts a try and checks it.
func (a *Accounts) tryCaller(ctx context.Context, p *Policy, c Caller) (address string, right bool, err error) {
	release, err := a.hasher.slot(ctx)
	if err != nil {
		return "", false, err
	}
	defer release()
	r, answer, err := a.countCaller(ctx, p, c)
	if err != nil {
		return "", false, err
	}
	number, formErr := parseMobile(c.Mobile)
	right = formErr == nil && linkedNumber(r, number)
	if answer.PlacesHash != "" {
		same := isOf(a.placesSecret(r.Address, answer.Question, answer.Places, c.Characters), answer.PlacesHash)
		right = right && same
	}
	return r.Address, right, nil
}

// countCaller counts a try in advance, and returns the account and what is asked
// about it.
func (a *Accounts) countCaller(ctx context.Context, p *Policy, c Caller) (r AccountRecord, answer AnswerRecord, err error) {
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if r, err = tx.Account(ctx, addressKey(c.Address)); err != nil {
			return refuseIf(err, ErrNotFound, "mail.desk.unverified")
		}
		switch p.state(r) {
		case Removed:
			return Rules().Refuse("mail.desk.unverified")
		case Deleted, Disabled:
			return p.refusal(r)
		}
		if answer, err = a.deskAnswer(ctx, tx, r); err != nil {
			return err
		}
		return p.countTries(ctx, tx, callsOf(r.Address))
	})
	return r, answer, err
}

// linkedNumber reports whether a number is the account's; where its holder has
// deleted that, the one that the shared mailbox has confirmed stands for it.
func linkedNumber(r AccountRecord, number string) bool {
	known := r.Mobile
	if known == "" {
		known = r.ConfirmedMobile
	}
	return known != "" && subtle.ConstantTimeCompare([]byte(known), []byte(number)) == 1
}

// HelpdeskReset verifies a caller as HelpdeskVerify does and texts them a
// one-time password, which works as an activation password does: once, and what
// follows is ChangePassword. It goes to the linked number, or to another one
// only after AuthoriseMobile; to is "" for the linked one. The account is
// unlocked, the password before is dead, and so are the sessions. Other refusals
// than HelpdeskVerify's: mail.mobile.unconfirmed, mail.account.form (no UK
// mobile number), mail.account.unactivated (its holder was never in it:
// ResendActivation goes to the number first given).
func (a *Accounts) HelpdeskReset(ctx context.Context, by Actor, c Caller, to string) error {
	if to != "" {
		var err error
		if to, err = parseMobile(to); err != nil {
			return err
		}
	}
	if err := a.HelpdeskVerify(ctx, by, c); err != nil {
		return err
	}
	p, err := a.Policy()
	if err != nil {
		return err
	}
	password := newActivation(p.ActivationLength)
	defer clear(password)
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	var address, number string
	err = a.administer(ctx, by, c.Address, "mail.password.reset", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if address, number = r.Address, to; number == "" {
			number = r.Mobile
		}
		return p.deskReset(ctx, tx, r, hash, number)
	}, AdministrationService)
	if err != nil {
		return err
	}
	a.queueActivation(address, number, password)
	return nil
}

// deskReset puts a one-time password in force that goes to a number.
func (p *Policy) deskReset(ctx context.Context, tx StoreTx, r *AccountRecord, hash, number string) error {
	owned, err := everOwned(ctx, tx, *r)
	switch {
	case err != nil:
		return err
	case !owned && !r.QuestionsSet:
		return Rules().Refuse("mail.account.unactivated")
	case number == "" || number != r.Mobile && number != r.ConfirmedMobile:
		return Rules().Refuse("mail.mobile.unconfirmed")
	case r.Activation == ActivationDone:
		if err := tx.KeepPassword(ctx, r.Address, r.PasswordHash, p.PasswordHistory); err != nil {
			return err
		}
	}
	r.PasswordHash, r.Activation, r.ConfirmedMobile = hash, ActivationSent, ""
	r.Wrong, r.Locked, r.Recovered = 0, false, tx.Now()
	return shutOut(ctx, tx, r.Address)
}

// AuthoriseMobile lets the next HelpdeskReset go to another mobile number, on a
// message that the site's shared mailbox has sent: from is who sent it, which
// the caller has made sure of. A message from anybody's own address does not
// count, and neither does another site's, or that of a site that the holder is
// leaving. Whatever password the holder has next, the number is forgotten then.
// Only the administration service may.
// Refusals: mail.role, mail.account.form (no UK mobile number),
// mail.mobile.unconfirmed, mail.account.unknown, mail.account.deleted.
func (a *Accounts) AuthoriseMobile(ctx context.Context, by Actor, address, mobile, from string) error {
	number, err := parseMobile(mobile)
	if err != nil {
		return err
	}
	return a.administer(ctx, by, address, "mail.mobile.authorised", func(ctx context.Context, tx StoreTx, _ *Policy, r *AccountRecord) error {
		if !r.Leaver.IsZero() {
			return Rules().Refuse("mail.mobile.unconfirmed")
		}
		boxes, err := tx.SiteShared(ctx, r.Site)
		if err != nil {
			return err
		}
		for _, s := range boxes {
			if addressKey(from) == addressKey(s.Address) {
				r.ConfirmedMobile = number
				return nil
			}
		}
		return Rules().Refuse("mail.mobile.unconfirmed")
	}, AdministrationService)
}

// withPlaces adds to an answer what the help desk needs to ask for some of its
// characters: drawn places, and the hash of what stands there under the
// service's key. Three characters are few, so without the key, which is not in
// the store, nothing is kept of them.
func (a *Accounts) withPlaces(ctx context.Context, address string, q Question, r AnswerRecord) (AnswerRecord, error) {
	if len(a.config.Key) == 0 {
		return r, nil
	}
	runes := []rune(q.Answer)
	places := draw(len(runes), placesAsked)
	characters := ""
	for i, at := range places {
		characters += string(runes[at])
		places[i] = at + 1
	}
	r.Places = joinInts(places)
	var err error
	r.PlacesHash, err = a.hasher.hash(ctx, a.placesSecret(address, q.Question, r.Places, characters))
	return r, err
}

func (a *Accounts) placesSecret(address, question, places, characters string) []byte {
	sum := hmac.New(sha256.New, a.config.Key)
	_, _ = fmt.Fprintf(sum, "places %q %q %q %q", address, question, places, strings.ToLower(characters)) // never fails
	return sum.Sum(nil)
}
