// SPDX-License-Identifier: Apache-2.0

package alone_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// opened is a program that runs, and its hospital.
func opened(t *testing.T, now func() time.Time) (*alonetest.Running, *alone.Hospital) {
	t.Helper()
	p := alonetest.Everything()
	p.Now = now
	var hospital *alone.Hospital
	before := p.Opened
	p.Opened = func(ctx context.Context, h *alone.Hospital) error {
		hospital = h
		return before(ctx, h)
	}
	return alonetest.Start(t, p, "-dir", t.TempDir()), hospital
}

// What takes its whole time to end, such as a relying party that does not answer, costs the others nothing: unlock codes
// still leave.
func TestCloseGivesEachItsTime(t *testing.T) {
	r, h := opened(t, nil)
	var late error
	h.AtClose(func(ctx context.Context) error { late = ctx.Err(); return nil })
	h.AtClose(func(ctx context.Context) error { <-ctx.Done(); return nil })
	require.Zero(t, r.Stop())
	require.NoError(t, late)
}

// The calendar works on mail accounts too: what can't be restored any more is forgotten.
func TestMailAccountsAge(t *testing.T) {
	var ahead atomic.Int64
	_, h := opened(t, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	by := mailpolicy.Actor{ID: "test", Role: mailpolicy.AdministrationService}
	_, err := h.Mail.Open(t.Context(), by, mailpolicy.NewAccount{Site: "RWK01", Address: "tom.birch@nhs.net", Name: "Tom Birch", Mobile: "07700 900123", Purpose: "test"})
	require.NoError(t, err)
	ahead.Store(int64(2 * 365 * 24 * time.Hour))
	require.Eventually(t, func() bool {
		var name string
		require.NoError(t, h.DB.QueryRowContext(t.Context(), "SELECT name FROM mail_account WHERE address = 'tom.birch@nhs.net'").Scan(&name))
		return name == ""
	}, time.Minute, 50*time.Millisecond)
}
