// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func TestPasswordsAndQuestions(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, password := h.opened(1)
	s, err := h.signIn(a.Address, password)
	require.NoError(t, err)
	for _, bad := range []string{"short", "nine-char", "with a space in", "xxASHAxx99xx", "my-patel-pw-1", "password1234", "qwertyuiop1", strings.Repeat("é", 129), "tab\there-now", "\xff\xfe1234567890"} {
		refused(t, "mail.password.form", h.accounts.ChangePassword(ctx, s.Token, []byte(bad)))
	}
	third := func(question, answer string) []mailpolicy.Question {
		return []mailpolicy.Question{questions[0], questions[1], {Question: question, Answer: answer}}
	}
	for _, bad := range [][]mailpolicy.Question{
		nil,
		questions[:2],
		third("First pet?", "Cat"),
		third("Pet?", "northgate"),
		third("first school?", "Biscuit"),
		third("Pet?", "aaaaaa"),
		third("", "Biscuit"),
		third("Pet?", "thirteen chars"),
	} {
		refused(t, "mail.questions.form", h.accounts.SetQuestions(ctx, s.Token, bad))
	}
	t.Run("threat057", func(t *testing.T) {
		require.NoError(t, h.accounts.SetQuestions(ctx, s.Token, questions))
		for _, q := range questions {
			_, err := h.signIn(a.Address, []byte(q.Answer))
			require.Contains(t, []string{"mail.password.wrong", "mail.account.locked"}, wardkey.RuleOf(err))
		}
		require.NoError(t, h.store.Read(ctx, func(ctx context.Context, tx mailpolicy.StoreTx) error {
			answers, err := tx.Answers(ctx, a.Address)
			require.NoError(t, err)
			require.Len(t, answers, 3)
			for i, r := range answers {
				require.Equal(t, questions[i].Question, r.Question)
				require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$`, r.AnswerHash)
				require.NotContains(t, r.AnswerHash, questions[i].Answer)
			}
			return nil
		}))
	})
	h.forward(time.Hour)
	refused(t, "mail.session", h.accounts.ChangePassword(ctx, s.Token, []byte(lasting)))
	refused(t, "mail.session", h.accounts.SetQuestions(ctx, "no token", questions))
	refused(t, "mail.session", h.accounts.AcceptPolicy(ctx, "", "2026-1"))
}

func TestLockout(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	wrong, right := []byte("wrong-horse-battery"), []byte(lasting)
	t.Run("threat056", func(t *testing.T) {
		for range 4 {
			_, err := h.signIn(a.Address, wrong)
			refused(t, "mail.password.wrong", err)
		}
		s, err := h.signIn(a.Address, right)
		require.NoError(t, err, "the fifth try is still one")
		for range 5 {
			_, err := h.signIn(a.Address, wrong)
			refused(t, "mail.password.wrong", err)
		}
		_, err = h.signIn(a.Address, right)
		refused(t, "mail.account.locked", err)
		refused(t, "mail.account.locked", h.accounts.CanSend(ctx, a.Address))
		require.NoError(t, h.accounts.Can(ctx, a.Address, mailpolicy.Receive))
		_, err = h.accounts.Session(ctx, s.Token)
		require.NoError(t, err, "whoever is signed in stays so")
		refused(t, "mail.role", h.accounts.Unlock(ctx, applicant, a.Address))
		require.NoError(t, h.accounts.Unlock(ctx, local, a.Address))
		_, err = h.signIn(a.Address, right)
		require.NoError(t, err)

		// Guesses at once are all counted before any is checked.
		var wg sync.WaitGroup
		var evaluated atomic.Int64
		for range 12 {
			wg.Go(func() {
				if _, err := h.signIn(a.Address, wrong); wardkey.RuleOf(err) == "mail.password.wrong" {
					evaluated.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 5, evaluated.Load())
		_, err = h.signIn(a.Address, right)
		refused(t, "mail.account.locked", err)
		var locked int
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT count(*) FROM mail_audit WHERE action = 'mail.account.locked' AND subject = $1", a.Address).Scan(&locked))
		require.Equal(t, 3, locked, "audited each time, also at the fifth try that was right")
		// Others are not concerned.
		b := h.active(2)
		_, err = h.signIn(b.Address, right)
		require.NoError(t, err)
	})
	_, err := h.signIn("nobody@nhs.net", right)
	refused(t, "mail.password.wrong", err)
	t.Run("row085", func(t *testing.T) {
		active, locked, accepted, err := h.accounts.LinkState(ctx, a.Address)
		require.NoError(t, err)
		require.Equal(t, [3]bool{true, true, true}, [3]bool{active, locked, accepted})
		_, err = h.signIn(a.Address, right)
		var no *wardkey.Refusal
		require.True(t, errors.As(err, &no))
		require.Equal(t, "local-administrator", no.Fixer)
	})
	t.Run("row086", func(t *testing.T) {
		require.NoError(t, h.accounts.Unlock(ctx, local, a.Address))
		s, err := h.signIn(a.Address, right)
		require.NoError(t, err)
		require.NoError(t, h.accounts.Disable(ctx, local, a.Address))
		active, locked, _, err := h.accounts.LinkState(ctx, a.Address)
		require.NoError(t, err)
		require.False(t, active)
		require.False(t, locked)
		_, err = h.signIn(a.Address, right)
		refused(t, "mail.account.disabled", err)
		_, err = h.accounts.Session(ctx, s.Token)
		refused(t, "mail.session", err)
		refused(t, "mail.account.disabled", h.accounts.Can(ctx, a.Address, mailpolicy.Send))
		require.NoError(t, h.accounts.Can(ctx, a.Address, mailpolicy.Receive), "its mail waits for it")
		require.NoError(t, h.accounts.Enable(ctx, local, a.Address))
		_, err = h.signIn(a.Address, right)
		require.NoError(t, err)
	})
	t.Run("not accepted yet", func(t *testing.T) {
		c, err := h.open(3)
		require.NoError(t, err)
		active, locked, accepted, err := h.accounts.LinkState(ctx, c.Address)
		require.NoError(t, err)
		require.Equal(t, [3]bool{true, false, false}, [3]bool{active, locked, accepted})
	})
	_, _, _, err = h.accounts.LinkState(ctx, "nobody@nhs.net")
	refused(t, "mail.account.unknown", err)
}

// A session ends by itself, or with all the others.
func TestSignOut(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, b := h.active(1), h.active(2)
	sessions := func() (n int) {
		require.NoError(t, h.db.QueryRowContext(ctx, "SELECT count(*) FROM mail_session WHERE address = $1", a.Address).Scan(&n))
		return n
	}
	require.NoError(t, h.accounts.SignOutEverywhere(ctx, h.session(a.Address)))
	require.Zero(t, sessions())
	one, two, other := h.session(a.Address), h.session(a.Address), h.session(b.Address)
	require.NoError(t, h.accounts.SignOut(ctx, one))
	_, err := h.accounts.Session(ctx, one)
	refused(t, "mail.session", err)
	_, err = h.accounts.Session(ctx, two)
	require.NoError(t, err, "the other one goes on")
	refused(t, "mail.session", h.accounts.SignOut(ctx, one))
	refused(t, "mail.session", h.accounts.SignOut(ctx, ""))
	refused(t, "mail.session", h.accounts.SignOutEverywhere(ctx, one))
	third := h.session(a.Address)
	require.NoError(t, h.accounts.SignOutEverywhere(ctx, two))
	for _, token := range []string{two, third} {
		_, err = h.accounts.Session(ctx, token)
		refused(t, "mail.session", err)
	}
	_, err = h.accounts.Session(ctx, other)
	require.NoError(t, err, "and nobody else's ends")
	require.Equal(t, 1, h.audited("mail.signed.out", a.Address))
	require.Equal(t, 2, h.audited("mail.signed.out.everywhere", a.Address))
}

// Whoever knows an address can lock it and use up its recovery's tries, as the
// published rules have it. The holder works on, and the help desk opens the account;
// the guesses are audited, and no other account feels them.
func TestLockedByOthers(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a, b := h.active(1), h.active(2)
	session := h.session(a.Address)
	t.Run("threat056", func(t *testing.T) {
		h.lock(a.Address)
		for range 3 {
			rec, err := h.accounts.StartRecovery(ctx, a.Address)
			require.NoError(t, err)
			_, err = h.accounts.AnswerRecovery(ctx, rec.Token, []string{"x", "y"}, "0000")
			refused(t, "mail.recovery.answers", err)
		}
		_, err := h.accounts.StartRecovery(ctx, a.Address)
		refused(t, "mail.recovery.blocked", err)
		require.Equal(t, 1, h.audited("mail.account.locked", a.Address))
		require.Equal(t, 3, h.audited("mail.recovery.failed", a.Address))

		_, err = h.accounts.Session(ctx, session)
		require.NoError(t, err, "whoever is signed in works on")
		require.NoError(t, h.accounts.CanSend(ctx, b.Address))
		h.session(b.Address)
		q, err := h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
		require.NoError(t, err)
		caller := mailpolicy.Caller{Address: a.Address, Mobile: "07700 900001", Characters: characters(t, q)}
		require.NoError(t, h.accounts.HelpdeskReset(ctx, nas, caller, ""))
		texts := h.texts()
		s, err := h.signIn(a.Address, []byte(texts[len(texts)-1].LastLine()))
		require.NoError(t, err)
		require.NoError(t, h.accounts.ChangePassword(ctx, s.Token, []byte("brand-new-sentence")))
		require.NoError(t, h.accounts.CanSend(ctx, a.Address))
		// And after an hour of the machine's clock the holder alone.
		_, err = h.accounts.StartRecovery(ctx, a.Address)
		refused(t, "mail.recovery.blocked", err)
		h.machine.forward(time.Hour)
		h.answered(a.Address, "0001")
	})
}

func TestAfterReset(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	wrong := []byte("wrong-horse-battery")
	fail := func(rule string) []string {
		_, err := h.signIn(a.Address, wrong)
		refused(t, rule, err)
		return next(t, err)
	}
	t.Run("row124", func(t *testing.T) {
		plain := fail("mail.password.wrong")
		require.NoError(t, h.accounts.Unlock(ctx, local, a.Address))
		steps := fail("mail.password.wrong")
		require.Len(t, steps, 4+len(plain))
		for i, word := range []string{"cache", "history", "other devices", "passwords"} {
			require.Contains(t, steps[i], word)
		}
		require.Equal(t, plain, steps[4:], "then what is said without a reset")
		for range 4 {
			fail("mail.password.wrong")
		}
		require.Equal(t, steps[:4], fail("mail.account.locked")[:4])

		// Up to the last second of a week, in a store that is opened again.
		require.NoError(t, h.accounts.Unlock(ctx, local, a.Address))
		h.forward(7*24*time.Hour - time.Second)
		h.start()
		require.Equal(t, steps, fail("mail.password.wrong"))
		h.forward(time.Second)
		require.Equal(t, plain, fail("mail.password.wrong"))
		// Whoever was never reset gets none, and nobody does.
		_, err := h.signIn("nobody@nhs.net", wrong)
		require.Equal(t, plain, next(t, err))
		require.NoError(t, h.accounts.Unlock(ctx, local, a.Address))
		require.NoError(t, h.accounts.Disable(ctx, local, a.Address))
		_, err = h.signIn(a.Address, wrong)
		refused(t, "mail.account.disabled", err)
		require.NotContains(t, next(t, err), steps[0])
	})
}

// blocked is a Blocklist of one password.
type blocked struct {
	password string
	err      error
}

func (l blocked) Blocked(_ context.Context, password []byte) (bool, error) {
	return string(password) == l.password, l.err
}

func TestPasswordsAreNotTakenAgain(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	token := h.session(a.Address)
	set := func(n int) error {
		return h.accounts.ChangePassword(ctx, token, []byte(strings.Repeat("sentence", 2)+string(rune('a'+n))))
	}
	for n := range 4 {
		require.NoError(t, set(n))
	}
	refused(t, "mail.password.form", set(3))
	for _, old := range []int{0, 1, 2} {
		refused(t, "mail.password.form", set(old))
	}
	refused(t, "mail.password.form", h.accounts.ChangePassword(ctx, token, []byte(lasting)))
	require.NoError(t, set(4), "a fifth one")
	require.NoError(t, h.accounts.ChangePassword(ctx, token, []byte(lasting)), "the fifth before")

	h.blocklist = blocked{password: "a-breached-sentence"}
	h.start()
	refused(t, "mail.password.form", h.accounts.ChangePassword(ctx, token, []byte("a-breached-sentence")))
	h.blocklist = blocked{err: errors.New("list is away")}
	h.start()
	err := h.accounts.ChangePassword(ctx, token, []byte("another-good-sentence"))
	refused(t, "mail.busy", err)
	require.NotContains(t, err.Error(), "away")
}

// A password that has expired lets its holder in to choose another, and no more.
func TestPasswordsExpire(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	ends := h.now().Add(365 * day)
	for h.now().Before(ends.Add(-29 * day)) {
		h.forward(28 * day)
		require.NoError(t, h.accounts.Used(ctx, a.Address))
	}
	h.forward(ends.Sub(h.now()) - time.Second)
	now, err := h.accounts.Account(ctx, a.Address)
	require.NoError(t, err)
	require.Equal(t, mailpolicy.Active, now.State)
	require.WithinDuration(t, ends, now.PasswordExpires, 0)
	for left, days := range map[time.Duration]int{
		18*day + time.Second: 0, 18 * day: 18, 10*day + time.Second: 18, 10 * day: 10, 5 * day: 5, 2 * day: 2, day + time.Second: 2, day: 1, time.Second: 1, 0: 0, -day: 0,
	} {
		require.Equal(t, days, policyAt(t, ends.Add(-left)).PasswordReminder(now), left)
	}
	require.Zero(t, policyAt(t, ends).PasswordReminder(mailpolicy.Account{}), "who has none of their own")
	h.forward(time.Second)
	err = h.accounts.CanSend(ctx, a.Address)
	refused(t, "mail.aup.pending", err)
	require.ErrorContains(t, err, "a new password")
	token := h.session(a.Address)
	refused(t, "mail.password.form", h.accounts.ChangePassword(ctx, token, []byte(lasting)))
	require.NoError(t, h.accounts.ChangePassword(ctx, token, []byte("brand-new-sentence")))
	require.NoError(t, h.accounts.CanSend(ctx, a.Address))
}
