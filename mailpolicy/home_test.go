// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// home is a care home with its accounts in a database of its own.
type home struct {
	t        *testing.T
	db       *sql.DB
	store    *sqlstore.Store
	phone    *mailtest.Phone
	log      *bytes.Buffer
	accounts *mailpolicy.Accounts
	clock    atomic.Int64
	machine  *machine
	key      []byte

	blocklist mailpolicy.Blocklist
	rules     *wardkey.Rulebook
}

// machine is the machine's clock, which stands still until it is moved.
type machine struct{ ahead atomic.Int64 }

func (m *machine) now() time.Time { return today.Add(time.Duration(m.ahead.Load())) }

func (m *machine) forward(d time.Duration) { m.ahead.Add(int64(d)) }

// testKey is the service's key.
func testKey() []byte { return bytes.Repeat([]byte("k"), 32) }

var (
	applicant = mailpolicy.Actor{ID: "manager of The Elms", Role: mailpolicy.SiteApplicant}
	local     = mailpolicy.Actor{ID: "la@nhs.net", Role: mailpolicy.LocalAdministrator}
	nas       = mailpolicy.Actor{ID: "careadmin", Role: mailpolicy.AdministrationService}
)

const lasting = "correct-horse-battery"

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, phone: &mailtest.Phone{}, log: &bytes.Buffer{}, machine: &machine{}, key: testKey()}
	h.clock.Store(today.Unix())
	var err error
	h.db, err = sql.Open("sqlite3", "file:"+filepath.Join(t.TempDir(), "mail.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.db.Close() })
	h.store, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: h.db, Now: h.now, Wall: h.machine.now})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.store.Close() })
	h.start()
	_, err = h.accounts.OpenSite(t.Context(), applicant, mailpolicy.Site{ODS: "vlx12", Name: "The Elms", CQCLocation: "1-101"})
	require.NoError(t, err)
	return h
}

func (h *home) now() time.Time { return time.Unix(h.clock.Load(), 0) }

func (h *home) forward(d time.Duration) { h.clock.Add(int64(d / time.Second)) }

// start makes the service as a process does when it begins.
func (h *home) start() {
	var err error
	h.accounts, err = mailpolicy.NewAccounts(mailpolicy.AccountsConfig{
		Store: h.store, Sender: h.phone, PolicyVersion: "2026-1", Key: h.key, Blocklist: h.blocklist, Rules: h.rules, Now: h.now, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = h.accounts.Close(context.Background()) })
}

// texts waits for the texts and starts the service anew.
func (h *home) texts() []mailtest.Text {
	require.NoError(h.t, h.accounts.Close(h.t.Context()))
	h.start()
	return h.phone.Texts()
}

func (h *home) open(n int) (mailpolicy.Account, error) {
	return h.accounts.Open(h.t.Context(), applicant, mailpolicy.NewAccount{
		Site: "VLX12", Address: fmt.Sprintf("Asha.Patel%d@nhs.net", n), Name: "Asha Patel", Mobile: fmt.Sprintf("07700 9%05d", n), Purpose: "residents' direct care",
	})
}

// opened returns an account and its activation password.
func (h *home) opened(n int) (mailpolicy.Account, []byte) {
	h.t.Helper()
	a, err := h.open(n)
	require.NoError(h.t, err)
	texts := h.texts()
	return a, []byte(texts[len(texts)-1].LastLine())
}

func (h *home) signIn(address string, password []byte) (*mailpolicy.PortalSession, error) {
	return h.accounts.SignIn(h.t.Context(), address, password)
}

var questions = []mailpolicy.Question{{Question: "First street?", Answer: "Elm Row"}, {Question: "First school?", Answer: "Northgate"}, {Question: "First pet?", Answer: "Biscuit"}}

// active takes an account through its first login.
func (h *home) active(n int) mailpolicy.Account {
	h.t.Helper()
	a, password := h.opened(n)
	s, err := h.signIn(a.Address, password)
	require.NoError(h.t, err)
	require.NoError(h.t, h.accounts.ChangePassword(h.t.Context(), s.Token, []byte(lasting)))
	require.NoError(h.t, h.accounts.SetQuestions(h.t.Context(), s.Token, questions))
	require.NoError(h.t, h.accounts.AcceptPolicy(h.t.Context(), s.Token, "2026-1"))
	return a
}

// fiftyAtOnce counts those of fifty at once that were not refused by a rule.
func fiftyAtOnce(t *testing.T, rule string, fn func(i int) error) (good int) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		refused(t, rule, err)
	}
	return good
}

func refused(t *testing.T, rule string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, rule, wardkey.RuleOf(err), err)
}
