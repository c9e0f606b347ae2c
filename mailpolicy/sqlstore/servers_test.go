// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

var (
	manager = mailpolicy.Actor{ID: "manager of The Elms", Role: mailpolicy.SiteApplicant}
	desk    = mailpolicy.Actor{ID: "careadmin", Role: mailpolicy.AdministrationService}
)

func service(t *testing.T, s mailpolicy.Store, phone mailpolicy.Sender) *mailpolicy.Accounts {
	t.Helper()
	a, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: s, Sender: phone})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close(context.Background())) })
	return a
}

func application(n int) mailpolicy.NewAccount {
	return mailpolicy.NewAccount{Site: "VLX12", Address: fmt.Sprintf("person%d@nhs.net", n), Name: "Po Li", Mobile: fmt.Sprintf("07700 9%05d", n)}
}

// onBoth runs a test on either kind of database, with a handle for each server.
func onBoth(t *testing.T, fn func(t *testing.T, dbs [2]*sql.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "mail.db")
		var dbs [2]*sql.DB
		for i := range dbs {
			db, err := sqlkit.OpenSQLite(file)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			dbs[i] = db
		}
		fn(t, dbs)
	})
	t.Run("postgres", func(t *testing.T) {
		db := postgrestest.Open(t)
		fn(t, [2]*sql.DB{db, db})
	})
}

// Two servers that sweep at once write each account's end down once, and to the
// second.
func TestServersSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, dbs [2]*sql.DB) {
		ctx := t.Context()
		phone := new(mailtest.Phone)
		var ahead atomic.Int64
		began := time.Date(2027, 2, 28, 9, 0, 0, 0, time.UTC) // a summer time begins within the days that follow
		now := func() time.Time { return began.Add(time.Duration(ahead.Load())) }
		var servers [2]*mailpolicy.Accounts
		for i, db := range dbs {
			store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Now: now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, store.Close()) })
			servers[i], err = mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: phone, Now: now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, servers[i].Close(context.Background())) })
		}
		_, err := servers[0].OpenSite(ctx, manager, mailpolicy.Site{ODS: "VLX12", Name: "The Elms"})
		require.NoError(t, err)
		for n := range 10 {
			_, err := servers[n%2].Open(ctx, manager, application(n))
			require.NoError(t, err)
		}
		for i, action := range []string{"mail.account.inactive", "mail.account.deleted", "mail.account.removed"} {
			for _, at := range []time.Duration{time.Duration(i+1)*30*24*time.Hour - time.Second, time.Duration(i+1) * 30 * 24 * time.Hour} {
				ahead.Store(int64(at))
				for _, err := range atOnce(8, func(i int) error { _, err := servers[i%2].Due(ctx); return err }) {
					require.NoError(t, err)
				}
				want := 10
				if at%(24*time.Hour) != 0 {
					want = 0
				}
				require.Equal(t, want, rows(t, dbs[0], "mail_audit WHERE action = $1", action), "%s after %v", action, at)
			}
		}
		_, err = servers[1].VerifyAudit(ctx)
		require.NoError(t, err)
	})
}

// Two servers on one database keep to a site's limits, and its shared mailboxes
// their last owner.
func TestServers(t *testing.T) { onBoth(t, twoServers) }

func twoServers(t *testing.T, dbs [2]*sql.DB) {
	t.Helper()
	ctx := t.Context()
	phone := new(mailtest.Phone)
	servers := []*mailpolicy.Accounts{service(t, open(t, dbs[0]), phone), service(t, open(t, dbs[1]), phone)}
	_, err := servers[0].OpenSite(ctx, manager, mailpolicy.Site{ODS: "VLX12", Name: "The Elms"})
	require.NoError(t, err)
	for n := range 9 {
		_, err := servers[n%2].Open(ctx, manager, application(n))
		require.NoError(t, err)
	}
	t.Run("threat053", func(t *testing.T) {
		requireGood(t, 1, "mail.quota.accounts", atOnce(50, func(i int) error {
			_, err := servers[i%2].Open(ctx, manager, application(100+i))
			return err
		}))
		require.NoError(t, servers[1].GrantShared(ctx, desk, "VLX12", 1, "application of 3 November"))
		requireGood(t, 2, "mail.quota.shared", atOnce(50, func(i int) error {
			_, err := servers[i%2].OpenShared(ctx, manager, "VLX12", "person0@nhs.net")
			return err
		}))
	})
	boxes, err := servers[0].SiteShared(ctx, "VLX12")
	require.NoError(t, err)
	tokens := []string{enter(t, servers[0], phone, 0), enter(t, servers[1], phone, 1)}
	owners := []string{"person0@nhs.net", "person1@nhs.net"}
	t.Run("threat054", func(t *testing.T) {
		for name, away := range map[string]func(i int) error{
			"each takes the other out": func(i int) error { return servers[i].RemoveMember(ctx, tokens[i], boxes[0].Address, owners[1-i]) },
			"each makes the other a member": func(i int) error {
				return servers[i].SetMember(ctx, tokens[i], boxes[0].Address, owners[1-i], mailpolicy.Member)
			},
			"each steps down": func(i int) error { return servers[i].RemoveMember(ctx, tokens[i], boxes[0].Address, owners[i]) },
			"each marks the other as leaving": func(i int) error {
				return servers[i].MarkLeaver(ctx, tokens[i], owners[1-i])
			},
			"two clerks delete one each": func(i int) error { return servers[i].Delete(ctx, desk, owners[i]) },
		} {
			both(t, servers, tokens, boxes, owners)
			errs := atOnce(2, away)
			require.True(t, (errs[0] == nil) != (errs[1] == nil), "%s: %v", name, errs)
			back(t, servers[0], owners)
			tokens = []string{signIn(t, servers[0], owners[0]), signIn(t, servers[1], owners[1])}
		}
	})
	t.Run("a free place is taken once", func(t *testing.T) {
		require.NoError(t, servers[0].Delete(ctx, desk, "person5@nhs.net"))
		requireGood(t, 1, "mail.quota.accounts mail.account.live", atOnce(20, func(i int) error {
			if i < 10 {
				return servers[i%2].Restore(ctx, desk, "person5@nhs.net")
			}
			_, err := servers[i%2].Open(ctx, manager, application(200+i))
			return err
		}))
	})
	_, err = servers[1].VerifyAudit(ctx)
	require.NoError(t, err)
}

// both makes both people owners of all the mailboxes.
func both(t *testing.T, servers []*mailpolicy.Accounts, tokens []string, boxes []mailpolicy.Shared, owners []string) {
	t.Helper()
	for _, box := range boxes {
		by := 0
		if as, err := servers[0].CanOpenShared(t.Context(), tokens[0], box.Address); err != nil || as != mailpolicy.Owner {
			by = 1
		}
		require.NoError(t, servers[by].SetMember(t.Context(), tokens[by], box.Address, owners[1-by], mailpolicy.Owner))
	}
}

// back has whoever was sent away return to the site.
func back(t *testing.T, a *mailpolicy.Accounts, owners []string) {
	t.Helper()
	for _, address := range owners {
		account, err := a.Account(t.Context(), address)
		require.NoError(t, err)
		switch account.State {
		case mailpolicy.Deleted:
			require.NoError(t, a.Restore(t.Context(), desk, address))
		case mailpolicy.Leaver:
			require.NoError(t, a.Join(t.Context(), desk, address, "VLX12"))
		}
	}
}

// requireGood requires that so many were done, and the others refused by one of
// some rules.
func requireGood(t *testing.T, want int, rules string, errs []error) {
	t.Helper()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		require.Contains(t, strings.Fields(rules), wardkey.RuleOf(err), err)
	}
	require.Equal(t, want, good)
}

func atOnce(n int, fn func(i int) error) []error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range errs {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	return errs
}

// enter takes a person through the first login.
func enter(t *testing.T, a *mailpolicy.Accounts, phone *mailtest.Phone, n int) string {
	t.Helper()
	ctx := t.Context()
	address := application(n).Address
	var password string
	require.Eventually(t, func() bool {
		for _, text := range phone.Texts() {
			if strings.Contains(text.Body, " "+address+" ") {
				password = text.LastLine()
			}
		}
		return password != ""
	}, time.Minute, 5*time.Millisecond)
	s, err := a.SignIn(ctx, address, []byte(password))
	require.NoError(t, err)
	require.NoError(t, a.ChangePassword(ctx, s.Token, []byte(chosen)))
	require.NoError(t, a.SetQuestions(ctx, s.Token, []mailpolicy.Question{{Question: "1?", Answer: "Elm Row"}, {Question: "2?", Answer: "Northgate"}, {Question: "3?", Answer: "Biscuit"}}))
	require.NoError(t, a.AcceptPolicy(ctx, s.Token, "1"))
	return s.Token
}

func signIn(t *testing.T, a *mailpolicy.Accounts, address string) string {
	t.Helper()
	s, err := a.SignIn(t.Context(), address, []byte(chosen))
	require.NoError(t, err)
	return s.Token
}
