// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// refused asks for a refusal by a rule, as a caller sees it.
func refused(t *testing.T, err error, rule string) *wardkey.Refusal {
	t.Helper()
	var no *wardkey.Refusal
	require.ErrorAs(t, err, &no)
	require.Equal(t, rule, no.Rule, no.Public)
	require.NotEmpty(t, no.Source.Document)
	require.NotEmpty(t, no.Next)
	require.NotContains(t, no.Public, "{", "a fact is missing in %s", rule)
	for _, step := range no.Next {
		require.NotContains(t, step, "{", "a fact is missing in %s", rule)
	}
	return no
}

// audit returns the whole audit, newest last.
func audit(t *testing.T, h *careidtest.Hospital) []careid.AuditEntry {
	t.Helper()
	rows, err := h.Service.Audit(context.Background(), careid.Operator("test"), 0, 10_000)
	require.NoError(t, err)
	return rows
}

// audited runs do and returns the rows that it left.
func audited(t *testing.T, h *careidtest.Hospital, do func()) []careid.AuditEntry {
	t.Helper()
	before := len(audit(t, h))
	do()
	return audit(t, h)[before:]
}

// noSecret asks that none of these stands in any row.
func noSecret(t *testing.T, rows []careid.AuditEntry, secrets ...string) {
	t.Helper()
	for _, row := range rows {
		for _, secret := range secrets {
			require.False(t, strings.Contains(row.Actor+row.Action+row.Subject+row.Detail, secret), "a secret stands in %+v", row)
		}
	}
}

func actor(t *testing.T, h *careidtest.Hospital, p careidtest.Person, role careid.Role) careid.Actor {
	t.Helper()
	a, err := h.Actor(context.Background(), p, role)
	require.NoError(t, err)
	return a
}

func signIn(t *testing.T, h *careidtest.Hospital, c *careidtest.Card) *careidtest.SignedIn {
	t.Helper()
	in, err := h.SignIn(context.Background(), c)
	require.NoError(t, err)
	return in
}
