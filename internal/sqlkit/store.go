// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// ErrClosed is returned by a Store after Close.
var ErrClosed = errors.New("sqlkit: the store is closed")

// ErrNested is returned by Write when its context comes from the function of
// another Write on the same database, which would wait for itself for ever.
var ErrNested = errors.New("sqlkit: Write inside the function of a Write on the same database")

// Config says what a store works on.
type Config struct {
	// DB is the database, SQLite or PostgreSQL. It stays the caller's: Close
	// does not close it. Required.
	DB *sql.DB

	// Migrations holds goose files (00001_name.sql) at its root. Required.
	Migrations fs.FS

	// Table names the table that records which migrations ran, such as
	// "pki_migrations". Each store needs its own. Required.
	Table string

	// Now is the calendar and Wall the machine's clock; both default to
	// time.Now.
	Now, Wall func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return c
}

// Store is one room's part of a database. It is safe for concurrent use.
type Store struct {
	db        *sql.DB
	now, wall func() time.Time
	writer    *writer       // nil on PostgreSQL
	turn      chan struct{} // held by the one that runs again on PostgreSQL
	closing   chan struct{}
	once      sync.Once
}

// Open migrates the database and, on SQLite, takes the connection that the
// store will write on. It refuses an SQLite database in memory that its
// connections don't share, and a pool without a connection left for readers.
func Open(ctx context.Context, c Config) (*Store, error) {
	switch {
	case c.DB == nil:
		return nil, errors.New("sqlkit: Config.DB is missing")
	case c.Migrations == nil:
		return nil, errors.New("sqlkit: Config.Migrations is missing")
	case !identifier(c.Table):
		return nil, fmt.Errorf("sqlkit: Config.Table %q is not a lower-case table name", c.Table)
	}
	c = c.withDefaults()
	d, err := detect(ctx, c.DB)
	if err != nil {
		return nil, err
	}
	s := &Store{db: c.DB, now: c.Now, wall: c.Wall, turn: make(chan struct{}, 1), closing: make(chan struct{})}
	if d == sqlite {
		if s.writer, err = openWriter(ctx, c.DB, s.closing); err != nil {
			return nil, err
		}
	}
	if err := migrate(ctx, c, d); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close waits for the group of writes under way and gives the writing
// connection back to the pool. It never closes the DB. Closing again does
// nothing.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		if s.writer != nil {
			err = s.writer.close()
		}
	})
	return err
}

// Write runs fn in a transaction and returns after its commit is durable, or
// fn's error with nothing written. fn gets a context to use for its
// statements. See the package comment for how writes share commits and when
// fn runs again.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if ctx.Value(writing{s.db}) != nil {
		return ErrNested
	}
	if s.writer != nil {
		return s.writer.write(ctx, s, fn)
	}
	return s.writePostgres(ctx, fn)
}

// Read runs fn on one snapshot of the database: SQLite's begins with fn's
// first query. Inside a Write's function it sees the last commit, not what
// that function wrote. fn's statements can't write.
func (s *Store) Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if s.isClosed() {
		return ErrClosed
	}
	options := &sql.TxOptions{ReadOnly: true}
	if s.writer == nil {
		options.Isolation = sql.LevelRepeatableRead
	}
	t, err := s.db.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("sqlkit: beginning to read: %w", err)
	}
	defer func() { _ = t.Rollback() }() // nothing was written
	return fn(ctx, s.tx(t))
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func (s *Store) tx(q querier) *Tx {
	return &Tx{
		Now:     s.now().UTC().Truncate(time.Second),
		Wall:    s.wall().UTC().Truncate(time.Second),
		q:       q,
		rewrite: s.writer != nil && q != querier(s.writer.conn),
	}
}

// writing is the context key that marks the function of a Write on a database.
type writing struct{ db *sql.DB }
