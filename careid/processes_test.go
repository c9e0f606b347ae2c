// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

// redeemer says to a process of its own which code to redeem, or which other race to run, how often, and by how many at
// once.
type redeemer struct {
	Dir           string // of an SQLite database, or
	Postgres      string // how to reach a PostgreSQL
	Now, Wall     time.Time
	Race          string // of races, "" to redeem a code
	Request, Card string
	Code          string
	Secrets       []string // what the race is about: one, or one for each of three processes
	Tries, AtOnce int
	Stay          bool // until it is killed
}

const childRedeems = "WARDKEY_TEST_CHILD_REDEEMS"

// TestMain is also the server process that redeems.
func TestMain(m *testing.M) {
	order := os.Getenv(childRedeems)
	if order == "" {
		os.Exit(m.Run())
	}
	if err := redeemAsTold(order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// noCA is one that knows of no revocation and makes nothing.
type noCA struct{ careid.CA }

func (noCA) Verify(context.Context, *x509.Certificate) error { return nil }

func (noCA) Issue(context.Context, string, pkix.Name, []*x509.CertificateRequest) ([]*x509.Certificate, error) {
	return nil, errLost
}

func (r redeemer) open() (*sql.DB, error) {
	if r.Postgres == "" {
		return sqlkit.OpenSQLite(r.Dir + "/care.db")
	}
	db, err := sql.Open("pgx", r.Postgres)
	if err == nil {
		db.SetMaxOpenConns(15) // of the hundred that a cluster has by default
	}
	return db, err
}

func redeemAsTold(order string) error {
	var r redeemer
	if err := json.Unmarshal([]byte(order), &r); err != nil {
		return err
	}
	db, err := r.open()
	if err != nil {
		return err
	}
	now, wall := func() time.Time { return r.Now }, func() time.Time { return r.Wall }
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Now: now, Wall: wall})
	if err != nil {
		return err
	}
	master, err := careid.NewSoftwareMaster([]byte("a master secret of this process."))
	if err != nil {
		return err
	}
	service, err := careid.New(careid.Config{
		Store: store, CA: noCA{}, Mail: noMail{}, Sender: new(careidtest.Inbox), CardMaster: master,
		Servers: []string{careidtest.Server}, Origins: []string{careidtest.Origin}, Now: now, Wall: wall,
	})
	if err != nil {
		return err
	}
	race := races()[r.Race]
	var good, refusals atomic.Int64
	var wait sync.WaitGroup
	tries := make(chan bool)
	for range r.AtOnce {
		wait.Go(func() {
			for range tries {
				err := race.run(context.Background(), service, r)
				var several wardkey.Refusals
				switch {
				case err == nil:
					good.Add(1)
				case errors.As(err, &several) && len(several) == 1 && several[0].Rule == race.refused, wardkey.RuleOf(err) == race.refused:
					refusals.Add(1)
				default:
					fmt.Fprintln(os.Stderr, err)
				}
			}
		})
	}
	for range r.Tries {
		tries <- true
	}
	close(tries)
	wait.Wait()
	fmt.Println(good.Load(), refusals.Load())
	if r.Stay {
		select {}
	}
	return nil
}

// run starts a process on an order. Its line comes when it is done; kill ends it as a power cut does.
func (r redeemer) run(t *testing.T) (line func() (good, refusals int), kill func()) {
	t.Helper()
	order, err := json.Marshal(r)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRedeems+"="+string(order))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var once sync.Once
	kill = func() {
		once.Do(func() {
			_ = cmd.Process.Kill() // over already, perhaps
			_ = cmd.Wait()         // it was killed
		})
	}
	t.Cleanup(kill)
	return func() (good, refusals int) {
		t.Helper()
		said, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			kill()
			require.NoError(t, err, errs.String())
		}
		_, err = fmt.Sscan(said, &good, &refusals)
		require.NoError(t, err)
		return good, refusals
	}, kill
}

// spread has three processes redeem at once, so many times together.
func (r redeemer) spread(t *testing.T, times int) (good, refusals int) {
	t.Helper()
	var lines []func() (int, int)
	for i := range 3 {
		one := r
		one.Tries = (times + i) / 3
		one.AtOnce = one.Tries
		if len(r.Secrets) == 3 {
			one.Secrets = r.Secrets[i : i+1]
		}
		line, _ := one.run(t)
		lines = append(lines, line)
	}
	for _, line := range lines {
		g, n := line()
		good, refusals = good+g, refusals+n
	}
	return good, refusals
}

// detailed counts the rows whose detail begins so.
func detailed(rows []careid.AuditEntry, detail string) (n int) {
	for _, row := range rows {
		if strings.HasPrefix(row.Detail, detail) {
			n++
		}
	}
	return n
}

func order(h *careidtest.Hospital, dir string, u *careidtest.Unlocking, code string) redeemer {
	return redeemer{Dir: dir, Now: h.Clock.Now(), Wall: h.Wall.Now(), Request: u.Request, Card: h.Nurse.Card.Serial, Code: code, Tries: 1, AtOnce: 1}
}

func TestProcesses(t *testing.T) {
	ctx := context.Background()
	t.Run("threat002", func(t *testing.T) {
		// Four wrong codes, and the server is killed: the count is on disk, and the next server goes on from it.
		dir := t.TempDir()
		h := careidtest.New(t, careidtest.Config{Dir: dir})
		u := start(t, h, h.Nurse)
		four := order(h, dir, u, wrong(u.Code))
		four.Tries, four.Stay = 4, true
		line, kill := four.run(t)
		good, refusals := line()
		require.Equal(t, []int{0, 4}, []int{good, refusals})
		kill()
		line, _ = order(h, dir, u, wrong(u.Code)).run(t)
		good, refusals = line()
		require.Equal(t, []int{0, 1}, []int{good, refusals})
		line, _ = order(h, dir, u, u.Code).run(t)
		good, refusals = line()
		require.Equal(t, []int{0, 1}, []int{good, refusals}, "the right code, too late")
		rows := audit(t, h)
		require.Equal(t, "refused unlock.code: too many tries of the code", rows[len(rows)-1].Detail)
	})
	t.Run("threat004", func(t *testing.T) {
		// A hundred at once in three server processes: one opens the card.
		dir := t.TempDir()
		h := careidtest.New(t, careidtest.Config{Dir: dir})
		u := start(t, h, h.Nurse)
		before := len(audit(t, h))
		good, refusals := order(h, dir, u, u.Code).spread(t, 100)
		require.Equal(t, []int{1, 99}, []int{good, refusals})
		require.Equal(t, 1, count(t, h, "reset"))
		require.Equal(t, 1, detailed(audit(t, h)[before:], "reset opened"))
		require.Len(t, audit(t, h)[before:], 100)
		_, err := h.Service.VerifyAudit(ctx)
		require.NoError(t, err, "three writers, one chain")
	})
}

// onPostgreSQL is a hospital on a PostgreSQL, and how other processes reach it.
func onPostgreSQL(t *testing.T) (h *careidtest.Hospital, reach string) {
	t.Helper()
	db := postgrestest.Open(t)
	var socket string
	require.NoError(t, db.QueryRow("SHOW unix_socket_directories").Scan(&socket))
	return careidtest.New(t, careidtest.Config{DB: db}), "host=" + socket + " user=wardkey dbname=postgres sslmode=disable"
}

// The same over a PostgreSQL that three servers share.
func TestProcessesOnPostgreSQL(t *testing.T) {
	h, reach := onPostgreSQL(t)
	ordered := func(u *careidtest.Unlocking, code string) redeemer {
		o := order(h, "", u, code)
		o.Postgres = reach
		return o
	}
	t.Run("threat003", func(t *testing.T) {
		u := start(t, h, h.Nurse)
		rows := audited(t, h, func() {
			good, refusals := ordered(u, wrong(u.Code)).spread(t, 200)
			require.Equal(t, []int{0, 200}, []int{good, refusals})
		})
		require.Len(t, rows, 200)
		require.Equal(t, 5, detailed(rows, "refused unlock.code: wrong"), "so many were looked at")
		require.Equal(t, 195, detailed(rows, "refused unlock.code: too many tries of the code"))
		require.Equal(t, 5, count(t, h, "try"))
		refused(t, redeem(h, h.Nurse.Card.Serial, u, u.Code), "unlock.code")
	})
	t.Run("threat004", func(t *testing.T) {
		u := start(t, h, h.Sponsor)
		o := ordered(u, u.Code)
		o.Card = h.Sponsor.Card.Serial
		rows := audited(t, h, func() {
			good, refusals := o.spread(t, 100)
			require.Equal(t, []int{1, 99}, []int{good, refusals})
		})
		require.Len(t, rows, 100)
		require.Equal(t, 1, detailed(rows, "reset opened"))
		require.Equal(t, 1, count(t, h, "reset"))
		_, err := h.Service.VerifyAudit(t.Context())
		require.NoError(t, err, "three servers, one chain")
	})
}
