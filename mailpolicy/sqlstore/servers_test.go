// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

var manager = mailpolicy.Actor{ID: "manager of The Elms", Role: mailpolicy.SiteApplicant}

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

// Two servers on one database keep to a site's limit, and a shared mailbox its
// last owner.
func TestServersOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	ctx := t.Context()
	phone := new(mailtest.Phone)
	servers := []*mailpolicy.Accounts{service(t, open(t, db), phone), service(t, open(t, db), phone)}
	_, err := servers[0].OpenSite(ctx, manager, mailpolicy.Site{ODS: "VLX12", Name: "The Elms"})
	require.NoError(t, err)
	for n := range 9 {
		_, err := servers[n%2].Open(ctx, manager, application(n))
		require.NoError(t, err)
	}
	errs := atOnce(50, func(i int) error {
		_, err := servers[i%2].Open(ctx, manager, application(100+i))
		return err
	})
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		require.Equal(t, "mail.quota.accounts", wardkey.RuleOf(err), err)
	}
	require.Equal(t, 1, good)

	box, err := servers[0].OpenShared(ctx, manager, "VLX12", "person0@nhs.net")
	require.NoError(t, err)
	tokens := []string{enter(t, servers[0], phone, 0), enter(t, servers[1], phone, 1)}
	require.NoError(t, servers[0].SetMember(ctx, tokens[0], box.Address, "person1@nhs.net", mailpolicy.Owner))
	errs = atOnce(2, func(i int) error {
		return servers[i].RemoveMember(ctx, tokens[i], box.Address, fmt.Sprintf("person%d@nhs.net", 1-i))
	})
	require.True(t, (errs[0] == nil) != (errs[1] == nil), "%v", errs)
	boxes, err := servers[0].SiteShared(ctx, "VLX12")
	require.NoError(t, err)
	require.Len(t, boxes[0].Owners, 1)
	_, err = servers[1].VerifyAudit(ctx)
	require.NoError(t, err)
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
	require.NoError(t, a.ChangePassword(ctx, s.Token, []byte("correct-horse-battery")))
	require.NoError(t, a.SetQuestions(ctx, s.Token, []mailpolicy.Question{{Question: "1?", Answer: "Elm Row"}, {Question: "2?", Answer: "Northgate"}, {Question: "3?", Answer: "Biscuit"}}))
	require.NoError(t, a.AcceptPolicy(ctx, s.Token, "1"))
	return s.Token
}
