// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/sqlstore"
)

func Example() {
	dir, err := os.MkdirTemp("", "wardkey-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	ledger, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ledger.Close()
	ca, err := pkitest.Open(pkitest.Config{Ledger: ledger})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ca.Close()
	cert := ca.Pair(pkitest.Revoked).Certificates[0]
	status, err := ca.Status(context.Background(), cert.SerialNumber)
	fmt.Println(status.State, status.Reason, err)
	// Output: revoked 1 <nil>
}
