// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// must ends an example that can't go on.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// An account from its application to its recovery. A portal calls the same from
// its pages; the phone stands for the texts.
func Example_account() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "mail")
	must(err)
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "mail.db"))
	must(err)
	defer func() { _ = db.Close() }()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	must(err)
	defer func() { _ = store.Close() }()
	phone := &mailtest.Phone{}
	accounts, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: phone})
	must(err)
	defer func() { _ = accounts.Close(ctx) }()

	// A site applies for an account; its activation password goes out by text.
	manager := mailpolicy.Actor{ID: "manager of The Elms", Role: mailpolicy.SiteApplicant}
	_, err = accounts.OpenSite(ctx, manager, mailpolicy.Site{ODS: "VLX12", Name: "The Elms"})
	must(err)
	account, err := accounts.Open(ctx, manager, mailpolicy.NewAccount{
		Site: "VLX12", Address: "asha.patel@nhs.net", Name: "Asha Patel", Mobile: "07700 900123", Purpose: "direct care",
	})
	must(err)
	fmt.Println(account.State)

	// The first login has three steps, in any order; then mail can be sent.
	session, err := accounts.SignIn(ctx, account.Address, []byte(phone.Wait(1).LastLine()))
	must(err)
	password := []byte("correct-horse-battery")
	must(accounts.ChangePassword(ctx, session.Token, password))
	must(accounts.SetQuestions(ctx, session.Token, []mailpolicy.Question{
		{Question: "First street?", Answer: "Elm Row"}, {Question: "First school?", Answer: "Northgate"}, {Question: "First pet?", Answer: "Biscuit"},
	}))
	fmt.Println(accounts.CanSend(ctx, account.Address))
	must(accounts.AcceptPolicy(ctx, session.Token, "1"))
	fmt.Println(accounts.CanSend(ctx, account.Address))

	// Five wrong passwords lock it.
	for range 5 {
		_, _ = accounts.SignIn(ctx, account.Address, []byte("not-the-password"))
	}
	account, err = accounts.Account(ctx, account.Address)
	must(err)
	fmt.Println(account.State, account.ShowUnlock())

	// Its holder opens it again: some of the questions and four digits begin it,
	// a texted code ends it.
	recovery, err := accounts.StartRecovery(ctx, account.Address)
	must(err)
	answers := map[string]string{"First street?": "Elm Row", "First school?": "Northgate", "First pet?": "Biscuit"}
	var given []string
	for _, question := range recovery.Questions {
		given = append(given, answers[question])
	}
	offered, err := accounts.AnswerRecovery(ctx, recovery.Token, given, "0123")
	must(err)
	fmt.Println(len(recovery.Questions), "questions;", offered)
	must(accounts.FinishRecovery(ctx, recovery.Token, phone.Wait(2).LastLine(), mailpolicy.UnlockOnly, nil))
	_, err = accounts.SignIn(ctx, account.Address, password)
	fmt.Println(err)
	// Output:
	// applied
	// mail.aup.pending: This account can't do that yet: still to do are the acceptable use policy.
	// <nil>
	// locked true
	// 2 questions; [unlock-and-reset unlock]
	// <nil>
}
