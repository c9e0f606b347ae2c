// SPDX-License-Identifier: Apache-2.0

// Command auditcheck verifies the audit of every room in a database, without
// any of the servers that wrote it:
//
//	go run ./examples/auditcheck -db care.db -anchors anchors.jsonl
//	go run ./examples/auditcheck -db care.db -anchors anchors.jsonl -take
//	go run ./examples/auditcheck -db 'postgres://auditor@db.example/care'
//
// It reads one snapshot and writes nothing to the database: an SQLite file, or
// PostgreSQL (the password in PGPASSWORD or a passfile, since arguments can be
// seen by all users). It prints a line a room, which for a chain that is not as
// it was written names the first bad row.
//
// # Anchors
//
// A chain alone shows a row that was changed, taken out, swapped or put in, and
// a tail that was cut. Who can write the tables can also rebuild the chain, or
// put last week's copy back: that is shown by an anchor, a room's newest row
// and its hash, kept where the database's administrators can't write. With
// -take each room's anchor is added to the file, one line of JSON, after all
// was found whole. Take them every hour or day, and keep the file elsewhere.
//
// The exit code is 0 if all is whole, 1 if a chain isn't, and 2 if nothing could
// be read.
package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"       // registers "pgx"
	_ "github.com/ncruces/go-sqlite3/driver" // registers "sqlite3"

	"github.com/wardkey-sdk/wardkey/internal/chain"
)

var errBroken = errors.New("an audit is not as it was written")

func main() {
	os.Exit(command(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// command is main with the exit code as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("auditcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	database := flags.String("db", "", "SQLite `file`, or a postgres:// URL")
	anchors := flags.String("anchors", "", "`file` of anchors, one line of JSON each")
	take := flags.Bool("take", false, "add each room's anchor to the file when all is whole")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *database == "" || flags.NArg() > 0 || *take && *anchors == "" {
		fmt.Fprintln(stderr, "auditcheck: -db is needed, and -anchors beside -take")
		return 2
	}
	err := check(ctx, stdout, *database, *anchors, *take)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "auditcheck:", err)
	if errors.Is(err, errBroken) {
		return 1
	}
	return 2
}

// kept is one line of the file of anchors.
type kept struct {
	Room string `json:"room"`
	chain.Anchor
}

func check(ctx context.Context, stdout io.Writer, database, file string, take bool) error {
	anchors, err := read(file, take)
	if err != nil {
		return err
	}
	tx, end, err := open(ctx, database)
	if err != nil {
		return err
	}
	defer end()
	var found []kept
	broken := false
	for _, room := range []string{"careid", "openid", "pki", "mail", "mailgate"} {
		is, err := hasAudit(ctx, tx, strings.HasPrefix(database, "postgres"), room)
		if err != nil {
			return err
		}
		if !is && len(anchors[room]) == 0 {
			continue
		}
		head, err := chain.Anchor{}, error(&chain.BrokenError{Room: room, Seq: 1, Why: "its table is gone, and anchors were taken of it"})
		if is {
			head, err = chain.VerifyAgainst(ctx, tx, room, anchors[room])
		}
		bad, isBroken := errors.AsType[*chain.BrokenError](err)
		switch {
		case isBroken:
			broken = true
			_, err = fmt.Fprintf(stdout, "%s: BROKEN at row %d: %s\n", room, bad.Seq, bad.Why)
		case err == nil:
			found = append(found, kept{room, head})
			_, err = fmt.Fprintf(stdout, "%s: %d rows, whole; %d anchors hold\n", room, head.Seq, len(anchors[room]))
		}
		if err != nil {
			return err
		}
	}
	switch {
	case broken:
		return errBroken
	case len(found) == 0:
		return errors.New("no room keeps an audit in this database")
	case take:
		return add(file, found)
	}
	return nil
}

// open begins one snapshot that can't be written to.
func open(ctx context.Context, database string) (tx *sql.Tx, end func(), err error) {
	driver, name := "pgx", database
	if !strings.HasPrefix(database, "postgres:") && !strings.HasPrefix(database, "postgresql:") {
		path, err := filepath.Abs(database)
		if err != nil {
			return nil, nil, err
		}
		driver, name = "sqlite3", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}).String()
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, nil, err
	}
	if tx, err = db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable}); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return tx, func() { _ = errors.Join(tx.Rollback(), db.Close()) }, nil // nothing was written
}

func hasAudit(ctx context.Context, tx *sql.Tx, postgres bool, room string) (is bool, err error) {
	query := "SELECT COUNT(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = $1"
	if postgres {
		query = "SELECT to_regclass($1) IS NOT NULL"
	}
	err = tx.QueryRowContext(ctx, query, room+"_audit").Scan(&is)
	return is, err
}

// read reads the anchors of each room. Only where one is about to be taken may
// the file be absent: elsewhere that would pass for having none.
func read(file string, take bool) (map[string][]chain.Anchor, error) {
	anchors := map[string][]chain.Anchor{}
	if file == "" {
		return anchors, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && take {
		return anchors, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		var k kept
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil || k.Room == "" || k.Seq < 0 || len(k.Hash) != 32 {
			return nil, fmt.Errorf("%s, line %d: not an anchor", file, n)
		}
		anchors[k.Room] = append(anchors[k.Room], k.Anchor)
	}
	return anchors, lines.Err()
}

func add(file string, found []kept) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, k := range found {
		line, err := json.Marshal(k)
		if err == nil {
			_, err = f.Write(append(line, '\n'))
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}
