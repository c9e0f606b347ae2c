// SPDX-License-Identifier: Apache-2.0

package wardkey_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
)

func TestRefusalTravelsWithoutItsCause(t *testing.T) {
	secret := errors.New("code 12345678 of card 0042")
	at := time.Date(2027, 2, 28, 23, 59, 59, 0, time.UTC)
	refusal := book(t).Refuse("cert.expired", "notAfter", "1 March 2027").Because(secret).RetryAfter(at).ResolvedTo("ra@example.nhs.uk")

	require.ErrorIs(t, refusal, secret)
	require.NotContains(t, refusal.Error(), "12345678")

	rec := httptest.NewRecorder()
	wardkey.WriteProblem(rec, fmt.Errorf("signing in: %w", refusal))
	require.NotContains(t, rec.Body.String(), "12345678")
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))

	back, err := wardkey.ParseRefusal(rec.Result())
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, back.Status)
	require.Equal(t, refusal.Public, back.Public)
	require.Equal(t, []string{"Visit your Registration Authority."}, back.Next)
	require.Equal(t, "ra-agent", back.Fixer)
	require.Equal(t, "ra@example.nhs.uk", back.Contact)
	require.True(t, back.InPerson)
	require.Equal(t, at, back.RetryAt)
	require.Equal(t, refusal.Source, back.Source)
	require.Equal(t, "1 March 2027", back.Facts["notAfter"])
	require.Contains(t, back.Public, "1 March 2027")
}

func TestOtherErrorsTellNothing(t *testing.T) {
	rec := httptest.NewRecorder()
	wardkey.WriteProblem(rec, errors.New("dial tcp 10.0.0.7: password=hunter2"))
	require.Equal(t, http.StatusInternalServerError, rec.Code)
	require.NotContains(t, rec.Body.String(), "hunter2")
	refusal, err := wardkey.ParseRefusal(rec.Result())
	require.NoError(t, err)
	require.Equal(t, "internal", refusal.Rule)
}

func TestSeveralRefusalsAtOnce(t *testing.T) {
	b := book(t)
	err := fmt.Errorf("linking: %w", wardkey.Refusals{b.Refuse("cert.expired"), b.Refuse("no.such.row")})
	require.ErrorIs(t, err, b.Refuse("no.such.row"))
	rec := httptest.NewRecorder()
	wardkey.WriteProblem(rec, err)
	var wire struct {
		Type string
		Also []struct{ Type string }
	}
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &wire))
	require.Equal(t, "urn:wardkey:rule:cert.expired", wire.Type)
	require.Len(t, wire.Also, 1)
	require.Equal(t, "urn:wardkey:rule:no.such.row", wire.Also[0].Type)
}

func TestParseRefusalRefusesOtherAnswers(t *testing.T) {
	for name, c := range map[string]struct{ kind, body string }{
		"html":               {"text/html", "<p>no</p>"},
		"another problem":    {"application/problem+json", `{"type":"about:blank","status":500}`},
		"rule unlike type":   {"application/problem+json", `{"type":"urn:wardkey:rule:a","rule":"b"}`},
		"not json":           {"application/problem+json; charset=utf-8", "oops"},
		"nothing at all":     {"application/problem+json", ""},
		"longer than bounds": {"application/problem+json", `{"type":"urn:wardkey:rule:a","title":"` + strings.Repeat("x", 1<<20) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.Header().Set("Content-Type", c.kind)
			_, err := rec.WriteString(c.body)
			require.NoError(t, err)
			refusal, err := wardkey.ParseRefusal(rec.Result())
			require.Error(t, err)
			require.Nil(t, refusal)
		})
	}
}

type ruled struct{ error }

func (ruled) Rule() string { return "card.locked" }

func TestRuleOf(t *testing.T) {
	require.Equal(t, "card.locked", wardkey.RuleOf(fmt.Errorf("signing: %w", ruled{errors.New("CKR_PIN_LOCKED")})))
	require.Equal(t, "cert.expired", wardkey.RuleOf(book(t).Refuse("cert.expired").Because(ruled{errors.New("x")})))
	require.Empty(t, wardkey.RuleOf(errors.New("plain")))
	require.Empty(t, wardkey.RuleOf(nil))
}

func ExampleRefusal() {
	book, err := wardkey.ParseRulebook([]byte(`{
	  "sources": {"S1": {"document": "Smartcard users", "date": "2025-04-02"}},
	  "rules": [],
	  "refusals": [{"id": "cert.expired", "status": 403, "source": "S1",
	    "public": "This card's certificates ended on {notAfter}.", "fixer": "ra-agent",
	    "next": ["Visit your Registration Authority with the card."], "inPerson": true}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = fmt.Errorf("signing in: %w", book.Refuse("cert.expired", "notAfter", "1 March 2027"))

	var no *wardkey.Refusal
	if errors.As(err, &no) {
		fmt.Println(no.Rule)
		fmt.Println(no.Public)
		fmt.Println(no.Fixer, no.InPerson, no.Next[0])
		fmt.Println(no.Source.Document, no.Source.Date)
	}
	// Output:
	// cert.expired
	// This card's certificates ended on 1 March 2027.
	// ra-agent true Visit your Registration Authority with the card.
	// Smartcard users 2025-04-02
}
