// SPDX-License-Identifier: Apache-2.0

// Package database opens what the -db of an example names: a file of SQLite, or a
// PostgreSQL server by URL.
//
//	db, err := database.Open("postgres://ward@db.example/hospital")
package database

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// Open makes the file where there is none; a server has to have its database. A
// URL with a password is refused: every user of the machine sees arguments.
func Open(name string) (*sql.DB, error) {
	if !strings.HasPrefix(name, "postgres://") && !strings.HasPrefix(name, "postgresql://") {
		return sqlkit.OpenSQLite(name)
	}
	u, err := url.Parse(name)
	if err != nil {
		return nil, errors.New("-db is not a URL") // the error would repeat it, with what may be a password
	}
	if _, found := u.User.Password(); found || u.Query().Has("password") {
		return nil, errors.New("-db: arguments can be seen by every user, so the password has no place there; PGPASSWORD or a .pgpass file does")
	}
	return sql.Open("pgx", name)
}
