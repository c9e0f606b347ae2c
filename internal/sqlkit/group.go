// SPDX-License-Identifier: Apache-2.0

package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
)

// A group ends with the jobs that are waiting, with groupSize jobs or after
// groupTime, so that the first of them is not kept waiting by the last.
const (
	groupSize = 256
	groupTime = 50 * time.Millisecond
)

// beginTries bounds how often a group waits for busyTimeout to begin.
const beginTries = 3

var (
	errDriver     = errors.New("sqlkit: the SQLite driver is not that of github.com/ncruces/go-sqlite3")
	errRolledBack = errors.New("sqlkit: SQLite rolled back by itself")
)

var errAborted = errors.New("sqlkit: the job panicked or left its goroutine")

// writer owns the connection that a store writes on, and the goroutine that
// begins and commits. A job's function runs in the goroutine of its caller,
// when the writer hands it the turn: a panic or a runtime.Goexit (a failed
// test's) then ends the caller and not the writer.
type writer struct {
	conn    *writeConn
	kept    kept      // of the group under way
	spent   *sql.Conn // closed: what a Tx is left with after its function
	queue   chan *job
	closing <-chan struct{}
	stopped chan struct{}
}

type job struct {
	ctx  context.Context
	turn chan struct{} // the writer says: run now; perhaps twice
	ran  chan outcome  // the caller says how it ended
	done chan error    // the writer says what became of it
}

// outcome is how a job's function ended.
type outcome struct {
	err   error
	wrote bool // rows, which stay unless they are taken back
}

// openWriter takes one connection for writing and sees that another is left
// for readers.
func openWriter(ctx context.Context, db *sql.DB, closing <-chan struct{}) (*writer, error) {
	if db.Stats().MaxOpenConnections == 1 {
		return nil, errors.New("sqlkit: the database is limited to one connection, and the store keeps one for writing: allow at least one more for readers")
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlkit: connecting: %w", err)
	}
	err = setPragmas(ctx, conn)
	var spent *sql.Conn
	if err == nil {
		spent, err = spareConn(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w := &writer{
		conn: &writeConn{Conn: conn, prepared: map[string]*sql.Stmt{}}, kept: kept{}, spent: spent,
		queue: make(chan *job), closing: closing, stopped: make(chan struct{}),
	}
	if err := w.inTransaction(); errors.Is(err, errDriver) {
		return nil, errors.Join(err, conn.Close())
	}
	go w.loop()
	return w, nil
}

// spareConn shows that a connection can still be had from the pool and
// returns it closed.
func spareConn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	spare, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlkit: no connection is left for readers beside those that stores keep for writing (the pool allows %d): %w",
			db.Stats().MaxOpenConnections, err)
	}
	return spare, spare.Close()
}

// close waits for the group under way, after closing was closed.
func (w *writer) close() error {
	<-w.stopped
	return w.conn.Close()
}

// write waits for the writer's turn, runs fn in it and waits for the commit.
func (w *writer) write(ctx context.Context, s *Store, fn func(context.Context, *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, turn: make(chan struct{}), ran: make(chan outcome), done: make(chan error, 1)}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return ErrClosed
	}
	for {
		select {
		case <-j.turn:
			w.runJob(j, s, fn)
		case err := <-j.done:
			return err
		}
	}
}

// runJob runs fn and tells the writer how it ended, whichever way it does.
func (w *writer) runJob(j *job, s *Store, fn func(context.Context, *Tx) error) {
	tx := s.tx(w.conn)
	tx.whole, tx.kept = true, w.kept
	ended := errAborted
	defer func() {
		tx.q, tx.kept = w.spent, nil
		j.ran <- outcome{ended, tx.wrote}
	}()
	ctx := context.WithValue(context.WithoutCancel(j.ctx), writing{s.db}, true)
	ended = fn(ctx, tx)
}

func (w *writer) loop() {
	defer close(w.stopped)
	for {
		select {
		case <-w.closing:
			return
		case j := <-w.queue:
			w.group(j)
		}
	}
}

// group begins with one job, takes those that wait, commits, and only then
// answers: a job that was refused because of another's row is told so when
// that row is durable.
func (w *writer) group(first *job) {
	if err := w.begin(first.ctx); err != nil {
		first.done <- err
		return
	}
	jobs, ends, broken := w.together(first)
	if broken == nil {
		broken = w.kept.write(context.Background(), &Tx{q: w.conn, whole: true})
	}
	if broken == nil {
		broken = w.exec("COMMIT")
	}
	if broken != nil {
		_ = w.exec("ROLLBACK") // refused when SQLite has rolled back by itself
		broken = fmt.Errorf("sqlkit: the group of %d writes failed: %w", len(jobs), broken)
	}
	for i, j := range jobs {
		if ends[i].err == nil {
			ends[i].err = broken
		}
		j.done <- ends[i].err
	}
}

// together runs a job and those that wait, without a savepoint for each: most
// succeed, and what is refused has mostly written nothing. The first that fails
// with rows written ends the group, which is then taken back and run apart.
func (w *writer) together(first *job) (jobs []*job, ends []outcome, broken error) {
	limit := time.NewTimer(groupTime)
	defer limit.Stop()
	for next := first; next != nil; {
		end := outcome{err: next.ctx.Err()}
		if end.err == nil {
			end = w.turn(next)
		}
		jobs, ends = append(jobs, next), append(ends, end)
		if broken = w.inTransaction(); broken != nil {
			return jobs, ends, broken
		}
		if end.err != nil && end.wrote {
			return jobs, ends, w.apart(jobs, ends)
		}
		if next = nil; len(jobs) < groupSize {
			next = w.waiting(limit.C)
		}
	}
	return jobs, ends, nil
}

// turn lets a job's caller run its function.
func (w *writer) turn(j *job) outcome {
	j.turn <- struct{}{}
	return <-j.ran
}

// apart takes back what a group wrote, and runs the jobs again that succeeded and
// wrote, each behind a savepoint.
func (w *writer) apart(jobs []*job, ends []outcome) error {
	if err := w.exec("ROLLBACK"); err != nil {
		return err
	}
	if err := w.begin(context.Background()); err != nil {
		return err
	}
	for i, j := range jobs {
		if ends[i].err != nil || !ends[i].wrote {
			continue
		}
		if err := w.exec("SAVEPOINT job"); err != nil {
			return err
		}
		before := maps.Clone(w.kept)
		if ends[i] = w.turn(j); ends[i].err != nil {
			w.kept = before
			if err := w.exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if err := w.exec("RELEASE job"); err != nil {
			return err
		}
	}
	return nil
}

// inTransaction is nil as long as the transaction is open. Some errors, such as
// a full disk, make SQLite roll back by itself, and what follows would then be
// committed by itself.
func (w *writer) inTransaction() error {
	return w.conn.Raw(func(c any) error {
		conn, ok := c.(driver.Conn)
		switch {
		case !ok:
			return errDriver
		case conn.Raw().GetAutocommit():
			return errRolledBack
		}
		return nil
	})
}

// begin starts the transaction. Only here can the caller's context interrupt
// the connection, while it waits for another writer of the file. SQLite's
// waiting is polling: on a machine without a free core a writer asks a few
// times a second, and each time another may have the file. So it waits again.
func (w *writer) begin(ctx context.Context) error {
	clear(w.kept)
	var err error
	for range beginTries {
		if _, err = w.conn.run(ctx, "BEGIN IMMEDIATE"); err == nil {
			return nil
		}
		_ = w.exec("ROLLBACK") // refused unless the interruption came after the start
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, sqlite3.BUSY) {
			break
		}
	}
	return fmt.Errorf("sqlkit: beginning to write: %w", err)
}

// waiting is a job that waits now, or nil. Before it says that there is none, it
// lets those run who are ready to, for they may bring one: where the cores have
// other work the commit is shared by more, and where they have none this costs
// nothing.
func (w *writer) waiting(limit <-chan time.Time) *job {
	for yielded := false; ; yielded = true {
		select {
		case <-limit:
			return nil
		default:
		}
		select {
		case j := <-w.queue:
			return j
		default:
		}
		if yielded {
			return nil
		}
		runtime.Gosched()
	}
}

func (w *writer) exec(statement string) error {
	_, err := w.conn.run(context.Background(), statement)
	return err
}
