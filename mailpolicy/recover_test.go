// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// answersTo are what the holder would type.
func answersTo(asked []string) []string {
	var answers []string
	for _, question := range asked {
		for _, q := range questions {
			if q.Question == question {
				answers = append(answers, q.Answer)
			}
		}
	}
	return answers
}

func (h *home) lock(address string) {
	h.t.Helper()
	for range 5 {
		_, err := h.signIn(address, []byte("wrong-horse-battery"))
		refused(h.t, "mail.password.wrong", err)
	}
	require.Equal(h.t, mailpolicy.Locked, h.state(address))
}

// answered takes a recovery to where its code was sent, and returns the code.
func (h *home) answered(address, digits string) (token, code string, offered []mailpolicy.Outcome) {
	h.t.Helper()
	rec, err := h.accounts.StartRecovery(h.t.Context(), address)
	require.NoError(h.t, err)
	offered, err = h.accounts.AnswerRecovery(h.t.Context(), rec.Token, answersTo(rec.Questions), digits)
	require.NoError(h.t, err)
	texts := h.texts()
	return rec.Token, texts[len(texts)-1].LastLine(), offered
}

func TestRecovery(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1) // 07700 900001
	t.Run("row151", func(t *testing.T) {
		rec, err := h.accounts.StartRecovery(ctx, a.Address)
		require.NoError(t, err)
		require.Len(t, rec.Questions, 2)
		again, err := h.accounts.StartRecovery(ctx, a.Address)
		require.NoError(t, err)
		require.Equal(t, rec.Questions, again.Questions, "no choice by asking again")
		_, err = h.accounts.AnswerRecovery(ctx, rec.Token, answersTo(rec.Questions), "0001")
		refused(t, "mail.recovery.ended", err)
		sent := len(h.texts())
		right := answersTo(again.Questions)
		// Whatever is wrong, the answer is the same.
		_, digits := h.accounts.AnswerRecovery(ctx, again.Token, right, "0002")
		_, answer := h.accounts.AnswerRecovery(ctx, again.Token, []string{right[0], strings.ToUpper(right[1])}, "0001")
		refused(t, "mail.recovery.answers", digits)
		require.Equal(t, digits, answer)
		require.Len(t, h.texts(), sent)
		offered, err := h.accounts.AnswerRecovery(ctx, again.Token, right, "0001")
		require.NoError(t, err, "the third try is still one")
		require.Equal(t, []mailpolicy.Outcome{mailpolicy.UnlockAndReset}, offered, "it is not locked")
		texts := h.texts()
		require.Len(t, texts, sent+1)
		require.Equal(t, "+447700900001", texts[sent].To)
		require.Regexp(t, `^[0-9]{8}$`, texts[sent].LastLine())
		// Answers open nothing: the code does.
		_, err = h.accounts.AnswerRecovery(ctx, again.Token, right, "0001")
		refused(t, "mail.recovery.ended", err)
		fresh := []byte("brand-new-sentence")
		refused(t, "mail.recovery.code", h.accounts.FinishRecovery(ctx, again.Token, "", mailpolicy.UnlockAndReset, fresh))
		require.NoError(t, h.accounts.FinishRecovery(ctx, again.Token, texts[sent].LastLine(), mailpolicy.UnlockAndReset, fresh))
		refused(t, "mail.recovery.ended", h.accounts.FinishRecovery(ctx, again.Token, texts[sent].LastLine(), mailpolicy.UnlockAndReset, fresh))
		_, err = h.signIn(a.Address, fresh)
		require.NoError(t, err)
		_, err = h.signIn(a.Address, []byte(lasting))
		refused(t, "mail.password.wrong", err)
	})
	t.Run("questions are drawn", func(t *testing.T) {
		seen := map[string]bool{}
		for range 40 { // all three pairs but once in 10⁷
			rec, err := h.accounts.StartRecovery(ctx, a.Address)
			require.NoError(t, err)
			seen[strings.Join(rec.Questions, "|")] = true
			h.forward(15 * time.Minute)
		}
		require.Len(t, seen, 3)
	})
	t.Run("row152", func(t *testing.T) {
		b := h.active(2)
		h.lock(b.Address)
		token, code, offered := h.answered(b.Address, "0002")
		require.Equal(t, []mailpolicy.Outcome{mailpolicy.UnlockAndReset, mailpolicy.UnlockOnly}, offered)
		refused(t, "mail.recovery.outcome", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockOnly, []byte("brand-new-sentence")))
		refused(t, "mail.recovery.outcome", h.accounts.FinishRecovery(ctx, token, code, "open", nil))
		require.NoError(t, h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockOnly, nil))
		session := h.session(b.Address) // with the password it had
		h.lock(b.Address)
		token, code, _ = h.answered(b.Address, "0002")
		refused(t, "mail.password.form", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("short")))
		refused(t, "mail.password.form", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte(lasting)))
		require.NoError(t, h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
		_, err := h.accounts.Session(ctx, session)
		refused(t, "mail.session", err)
		_, err = h.signIn(b.Address, []byte("brand-new-sentence"))
		require.NoError(t, err)
		require.Equal(t, 2, h.audited("mail.account.recovered", b.Address))
	})
	t.Run("row153", func(t *testing.T) {
		for _, c := range []struct {
			mobile string
			state  mailpolicy.State
			shown  bool
		}{
			{"+447700900001", mailpolicy.Locked, true},
			{"", mailpolicy.Locked, false},
			{"+447700900001", mailpolicy.Active, false},
			{"", mailpolicy.Active, false},
		} {
			require.Equal(t, c.shown, mailpolicy.Account{Mobile: c.mobile, State: c.state}.ShowUnlock(), c)
		}
	})
	_, err := h.accounts.VerifyAudit(ctx)
	require.NoError(t, err)
}

func TestRecoveryLimits(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	wall := h.machine
	a := h.active(1)
	start := func(address string) *mailpolicy.Recovery {
		rec, err := h.accounts.StartRecovery(ctx, address)
		require.NoError(t, err)
		return rec
	}
	t.Run("threat057", func(t *testing.T) {
		// Nobody's address looks as somebody's does, to the last try.
		c, err := h.open(3)
		require.NoError(t, err)
		said := map[string][]string{}
		for _, address := range []string{a.Address, "nobody@nhs.net", c.Address} {
			for range 2 {
				rec := start(address)
				require.Len(t, rec.Questions, 2)
				for _, answers := range [][]string{nil, {"", ""}, {"a", "b"}} {
					_, err := h.accounts.AnswerRecovery(ctx, rec.Token, answers, "")
					said[address] = append(said[address], wardkey.RuleOf(err))
					if wardkey.RuleOf(err) == "mail.recovery.blocked" {
						break
					}
				}
				if _, err := h.accounts.StartRecovery(ctx, address); err != nil {
					said[address] = append(said[address], wardkey.RuleOf(err))
					break
				}
			}
		}
		for _, rules := range said {
			require.Equal(t, []string{"mail.recovery.answers", "mail.recovery.answers", "mail.recovery.answers", "mail.recovery.blocked"}, rules)
		}
		require.Equal(t, start("someone.else@nhs.net").Questions, start("Someone.Else@NHS.net").Questions)
		_, err = h.accounts.StartRecovery(ctx, a.Address)
		var no *wardkey.Refusal
		require.ErrorAs(t, err, &no)
		require.Equal(t, wall.now().Add(time.Hour), no.RetryAt)
		h.forward(2 * time.Hour)
		_, err = h.accounts.StartRecovery(ctx, a.Address)
		refused(t, "mail.recovery.blocked", err) // not by the calendar
		wall.forward(time.Hour)
		start(a.Address)
	})
	t.Run("tries at once", func(t *testing.T) {
		rec := start(a.Address)
		var wg sync.WaitGroup
		errs := make([]error, 12)
		for i := range errs {
			wg.Go(func() { _, errs[i] = h.accounts.AnswerRecovery(ctx, rec.Token, []string{"x", "y"}, "0001") })
		}
		wg.Wait()
		count := map[string]int{}
		for _, err := range errs {
			count[wardkey.RuleOf(err)]++
		}
		require.Equal(t, map[string]int{"mail.recovery.answers": 3, "mail.recovery.blocked": 9}, count)
		wall.forward(time.Hour)
	})
	t.Run("codes", func(t *testing.T) {
		token, code, _ := h.answered(a.Address, "0001")
		h.forward(10*time.Minute - time.Second)
		for range 2 {
			refused(t, "mail.recovery.code", h.accounts.FinishRecovery(ctx, token, "00000000", mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
		}
		h.forward(time.Second)
		refused(t, "mail.recovery.ended", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
		// Another code is another three tries' worth only after an hour.
		token, code, _ = h.answered(a.Address, "0001")
		refused(t, "mail.recovery.code", h.accounts.FinishRecovery(ctx, token, code+"0", mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
		refused(t, "mail.recovery.blocked", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
		wall.forward(time.Hour)
		require.NoError(t, h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
	})
	t.Run("one code opens once", func(t *testing.T) {
		b := h.active(2)
		h.lock(b.Address)
		token, code, _ := h.answered(b.Address, "0002")
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			wg.Go(func() { errs[i] = h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockOnly, nil) })
		}
		wg.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
			}
		}
		require.Equal(t, 1, good, "%v", errs)
		require.NotContains(t, h.log.String(), code)
	})
	t.Run("what changes on the way ends it", func(t *testing.T) {
		d := h.active(4)
		token, code, _ := h.answered(d.Address, "0004")
		session := h.session(d.Address)
		require.NoError(t, h.accounts.ChangeMobile(ctx, session, "07700 900444"))
		require.NoError(t, h.accounts.Disable(ctx, local, d.Address))
		refused(t, "mail.recovery.ended", h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockAndReset, []byte("brand-new-sentence")))
		rec := start(d.Address)
		require.Empty(t, answersTo(rec.Questions), "a disabled account does not recover itself")
	})
}

func TestMobile(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	session := h.session(a.Address)
	entry := func() mailpolicy.DirectoryEntry {
		entries, next, err := h.accounts.Directory(ctx, "VLX12", "", 0)
		require.NoError(t, err)
		require.Empty(t, next)
		require.Len(t, entries, 1)
		return entries[0]
	}
	t.Run("row157", func(t *testing.T) {
		require.Equal(t, "+447700900001", entry().Mobile)
		require.NoError(t, h.accounts.HideMobile(ctx, session, true))
		require.Empty(t, entry().Mobile)
		h.lock(a.Address)
		token, code, _ := h.answered(a.Address, "0001")
		require.NoError(t, h.accounts.FinishRecovery(ctx, token, code, mailpolicy.UnlockOnly, nil))

		err := h.accounts.DeleteMobile(ctx, session, false)
		refused(t, "mail.mobile.delete", err)
		require.Contains(t, next(t, err)[0], "Hide")
		seen, err := h.accounts.Account(ctx, a.Address)
		require.NoError(t, err)
		require.NotEmpty(t, seen.Mobile)
		require.NoError(t, h.accounts.DeleteMobile(ctx, session, true))
		h.lock(a.Address)
		seen, err = h.accounts.Account(ctx, a.Address)
		require.NoError(t, err)
		require.False(t, seen.ShowUnlock())
		rec, err := h.accounts.StartRecovery(ctx, a.Address)
		require.NoError(t, err)
		_, err = h.accounts.AnswerRecovery(ctx, rec.Token, answersTo(rec.Questions), "0001")
		refused(t, "mail.recovery.answers", err)
		_, err = h.accounts.AnswerRecovery(ctx, rec.Token, answersTo(rec.Questions), "")
		refused(t, "mail.recovery.answers", err)
	})
	require.NoError(t, h.accounts.HideMobile(ctx, session, false))
	require.Empty(t, entry().Mobile)
	// A directory goes on where it stopped, over those who are not in it.
	b := h.active(2)
	require.NoError(t, h.accounts.Delete(ctx, nas, a.Address))
	entries, after, err := h.accounts.Directory(ctx, "VLX12", "", 1)
	require.NoError(t, err)
	require.Empty(t, entries)
	entries, _, err = h.accounts.Directory(ctx, "VLX12", after, 1)
	require.NoError(t, err)
	require.Equal(t, b.Address, entries[0].Address)
}

// characters are those of the answer that the desk asks for.
func characters(t *testing.T, q mailpolicy.DeskQuestion) string {
	t.Helper()
	for _, known := range questions {
		if known.Question == q.Question {
			var said []rune
			for _, at := range q.Places {
				said = append(said, []rune(known.Answer)[at-1])
			}
			return string(said)
		}
	}
	require.Fail(t, "no such question", q.Question)
	return ""
}

func TestHelpdesk(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	a := h.active(1)
	t.Run("row155", func(t *testing.T) {
		b, password := h.opened(2)
		none, err := h.accounts.HelpdeskQuestion(ctx, nas, b.Address)
		require.NoError(t, err)
		require.Empty(t, none)
		require.NoError(t, h.accounts.HelpdeskVerify(ctx, nas, mailpolicy.Caller{Address: b.Address, Mobile: "07700 900002"}), "no third check")
		refused(t, "mail.account.unactivated", h.accounts.HelpdeskReset(ctx, nas, mailpolicy.Caller{Address: b.Address, Mobile: "07700 900002"}, ""))
		_, err = h.signIn(b.Address, password)
		require.NoError(t, err)

		q, err := h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
		require.NoError(t, err)
		require.Len(t, q.Places, 3)
		same, err := h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
		require.NoError(t, err)
		require.Equal(t, q, same)
		caller := mailpolicy.Caller{Address: "Asha.Patel1@nhs.net", Mobile: "+44 7700 900001", Characters: strings.ToUpper(characters(t, q))}
		for _, bad := range []mailpolicy.Caller{
			{Address: a.Address, Mobile: caller.Mobile}, {Address: a.Address, Mobile: "07700 900002", Characters: caller.Characters},
		} {
			refused(t, "mail.desk.unverified", h.accounts.HelpdeskVerify(ctx, nas, bad))
		}
		refused(t, "mail.desk.unverified", h.accounts.HelpdeskVerify(ctx, nas, mailpolicy.Caller{Address: "nobody@nhs.net", Mobile: caller.Mobile}))
		refused(t, "mail.role", h.accounts.HelpdeskVerify(ctx, local, caller))
		require.NoError(t, h.accounts.HelpdeskVerify(ctx, nas, caller))
		asked := map[string]bool{q.Question: true}
		for range 2 {
			q, err = h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
			require.NoError(t, err)
			asked[q.Question] = true
			caller.Characters = characters(t, q)
			require.NoError(t, h.accounts.HelpdeskVerify(ctx, nas, caller))
		}
		require.Len(t, slices.Collect(maps.Keys(asked)), 3, "each in its turn")
		for range 3 {
			refused(t, "mail.desk.unverified", h.accounts.HelpdeskVerify(ctx, nas, mailpolicy.Caller{Address: a.Address}))
		}
		refused(t, "mail.recovery.blocked", h.accounts.HelpdeskVerify(ctx, nas, caller))
		h.machine.forward(time.Hour)
		// The key is not in the store, and what is there is no good without it.
		h.key = nil
		h.start()
		_, err = h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
		refused(t, "mail.desk.nokey", err)
		refused(t, "mail.desk.nokey", h.accounts.HelpdeskVerify(ctx, nas, caller))
		other := sha256.Sum256([]byte("another key"))
		h.key = other[:]
		h.start()
		q, err = h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
		require.NoError(t, err)
		caller.Characters = characters(t, q)
		refused(t, "mail.desk.unverified", h.accounts.HelpdeskVerify(ctx, nas, caller))
		h.key = testKey()
		h.start()
		require.NoError(t, h.accounts.HelpdeskVerify(ctx, nas, caller))
	})
	t.Run("row156", func(t *testing.T) {
		box, err := h.accounts.OpenShared(ctx, applicant, "VLX12", a.Address)
		require.NoError(t, err)
		_, err = h.accounts.OpenSite(ctx, applicant, mailpolicy.Site{ODS: "AB123"})
		require.NoError(t, err)
		stranger, err := h.accounts.Open(ctx, applicant, mailpolicy.NewAccount{Site: "AB123", Address: "b@nhs.net", Name: "B", Mobile: "07700900001"})
		require.NoError(t, err)
		foreign, err := h.accounts.OpenShared(ctx, applicant, "AB123", stranger.Address)
		require.NoError(t, err)
		const another = "07700 900888"
		reset := func(to string) error {
			q, err := h.accounts.HelpdeskQuestion(ctx, nas, a.Address)
			require.NoError(t, err)
			return h.accounts.HelpdeskReset(ctx, nas, mailpolicy.Caller{Address: a.Address, Mobile: "07700900001", Characters: characters(t, q)}, to)
		}
		refused(t, "mail.mobile.unconfirmed", reset(another))
		for _, from := range []string{a.Address, stranger.Address, foreign.Address, "care.VLX12@nhs.net.example", "", fmt.Sprintf("%s <%s>", box.Address, a.Address)} {
			refused(t, "mail.mobile.unconfirmed", h.accounts.AuthoriseMobile(ctx, nas, a.Address, another, from))
		}
		refused(t, "mail.role", h.accounts.AuthoriseMobile(ctx, local, a.Address, another, box.Address))
		refused(t, "mail.account.form", h.accounts.AuthoriseMobile(ctx, nas, a.Address, "+1 212 555 0100", box.Address))
		require.NoError(t, h.accounts.AuthoriseMobile(ctx, nas, a.Address, another, "CARE.vlx12@nhs.net"))
		refused(t, "mail.mobile.unconfirmed", reset("07700 900999"))
		h.lock(a.Address)
		session := len(h.texts())
		require.NoError(t, reset(another))
		texts := h.texts()
		require.Len(t, texts, session+1)
		require.Equal(t, "+447700900888", texts[session].To)
		_, err = h.signIn(a.Address, []byte(lasting))
		refused(t, "mail.password.wrong", err)
		s, err := h.signIn(a.Address, []byte(texts[session].LastLine()))
		require.NoError(t, err)
		require.Equal(t, []mailpolicy.Step{mailpolicy.ChangePassword}, s.Account.Steps)
		require.NoError(t, h.accounts.ChangePassword(ctx, s.Token, []byte("brand-new-sentence")))
		refused(t, "mail.mobile.unconfirmed", reset(another)) // for one password only
		require.NoError(t, reset(""))
		texts = h.texts()
		require.Equal(t, "+447700900001", texts[len(texts)-1].To)
	})
}
