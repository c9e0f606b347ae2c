// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// refuse makes the inbox answer a recipient with a code, before or after content.
func (r *relay) refuse(codes map[string]int, atEnd bool) {
	r.inbox.Refuse(func(to string, end bool) int {
		if end != atEnd {
			return 0
		}
		if code, ok := codes[to]; ok {
			return code
		}
		return codes["*"]
	})
}

func TestKeptUntilTaken(t *testing.T) {
	for name, atEnd := range map[string]bool{"before the content": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			r := startRelay(t, nil)
			r.refuse(map[string]int{"*": 451}, atEnd)
			require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
			r.await(gateway.EventDeferred, 1)
			r.wait(time.Minute)
			r.await(gateway.EventDeferred, 2)
			r.refuse(nil, false)
			r.wait(2 * time.Minute)
			got := r.mails()
			require.Len(t, got, 1)
			require.Equal(t, "home@nhs.net", got[0].From)
			require.Contains(t, string(got[0].Data), "\r\nMessage-ID: <1@nhs.net>\r\n")
			r.await(gateway.EventDelivered, 1)
			require.Zero(t, r.count(gateway.EventBounced))
		})
	}
}

// Each try waits twice as long as the one before it, an hour at most.
func TestBackOff(t *testing.T) {
	r := startRelay(t, nil)
	r.refuse(map[string]int{"*": 421}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	next := func() (c gateway.Copy) {
		require.NoError(t, r.store.Read(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
			r.wait(48 * time.Hour)
			defer r.wait(-48 * time.Hour)
			return r.store.Read(ctx, func(ctx context.Context, tx gateway.StoreTx) error {
				due, err := tx.DueCopies(ctx, 1)
				require.Len(t, due, 1)
				c = due[0]
				return err
			})
		}))
		return c
	}
	for i, minutes := range []int{1, 2, 4, 8} {
		r.await(gateway.EventDeferred, i+1)
		c := next()
		require.Equal(t, i+1, c.Tries)
		require.InDelta(t, minutes*60, c.Try.Sub(r.wall()).Seconds(), 20)
		r.wait(c.Try.Sub(r.wall()) + time.Second)
	}
}

// What was taken is delivered by whoever opens the store next; nothing is lost
// when the gateway ends in the middle of a delivery.
func TestRestart(t *testing.T) {
	stuck := newHop(t, func(line string) string {
		if strings.HasPrefix(line, "RCPT") {
			return "" // says nothing, for ever
		}
		return "250 ok"
	})
	r := startRelay(t, func(c *gateway.Config) { c.NextHop = stuck.addr })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Eventually(t, func() bool { return stuck.saw("RCPT") == 1 }, 30*time.Second, 5*time.Millisecond)
	r.end()
	r.config.NextHop = r.inbox.Addr()
	r.serve()
	require.Len(t, r.mails(), 1)
	require.Zero(t, r.count(gateway.EventBounced))
}

// A gateway that is told to end finishes what it is delivering.
func TestShutdown(t *testing.T) {
	release := make(chan struct{})
	slow := newHop(t, func(line string) string {
		if line == "." {
			<-release
		}
		return "250 ok"
	})
	r := startRelay(t, func(c *gateway.Config) { c.NextHop = slow.addr })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Eventually(t, func() bool { return slow.saw("DATA") == 1 }, 30*time.Second, 5*time.Millisecond)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = r.gateway.Shutdown(ctx) // the client's connection is still open
	}()
	close(release)
	<-ended
	require.True(t, r.empty())
	require.Equal(t, 1, r.count(gateway.EventDelivered))
}

// An answer that is lost after the content means once more, never not at all.
func TestAtLeastOnce(t *testing.T) {
	var contents atomic.Int32
	lossy := newHop(t, func(line string) string {
		if line == "." && contents.Add(1) == 1 {
			return "hang up"
		}
		return "250 ok"
	})
	r := startRelay(t, func(c *gateway.Config) { c.NextHop = lossy.addr })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDeferred, 1)
	r.wait(time.Minute)
	r.mails()
	require.Equal(t, 2, lossy.saw("Message-ID: <1@nhs.net>"))
}

// Two gateways on one store send nothing twice.
func TestTwoGateways(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { twoGateways(t, startRelay(t, nil)) })
	t.Run("postgres", func(t *testing.T) {
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: postgrestest.Open(t)})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		r := startRelay(t, func(c *gateway.Config) { c.Store = store })
		r.store = store
		twoGateways(t, r)
	})
}

func twoGateways(t *testing.T, r *relay) {
	other, err := gateway.New(r.config)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- other.Serve(l) }()
	var senders sync.WaitGroup
	for _, addr := range []string{r.addr, l.Addr().String()} {
		for range 2 {
			senders.Go(func() {
				one := &relay{t: t, addr: addr}
				for range 5 {
					if reply := one.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")); !strings.HasPrefix(reply, "250") {
						t.Error(reply)
					}
				}
			})
		}
	}
	senders.Wait()
	require.Len(t, r.mails(), 20)
	require.NoError(t, other.Close())
	require.NoError(t, <-done)
}

func TestKey(t *testing.T) {
	r := startRelay(t, nil)
	other := r.config
	other.Key = []byte(strings.Repeat("k", 32))
	r.refuse(map[string]int{"*": 451}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	_, err := gateway.New(other)
	require.ErrorIs(t, err, gateway.ErrKey)
	r.await(gateway.EventDeferred, 1)
	r.refuse(nil, false)
	r.wait(time.Minute)
	require.Len(t, r.mails(), 1)
	r.end()
	_, err = gateway.New(other)
	require.NoError(t, err, "nothing is kept any more")
	_, err = gateway.New(r.config)
	require.NoError(t, err)
}

// database is an SQLite file that a test looks into and changes.
func database(t *testing.T, r *relay, pragma string) (c func(*gateway.Config), dir string, db *sql.DB) {
	t.Helper()
	dir = t.TempDir()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "gate.db")+pragma)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Wall: r.wall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return func(c *gateway.Config) { c.Store = store }, dir, db
}

// Nobody who has the files but not the key learns whom mail is for or what it
// says; that it is there, how long and how often it was tried, they do.
func TestNothingInClear(t *testing.T) {
	var clock relay
	with, dir, _ := database(t, &clock, "")
	r := startRelay(t, with)
	r.store = r.config.Store
	r.refuse(map[string]int{"*": 451}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net", gp}, mailTo("Discharge of Mrs Jones", "a@nhs.net")))
	r.await(gateway.EventDeferred, 2)
	requireNothingInClear(t, dir)
}

func requireNothingInClear(t *testing.T, dir string) {
	t.Helper()
	found := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), "gate.db") && !strings.HasPrefix(d.Name(), "data.db") {
			return err
		}
		data, err := os.ReadFile(path)
		found++
		for _, word := range []string{secret, "Jones", "nhs.net", "practice.example", "1@nhs", "Subject", "Message-ID"} {
			require.NotContains(t, string(data), word, path)
		}
		return err
	}))
	require.NotZero(t, found)
}

// A message that was altered in the store goes nowhere, its sender is told; one
// whose envelope was altered is kept.
func TestAltered(t *testing.T) {
	long := mailTo("x", "a@nhs.net") + strings.Repeat("more and more\r\n", 20_000)
	for name, c := range map[string]struct{ change, message string }{
		"content":         {"UPDATE mailgate_piece SET data = zeroblob(length(data))", mailTo("x", "a@nhs.net")},
		"its last piece":  {"UPDATE mailgate_piece SET data = zeroblob(length(data)) WHERE n = 2", long},
		"the end cut off": {"DELETE FROM mailgate_piece WHERE n = 2", long},
	} {
		t.Run(name, func(t *testing.T) {
			r, db := deferredWith(t, c.message)
			_, err := db.Exec(c.change)
			require.NoError(t, err)
			r.refuse(nil, false)
			r.wait(time.Minute)
			r.await(gateway.EventDamaged, 1)
			got := r.mails()
			require.Len(t, got, 1)
			require.Equal(t, []string{"home@nhs.net"}, got[0].To)
			require.Contains(t, string(got[0].Data), "\r\nStatus: 5.3.0\r\n")
			require.NotContains(t, string(got[0].Data), secret)
		})
	}
	t.Run("envelope", func(t *testing.T) {
		r, db := deferredWith(t, mailTo("x", "a@nhs.net"))
		var good []byte
		require.NoError(t, db.QueryRow("SELECT envelope FROM mailgate_copy").Scan(&good))
		_, err := db.Exec("UPDATE mailgate_copy SET envelope = zeroblob(length(envelope))")
		require.NoError(t, err)
		r.refuse(nil, false)
		r.wait(time.Minute)
		r.await(gateway.EventDamaged, 1)
		require.Empty(t, r.inbox.Mails())
		require.False(t, r.empty())
		_, err = db.Exec("UPDATE mailgate_copy SET envelope = $1", good) // from a backup
		require.NoError(t, err)
		r.wait(time.Hour)
		require.Len(t, r.mails(), 1)
	})
}

// deferredWith is a relay whose store holds one message that waits.
func deferredWith(t *testing.T, message string) (*relay, *sql.DB) {
	t.Helper()
	r := &relay{}
	with, _, db := database(t, r, "")
	started := startRelay(t, with)
	// One clock for both.
	r.t, r.inbox, r.store, r.config, r.addr = t, started.inbox, started.config.Store, started.config, started.addr
	started.end()
	r.log, r.config.Observe = started.log, r.observe
	r.serve()
	r.refuse(map[string]int{"*": 451}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, message))
	r.await(gateway.EventDeferred, 1)
	return r, db
}

// What a crash left of a message that never was taken goes after an hour, when
// mail is delivered; a message that takes so long to come in is not taken.
func TestRemains(t *testing.T) {
	var clock relay
	with, _, db := database(t, &clock, "")
	r := startRelay(t, with)
	r.store = r.config.Store
	require.NoError(t, r.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertCopy(ctx, gateway.Copy{ID: "old", Envelope: []byte{1}, Begun: tx.Wall().Add(-time.Hour - 2*time.Second)})
	}))
	c := dial(t, r.addr)
	c.cmd("MAIL FROM:<home@nhs.net>")
	c.cmd("RCPT TO:<a@nhs.net>")
	c.cmd("DATA")
	_, err := io.WriteString(c.conn, mailTo("x", "a@nhs.net")+strings.Repeat("more and more\r\n", 200_000))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var pieces int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM mailgate_piece").Scan(&pieces))
		return pieces == 16 // two megabytes; the third waits for more
	}, 30*time.Second, 5*time.Millisecond)
	_, err = db.Exec("UPDATE mailgate_copy SET begun = begun - 7200")
	require.NoError(t, err)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"b@nhs.net"}, mailTo("x", "b@nhs.net")))
	require.Len(t, r.mails(), 1)
	_, err = io.WriteString(c.conn, ".\r\n")
	require.NoError(t, err)
	require.Regexp(t, "^451", c.reply())
	require.Len(t, r.mails(), 1)
}

// What there is no room for is not taken, and room is there again at once.
func TestDiskFull(t *testing.T) {
	var clock relay
	with, _, _ := database(t, &clock, "?_pragma=max_page_count(400)") // 1.6 MB
	r := startRelay(t, with)
	r.store = r.config.Store
	big := mailTo("x", "a@nhs.net") + strings.Repeat("more and more\r\n", 200_000)
	for range 2 {
		require.Regexp(t, "^452 4.3.1 ", r.send("home@nhs.net", []string{"a@nhs.net"}, big))
		require.True(t, r.empty(), "not a piece stays")
	}
	require.Equal(t, 2, r.count(gateway.EventFull))
	require.Empty(t, r.inbox.Mails())
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Len(t, r.mails(), 1)
}

// thrifty is a store that knows how much was written at once.
type thrifty struct {
	gateway.Store
	most atomic.Int64
}

type thriftyTx struct {
	gateway.StoreTx
	bytes int64
}

func (s *thrifty) Write(ctx context.Context, fn func(context.Context, gateway.StoreTx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx gateway.StoreTx) error {
		counting := &thriftyTx{StoreTx: tx}
		err := fn(ctx, counting)
		for most := s.most.Load(); counting.bytes > most && !s.most.CompareAndSwap(most, counting.bytes); most = s.most.Load() {
		}
		return err
	})
}

func (t *thriftyTx) InsertPiece(ctx context.Context, id string, n int, data []byte) error {
	t.bytes += int64(len(data))
	return t.StoreTx.InsertPiece(ctx, id, n, data)
}

// A large message goes into the store a megabyte or two at a time, also where
// its encryption gives it out all at once.
func TestLargeByLittle(t *testing.T) {
	var certs gateway.Certificates
	var store *thrifty
	r := startRelay(t, func(c *gateway.Config) {
		store = &thrifty{Store: c.Store}
		c.Directory, c.Store = &certs, store
	})
	roots := r.ca.Roots()
	for _, gcm := range []bool{false, true} {
		e, err := smime.New(smime.Config{Roots: roots, GCM: gcm})
		require.NoError(t, err)
		r.end()
		r.config.Encrypter = e
		r.serve()
		certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate, r.issue(mailtest.Spec{Email: dean}).Certificate}
		// A header so long that it fills more than one write by itself.
		header := strings.Repeat("X-Long: "+strings.Repeat("x", 900)+"\r\n", 280)
		to := []string{gp, dean, "a@nhs.net"}
		before := r.mails()
		require.Regexp(t, "^250", r.send("home@nhs.net", to, header+mailTo("[secure] x", "nobody@nhs.net")+strings.Repeat("more and more\r\n", 200_000)))
		require.Len(t, r.mails(before...), 3)
		require.Less(t, store.most.Load(), int64(3<<20))
	}
}
