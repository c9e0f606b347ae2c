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
// URL with a password is refused, also with that of a key: every user of the
// machine sees arguments. No error repeats the URL.
func Open(name string) (*sql.DB, error) {
	if !strings.Contains(name, "://") {
		return sqlkit.OpenSQLite(name)
	}
	if !strings.HasPrefix(name, "postgres://") && !strings.HasPrefix(name, "postgresql://") {
		return nil, errors.New("-db is neither a file nor the URL of a PostgreSQL server, which begins with postgres://")
	}
	u, err := url.Parse(name)
	if err != nil {
		return nil, errors.New("-db is not a URL")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("-db is not a URL: what follows its ? can't be read")
	}
	if _, found := u.User.Password(); found || query.Has("password") || query.Has("sslpassword") {
		return nil, errors.New("-db: arguments can be seen by every user, so the password has no place there; PGPASSWORD or a .pgpass file does")
	}
	return sql.Open("pgx", name)
}
