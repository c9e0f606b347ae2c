// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "mail.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	phone := &mailtest.Phone{}
	accounts, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: phone})
	if err != nil {
		fmt.Println(err)
		return
	}
	manager := mailpolicy.Actor{ID: "manager of The Elms", Role: mailpolicy.SiteApplicant}
	if _, err := accounts.OpenSite(ctx, manager, mailpolicy.Site{ODS: "VLX12", Name: "The Elms"}); err != nil {
		fmt.Println(err)
		return
	}
	account, err := accounts.Open(ctx, manager, mailpolicy.NewAccount{
		Site: "VLX12", Address: "asha.patel@nhs.net", Name: "Asha Patel", Mobile: "07700 900123",
	})
	fmt.Println(account.State, err)
	fmt.Println(accounts.CanSend(ctx, account.Address))
	fmt.Println(accounts.Close(ctx), len(phone.Texts()), phone.Texts()[0].To)
	// Output:
	// applied <nil>
	// mail.aup.pending: This account can't do that yet: still to do are a new password, security questions, the acceptable use policy.
	// <nil> 1 +447700900123
}
