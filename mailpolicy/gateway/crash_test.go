// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const (
	childHop   = "WARDKEY_TEST_CHILD_HOP"
	childRun   = "WARDKEY_TEST_CHILD_RUN"
	childLines = "WARDKEY_TEST_CHILD_LINES"

	runDelay = "delay"
)

func TestMain(m *testing.M) {
	if dir := crashtest.Folder(); dir != "" {
		work := takeAndDeliver
		if os.Getenv(childRun) == runDelay {
			work = tellOfDelay
		}
		if err := work(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// takeAndDeliver is what the killed process does: it gives a gateway one message
// for three, one of whom gets it encrypted and one a link to it, notes on disk
// that it was taken, and waits until it is delivered.
func takeAndDeliver(dir string) error {
	p, err := openPost(dir, os.Getenv(childHop), time.Now)
	if err != nil {
		return err
	}
	run := os.Getenv(childRun)
	message := "Message-ID: <" + run + "@nhs.net>\r\nSubject: [secure] Mrs Jones\r\nTo: " + gp + ", a@nhs.net\r\n\r\n" + secret + "\r\n"
	var lines int
	if _, err := fmt.Sscan(os.Getenv(childLines), &lines); err != nil {
		return err
	}
	message += strings.Repeat("Mrs Jones sleeps. ", 50) + "\r\n" + strings.Repeat(strings.Repeat("more of Jones ", 70)+"\r\n", lines)
	if err := smtp.SendMail(p.addr, nil, "home@nhs.net", []string{gp, "a@nhs.net", aunt}, []byte(message)); err != nil {
		return err
	}
	if err := note(filepath.Join(dir, "taken"), run); err != nil {
		return err
	}
	return errors.Join(p.drained(), p.close())
}

func note(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, line+"\n")
	return errors.Join(err, f.Close())
}

// post is a gateway on a folder's database.
type post struct {
	db    *sql.DB
	store *sqlstore.Store
	gate  *gateway.Gateway
	addr  string
}

func openPost(dir, hop string, wall func() time.Time) (*post, error) {
	text, err := os.ReadFile(filepath.Join(dir, "gp.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	e, err := smime.New(smime.Config{Roots: roots})
	if err != nil {
		return nil, err
	}
	p := &post{}
	if p.db, err = crashtest.OpenDB(dir); err != nil {
		return nil, err
	}
	if p.store, err = sqlstore.Open(context.Background(), sqlstore.Config{DB: p.db, Wall: wall}); err != nil {
		return nil, err
	}
	if p.gate, err = gateway.New(gateway.Config{NextHop: hop, Encrypter: e, Directory: gateway.Certificates{cert}, Store: p.store, Key: spoolKey, PickupURL: "http://127.0.0.1:1/pickup"}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.addr = l.Addr().String()
	go func() { _ = p.gate.Serve(l) }()
	return p, nil
}

// drained waits until nothing that was taken is kept any more.
func (p *post) drained() error {
	return p.none("mailgate_copy WHERE whole AND NOT parked")
}

// none waits until there is no such row.
func (p *post) none(rows string) error {
	for range 6000 {
		var kept int
		if err := p.db.QueryRow("SELECT count(*) FROM " + rows).Scan(&kept); err != nil || kept == 0 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("after a minute there still is a %s", rows)
}

func (p *post) close() error { return errors.Join(p.gate.Close(), p.store.Close(), p.db.Close()) }

// Killed at any write, the gateway loses no message that it answered with 250,
// sends none by halves, and leaves no word of any on the disk.
func TestKilledAtEveryWrite(t *testing.T) {
	need.Tool(t, "strace")
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		// A small message is one commit; a large one several, the last of which
		// takes it.
		sweep(t, dir, "0", 1, "pwrite64", "fsync,fdatasync", "write,sendto")
		sweep(t, dir, "2500", 97, "pwrite64")
		sweep(t, dir, "2500", 1, "fsync,fdatasync")
	})
	t.Run("postgres", func(t *testing.T) {
		db := postgrestest.Open(t)
		dir := t.TempDir()
		crashtest.UsePostgres(t, dir, db, "postgres")
		sweep(t, dir, "0", 3, "write,sendto")
	})
}

// sweep kills at every stride-th of the calls until two runs came to their end.
func sweep(t *testing.T, dir, lines string, stride int, calls ...string) {
	t.Helper()
	inbox, stride := stage(t, dir, stride)
	first, err := openPost(dir, inbox.Addr(), time.Now) // migrates, outside what is counted
	require.NoError(t, err)
	require.NoError(t, first.close())
	kills, answered, again := 0, 0, 0
	for _, call := range calls {
		finished := 0
		for k := 1; finished < 2 && k < 20_000; k += stride {
			run := fmt.Sprintf("%s-%s-%d", lines, strings.ReplaceAll(call, ",", "-"), k)
			if crashtest.Killed(t, dir, call, k, childHop+"="+inbox.Addr(), childRun+"="+run, childLines+"="+lines) {
				kills++
			} else {
				finished++
			}
			a, twice := inspect(t, dir, run, inbox)
			answered, again = answered+a, again+twice
		}
		require.Equal(t, 2, finished, "the sweep of %s ended before the program did", call)
	}
	t.Logf("%d kills; %d messages were answered for, and none of them lost; %d copies came again", kills, answered, again)
	require.NotZero(t, answered)
	require.Less(t, answered, kills+2*len(calls), "no kill came before the answer")
}

// stage is what a sweep needs: where mail goes, and how far apart the kills are.
func stage(t *testing.T, dir string, stride int) (*mailtest.Inbox, int) {
	t.Helper()
	if testing.Short() {
		stride *= 9
	}
	inbox, err := mailtest.OpenInbox()
	require.NoError(t, err)
	t.Cleanup(func() { _ = inbox.Close() })
	recipient(t, dir)
	return inbox, stride
}

// recipient puts a certificate into the folder, for which nobody needs the key.
func recipient(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "gp.pem")
	if _, err := os.Stat(path); err == nil {
		return
	}
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(t, err)
	id, err := ca.Issue(mailtest.Spec{Email: gp})
	require.NoError(t, err)
	cert, _, err := id.PEM()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, cert, 0o600))
}

// requireSealed looks for words of the message in all rows, and in the files
// where there are any.
func (p *post) requireSealed(t *testing.T, dir string) {
	t.Helper()
	if files, err := filepath.Glob(filepath.Join(dir, "data.db*")); err == nil && len(files) > 0 {
		requireNothingInClear(t, dir)
	}
	rows, err := p.db.Query("SELECT envelope FROM mailgate_copy UNION ALL SELECT data FROM mailgate_piece")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var data []byte
		require.NoError(t, rows.Scan(&data))
		for _, word := range []string{"Jones", "nhs.net", "practice.example"} {
			require.NotContains(t, string(data), word)
		}
	}
	require.NoError(t, rows.Err())
}

// requireLinksOpen tries each link that came since it was last called, and
// returns how many there were.
func (p *post) requireLinksOpen(t *testing.T, dir string, inbox *mailtest.Inbox) (links int) {
	t.Helper()
	path := filepath.Join(dir, "links")
	known, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	for _, m := range inbox.Mails() {
		link := linkIn.FindString(string(m.Data))
		if m.To[0] != aunt || strings.Contains(string(known), link) {
			continue
		}
		links++
		require.NoError(t, note(path, link))
		answer := httptest.NewRecorder()
		p.gate.PickupHandler().ServeHTTP(answer, httptest.NewRequest("GET", link, nil))
		require.Equal(t, 200, answer.Code, answer.Body)
	}
	return links
}

// requireAudited: each parcel is in the audit, and nothing that is not kept.
func (p *post) requireAudited(t *testing.T) {
	t.Helper()
	_, err := p.gate.VerifyAudit(t.Context())
	require.NoError(t, err)
	var parcels, rows, both int
	require.NoError(t, p.db.QueryRow("SELECT (SELECT count(*) FROM mailgate_parcel), (SELECT count(*) FROM mailgate_audit), "+
		"(SELECT count(*) FROM mailgate_parcel p JOIN mailgate_audit a ON a.subject = p.id WHERE a.action = 'mail.pickup.parked')").Scan(&parcels, &rows, &both))
	require.Equal(t, parcels, both)
	require.Equal(t, rows, both)
}

// inspect looks at what a kill left, lets another gateway go on, and looks at
// what arrived. answered is 1 where the sender had its 250; again counts the
// copies that came more than once.
func inspect(t *testing.T, dir, run string, inbox *mailtest.Inbox) (answered, again int) {
	t.Helper()
	p, err := openPost(dir, inbox.Addr(), func() time.Time { return time.Now().Add(2 * time.Minute) }) // the dead one's lease is over
	require.NoError(t, err)
	p.requireSealed(t, dir)
	require.NoError(t, p.drained())
	p.requireSealed(t, dir)
	_, err = p.db.Exec("DELETE FROM mailgate_copy WHERE NOT whole") // of one that never was taken; TestRemains shows it
	require.NoError(t, err)
	p.requireAudited(t)
	links := p.requireLinksOpen(t, dir, inbox)
	require.NoError(t, p.close())

	taken, err := os.ReadFile(filepath.Join(dir, "taken"))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	got := map[string]int{}
	for _, m := range inbox.Mails() {
		if !bytes.Contains(m.Data, []byte("Message-ID: <"+run+"@nhs.net>")) {
			continue
		}
		require.Len(t, m.To, 1)
		got[m.To[0]]++
		if m.To[0] == gp {
			require.NotContains(t, string(m.Data), secret)
			require.Contains(t, string(m.Data), "application/pkcs7-mime")
		} else {
			require.Contains(t, string(m.Data), secret)
			require.True(t, bytes.HasSuffix(m.Data, []byte(" \r\n")), "to its end")
		}
	}
	if strings.Contains(string(taken), run+"\n") {
		answered = 1
		require.NotZero(t, got[gp], "%s was taken and is lost", run)
		require.NotZero(t, got["a@nhs.net"], "%s was taken and is lost", run)
		require.NotZero(t, links, "%s was taken, and its link is lost", run)
	}
	require.Equal(t, got[gp] > 0, got["a@nhs.net"] > 0, "all of it or nothing")
	require.Equal(t, got[gp] > 0, links > 0, "all of it or nothing")
	for _, n := range got {
		again += max(0, n-1)
	}
	return answered, again
}

// tellOfDelay is what the other killed process does: it tries a message that has
// waited for five hours, in vain, and reports that.
func tellOfDelay(dir string) error {
	p, err := openPost(dir, os.Getenv(childHop), fiveHoursOn)
	if err != nil {
		return err
	}
	return errors.Join(p.settled(fiveHoursOn()), p.close())
}

func fiveHoursOn() time.Time { return time.Now().Add(5 * time.Hour) }

// settled waits until nothing is to be tried, or is being tried, that was not tried
// twice before: that rests for two minutes, and a try is under way for one.
func (p *post) settled(wall time.Time) error {
	return p.none(fmt.Sprintf("mailgate_copy WHERE try_at <= %d", wall.Add(90*time.Second).Unix()))
}

// Killed at any write, the gateway tells of a delay, and goes on telling only
// until that is kept.
func TestKilledTellingOfDelay(t *testing.T) {
	need.Tool(t, "strace")
	t.Run("sqlite", func(t *testing.T) { sweepDelay(t, t.TempDir(), 1, "fsync,fdatasync") })
	t.Run("postgres", func(t *testing.T) {
		dir := t.TempDir()
		crashtest.UsePostgres(t, dir, postgrestest.Open(t), "postgres")
		sweepDelay(t, dir, 3, "write,sendto")
	})
}

func sweepDelay(t *testing.T, dir string, stride int, call string) {
	t.Helper()
	inbox, stride := stage(t, dir, stride)
	inbox.Refuse(func(to string, _ bool) int {
		if to == "a@nhs.net" {
			return 450
		}
		return 0
	})
	kills, finished, again := 0, 0, 0
	for k := 1; finished < 2 && k < 20_000; k += stride {
		p, err := openPost(dir, inbox.Addr(), time.Now)
		require.NoError(t, err)
		require.NoError(t, smtp.SendMail(p.addr, nil, "home@nhs.net", []string{"a@nhs.net"}, []byte(mailTo("x", "a@nhs.net"))))
		require.NoError(t, p.none("mailgate_copy WHERE tries = 0"))
		require.NoError(t, p.close())
		before := len(inbox.Mails())
		if crashtest.Killed(t, dir, call, k, childHop+"="+inbox.Addr(), childRun+"="+runDelay) {
			kills++
		} else {
			finished++
		}
		for _, hours := range []time.Duration{7, 9} { // another goes on, and tries once more
			wall := func() time.Time { return time.Now().Add(hours * time.Hour) }
			p, err = openPost(dir, inbox.Addr(), wall)
			require.NoError(t, err)
			require.NoError(t, p.settled(wall()))
			require.NoError(t, p.close())
		}
		told := inbox.Mails()[before:]
		require.NotEmpty(t, told, "kill %d: nobody was told", k)
		require.LessOrEqual(t, len(told), 2, "kill %d: told again after it was kept", k)
		again += len(told) - 1
		p, err = openPost(dir, inbox.Addr(), time.Now)
		require.NoError(t, err)
		var kept int
		require.NoError(t, p.db.QueryRow("SELECT count(*) FROM mailgate_copy").Scan(&kept))
		require.Equal(t, 1, kept, "the message itself waits")
		_, err = p.db.Exec("DELETE FROM mailgate_copy")
		require.NoError(t, err)
		require.NoError(t, p.close())
	}
	require.Equal(t, 2, finished)
	t.Logf("%d kills; %d reports came again", kills, again)
	require.NotZero(t, kills)
}
