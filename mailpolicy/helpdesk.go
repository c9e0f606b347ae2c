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
	_, err := a.verifyCaller(ctx, by, c)
	return err
}

func (a *Accounts) verifyCaller(ctx context.Context, by Actor, c Caller) (AccountRecord, error) {
	if by.Role != AdministrationService || by.check() != nil {
		return AccountRecord{}, Rules().Refuse("mail.role")
	}
	p, err := a.policy()
	if err != nil {
		return AccountRecord{}, err
	}
	var r AccountRecord
	var answer AnswerRecord
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
	if err != nil {
		return AccountRecord{}, err
	}
	number, formErr := parseMobile(c.Mobile)
	right := formErr == nil && linkedNumber(r, number)
	if answer.PlacesHash != "" {
		same, err := a.hasher.matches(ctx, a.placesSecret(r.Address, answer.Question, answer.Places, c.Characters), answer.PlacesHash)
		if err != nil {
			return AccountRecord{}, err
		}
		right = right && same
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		if !right {
			return tx.Audit(ctx, by.ID, "mail.desk.unverified", r.Address, "")
		}
		if r, err = tx.Account(ctx, r.Address); err != nil {
			return err
		}
		r.DeskTurn++
		if err := p.update(ctx, tx, r); err != nil {
			return err
		}
		if err := tx.PutTries(ctx, TriesRecord{What: callsOf(r.Address)}); err != nil {
			return err
		}
		return tx.Audit(ctx, by.ID, "mail.desk.verified", r.Address, "")
	})
	if err == nil && !right {
		err = Rules().Refuse("mail.desk.unverified")
	}
	return r, err
}

// linkedNumber reports whether a number is the account's, or one that the shared
// mailbox has confirmed for it.
func linkedNumber(r AccountRecord, number string) bool {
	same := func(known string) bool {
		return known != "" && subtle.ConstantTimeCompare([]byte(known), []byte(number)) == 1
	}
	return same(r.Mobile) || same(r.ConfirmedMobile)
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
	number := ""
	if to != "" {
		var err error
		if number, err = parseMobile(to); err != nil {
			return err
		}
	}
	r, err := a.verifyCaller(ctx, by, c)
	if err != nil {
		return err
	}
	p, err := a.policy()
	if err != nil {
		return err
	}
	password := newActivation(p.ActivationLength)
	defer clear(password)
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	var sent string
	err = a.administer(ctx, by, r.Address, "mail.password.reset", func(ctx context.Context, tx StoreTx, p *Policy, r *AccountRecord) error {
		if r.Activation != ActivationDone && !r.QuestionsSet {
			return Rules().Refuse("mail.account.unactivated")
		}
		if sent = number; sent == "" {
			sent = r.Mobile
		}
		if sent == "" || sent != r.Mobile && sent != r.ConfirmedMobile {
			return Rules().Refuse("mail.mobile.unconfirmed")
		}
		if r.Activation == ActivationDone {
			if err := tx.KeepPassword(ctx, r.Address, r.PasswordHash, p.PasswordHistory); err != nil {
				return err
			}
		}
		r.PasswordHash, r.Activation, r.ConfirmedMobile = hash, ActivationSent, ""
		r.Wrong, r.Locked, r.Recovered = 0, false, tx.Now()
		return tx.DeleteSessions(ctx, r.Address, nil)
	}, AdministrationService)
	if err != nil {
		return err
	}
	a.queueActivation(r.Address, sent, password)
	return nil
}

// AuthoriseMobile lets the next HelpdeskReset go to another mobile number, on a
// message that the site's shared mailbox has sent: from is who sent it, which
// the caller has made sure of. A message from anybody's own address does not
// count, and neither does another site's. Only the administration service may.
// Refusals: mail.role, mail.account.form (no UK mobile number),
// mail.mobile.unconfirmed, mail.account.unknown, mail.account.deleted.
func (a *Accounts) AuthoriseMobile(ctx context.Context, by Actor, address, mobile, from string) error {
	number, err := parseMobile(mobile)
	if err != nil {
		return err
	}
	return a.administer(ctx, by, address, "mail.mobile.authorised", func(ctx context.Context, tx StoreTx, _ *Policy, r *AccountRecord) error {
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
