// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"

	_ "github.com/ncruces/go-sqlite3/vfs/memdb" // registers the file system "memdb"
)

// OpenMemory opens a new, empty database in this process's memory, for tests:
// a pool like that of OpenSQLite, whose connections share it. It is gone when
// the pool is closed. Nothing in it is durable, and there is no write-ahead
// log: a commit waits for readers, for busyTimeout at most, so that a Write
// inside the function of a Read fails after that.
func OpenMemory() (*sql.DB, error) {
	query := url.Values{
		"vfs":     {"memdb"},
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout), "foreign_keys(on)"},
		"_txlock": {"immediate"},
	}
	name := url.URL{Scheme: "file", OmitHost: true, Path: "/" + rand.Text(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite3", name.String())
	if err != nil {
		return nil, fmt.Errorf("sqlkit: opening a database in memory: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return db, nil
}
