// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestRulebook(t *testing.T) {
	book, err := careid.Rules()
	require.NoError(t, err)
	day := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

	t.Run("values", func(t *testing.T) {
		p, err := careid.PolicyAt(book, day)
		require.NoError(t, err)
		require.Equal(t, 3, p.CertYears)
		require.Equal(t, 8*time.Hour, p.SessionMax)
		require.Equal(t, 8, p.CodeDigits)
		require.Equal(t, 10*time.Minute, p.CodeFromSent)
		require.Equal(t, 15*time.Minute, p.CodeFromStart)
		require.Equal(t, careid.BindingClose, p.Binding)
		_, err = careid.PolicyAt(book, time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC))
		require.ErrorContains(t, err, "session.max", "a day without rules has no policy")
	})
	t.Run("the loser of a contradiction is still listed", func(t *testing.T) {
		history := book.History("cert.validity") // C24
		require.Len(t, history, 2)
		require.JSONEq(t, "2", string(history[0].Value))
		require.Equal(t, "two years", history[1].Supersedes)
		for _, id := range []string{"unlock.life.start", "unlock.life.sent"} { // C27
			require.Len(t, book.History(id), 1)
		}
	})
	t.Run("row092", func(t *testing.T) {
		_, inForce := book.At("signin.page", day)
		require.False(t, inForce)
		require.Len(t, book.History("signin.page"), 1)
	})
	t.Run("row042", func(t *testing.T) {
		overlay := func(id string, value any, unit, tighter string) (*wardkey.Rulebook, error) {
			text, err := json.Marshal(map[string]any{
				"sources": map[string]any{"Trust": map[string]string{"document": "Trust policy", "date": "2026-01-01"}},
				"rules":   []any{map[string]any{"id": id, "value": value, "unit": unit, "from": "2026-01-01", "source": "Trust", "tighter": tighter}},
			})
			require.NoError(t, err)
			return book.Overlay(text)
		}
		tight, err := overlay("session.max", 4, "hours", "lower")
		require.NoError(t, err)
		h := careidtest.New(t, careidtest.Config{})
		c := h.Config
		c.Rules = tight
		own, err := careid.New(c)
		require.NoError(t, err)
		answer, err := h.Answer(t.Context(), h.Nurse.Card, careidtest.Claims{Bind: "c"})
		require.NoError(t, err)
		in, err := own.Redeem(t.Context(), answer.Result, []byte("c"))
		require.NoError(t, err)
		require.Equal(t, 4*time.Hour, in.Session.ExpiresAt.Sub(in.Session.AuthTime))
		_, err = overlay("session.max", 9, "hours", "lower")
		require.Error(t, err)
		_, err = overlay("contact.domains", []string{"nhs.net", "gmail.com"}, "list", "subset")
		require.Error(t, err)
	})
	t.Run("each refusal is complete", func(t *testing.T) {
		for _, id := range book.IDs() {
			no := book.Refuse(id)
			require.NotEmpty(t, no.Source.Document, id)
			require.NotEmpty(t, no.Fixer, id)
			require.NotEmpty(t, no.Next, id)
		}
	})
	t.Run("each id that the code refuses by has its row, and each row is used or the CA's", func(t *testing.T) {
		known := map[string]bool{}
		for _, id := range book.IDs() {
			known[id] = false
		}
		files, err := filepath.Glob("*.go")
		require.NoError(t, err)
		refusing := regexp.MustCompile(`(?:\.no\(|\.Refuse\(|refuseBy\(book, g, )"([^"]+)"`)
		var text strings.Builder
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(name)
			require.NoError(t, err)
			text.Write(source)
		}
		for _, found := range refusing.FindAllStringSubmatch(text.String(), -1) {
			if strings.HasSuffix(found[1], ".") {
				continue // card. and its state
			}
			require.Contains(t, known, found[1])
		}
		for id := range known {
			known[id] = strings.Contains(text.String(), `"`+id+`"`)
		}
		for _, state := range []careid.CardState{careid.CardOrdered, careid.CardCancelled, careid.CardLost, careid.CardReturned, careid.CardReplaced, careid.CardCleared} {
			require.Contains(t, known, "card."+string(state))
			known["card."+string(state)] = true
		}
		// What only a CA, a mail directory or a retry says: careidtest checks those against their rooms.
		for _, id := range []string{"act.conflict", "cert.expired", "cert.held", "cert.status", "key.weak", "mail.disabled", "reason.invalid", "signer.unavailable", "subject.invalid"} {
			known[id] = true
		}
		for id, used := range known {
			require.True(t, used, "nothing refuses by %s", id)
		}
	})
}

func TestNew(t *testing.T) {
	h := careidtest.New(t, careidtest.Config{})
	t.Run("threat065", func(t *testing.T) {
		for name, spoil := range map[string]func(*careid.Config){
			"no servers":    func(c *careid.Config) { c.Servers = nil },
			"empty server":  func(c *careid.Config) { c.Servers = []string{""} },
			"no origins":    func(c *careid.Config) { c.Origins = nil },
			"no store":      func(c *careid.Config) { c.Store = nil },
			"no CA":         func(c *careid.Config) { c.CA = nil },
			"no sender":     func(c *careid.Config) { c.Sender = nil },
			"no master":     func(c *careid.Config) { c.CardMaster = nil },
			"odd binding":   func(c *careid.Config) { c.Binding = "loose" },
			"negative size": func(c *careid.Config) { c.Queue = -1 },
		} {
			c := h.Config
			spoil(&c)
			_, err := careid.New(c)
			require.Error(t, err, name)
		}
		_, err := careid.NewSoftwareMaster([]byte("too short"))
		require.Error(t, err)
	})
	t.Run("a refusal is reached through any wrapping", func(t *testing.T) {
		_, err := h.Service.Session(t.Context(), "nobody's")
		wrapped := errors.Join(errors.New("page"), err)
		refused(t, wrapped, "session.none")
	})
	t.Run("threat062", func(t *testing.T) {
		rows, err := h.Service.VerifyAudit(t.Context())
		require.NoError(t, err)
		require.Greater(t, rows, int64(10))
		anchor, err := h.Service.AuditAnchor(t.Context())
		require.NoError(t, err)
		require.Equal(t, rows, anchor.Seq)
		line, err := json.Marshal(anchor)
		require.NoError(t, err)
		require.Regexp(t, `^{"room":"careid","seq":[0-9]+,"hash":"[A-Za-z0-9+/]{43}="}$`, string(line), "as the offline verifier reads it")
		var kept careid.Anchor
		require.NoError(t, json.Unmarshal(line, &kept))
		signIn(t, h, h.Nurse.Card)
		newest, err := h.Service.VerifyAuditAgainst(t.Context(), []careid.Anchor{kept})
		require.NoError(t, err)
		require.Greater(t, newest.Seq, kept.Seq)
		// The tail is cut by somebody who sets the head, too: the chain is whole, and the anchor shows it.
		for _, cut := range []string{
			"DELETE FROM careid_audit WHERE seq > 9",
			"UPDATE careid_audit_head SET seq = 9, hash = (SELECT hash FROM careid_audit WHERE seq = 9)",
		} {
			_, err = h.DB.Exec(cut)
			require.NoError(t, err)
		}
		_, err = h.Service.VerifyAudit(t.Context())
		require.NoError(t, err)
		_, err = h.Service.VerifyAuditAgainst(t.Context(), []careid.Anchor{kept})
		var broken *careid.BrokenAuditError
		require.ErrorAs(t, err, &broken)
		require.Equal(t, int64(10), broken.Seq)
		_, err = h.DB.Exec("UPDATE careid_audit SET actor = 'somebody else' WHERE seq = 7")
		require.NoError(t, err)
		_, err = h.Service.VerifyAudit(t.Context())
		require.ErrorAs(t, err, &broken)
		require.Equal(t, int64(7), broken.Seq)
	})
}
