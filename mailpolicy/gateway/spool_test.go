// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

const room = 256 << 10

// small is a gateway whose store may hold room bytes.
func small(c *gateway.Config) { c.MaxMessageBytes, c.MaxSpoolBytes = 64<<10, room }

var letter = mailTo("x", "a@nhs.net") + strings.Repeat("more and more\r\n", 3000) // 45 kB

// held is what the store holds.
func (r *relay) held() (bytes int64) {
	r.t.Helper()
	require.NoError(r.t, r.store.Read(context.Background(), func(ctx context.Context, tx gateway.StoreTx) (err error) {
		bytes, err = tx.Held(ctx)
		return err
	}))
	return bytes
}

// fill sends until there is no room any more, and returns how many were taken.
func (r *relay) fill(to []string, message string) (taken int) {
	r.t.Helper()
	for ; ; taken++ {
		reply := r.send("home@nhs.net", to, message)
		if !strings.HasPrefix(reply, "250") {
			require.Regexp(r.t, "^452 4.3.1 ", reply)
			return taken
		}
		require.Less(r.t, taken, 1000, "it takes everything")
	}
}

// takesAgain waits until there is room.
func (r *relay) takesAgain() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		return strings.HasPrefix(r.send("home@nhs.net", []string{"a@nhs.net"}, letter), "250")
	}, 30*time.Second, 50*time.Millisecond)
}

// While the next hop is away the gateway takes what it has room for, refuses
// the rest before its content where that can be known, and goes on when there is
// room.
func TestRoomForMail(t *testing.T) {
	r := startRelay(t, small)
	r.refuse(map[string]int{"*": 451}, false)
	require.Equal(t, 5, r.fill([]string{"a@nhs.net"}, letter))
	require.LessOrEqual(t, r.held(), int64(room))
	require.NotZero(t, r.count(gateway.EventFull))
	c := dial(t, r.addr)
	require.Regexp(t, "^452 4.3.1 ", c.cmd("MAIL FROM:<home@nhs.net> SIZE=45000"))
	require.Regexp(t, "^250", c.cmd("MAIL FROM:<home@nhs.net> SIZE=10000"))
	c.cmd("RCPT TO:<a@nhs.net>")
	require.Regexp(t, "^452 4.3.1 ", c.cmd(fmt.Sprintf("BDAT %d LAST\r\n%s", len(letter), strings.TrimSuffix(letter, "\r\n"))), "it is longer than it said")
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")), "a short one fits")
	r.await(gateway.EventDeferred, 6) // or one is under way, and overtaken by the clock

	r.end()
	r.serve()
	require.Regexp(t, "^452", r.send("home@nhs.net", []string{"a@nhs.net"}, letter), "a gateway that begins knows it")
	r.refuse(nil, false)
	r.wait(2 * time.Hour)
	require.Len(t, r.mails(), 6)
	r.takesAgain()
}

// Where nothing fits, nobody begins to send.
func TestNoRoomAtAll(t *testing.T) {
	r := startRelay(t, small)
	r.refuse(map[string]int{"*": 451}, false)
	r.fill([]string{"a@nhs.net"}, letter)
	require.NoError(t, r.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertCopy(ctx, gateway.Copy{ID: "last", Envelope: []byte{1}, Whole: true, Begun: tx.Wall(), Try: tx.Wall().Add(30 * time.Minute), Bytes: room})
	}))
	c := dial(t, r.addr)
	require.Eventually(t, func() bool {
		c.cmd("RSET")
		return strings.HasPrefix(c.cmd("MAIL FROM:<home@nhs.net>"), "452 4.3.1 ")
	}, 30*time.Second, 50*time.Millisecond, "another gateway has filled it")
}

// All copies of a message count, and many at once don't go over the bound.
func TestRoomAtOnce(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) {
		small(c)
		c.Directory = &certs
	})
	certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate, r.issue(mailtest.Spec{Email: dean}).Certificate}
	r.refuse(map[string]int{"*": 451}, false)
	message := strings.Replace(letter, "Subject: ", "Subject: [secure] ", 1)
	require.Equal(t, 2, r.fill([]string{gp, dean}, message), "two copies of 62 kB each")
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			one := &relay{t: t, addr: r.addr}
			if reply := one.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")+strings.Repeat("more and more\r\n", 300)); !strings.HasPrefix(reply, "250") && !strings.HasPrefix(reply, "452") {
				t.Error(reply)
			}
		})
	}
	senders.Wait()
	require.LessOrEqual(t, r.held(), int64(room))
	require.Greater(t, r.held(), int64(room-16<<10), "and most of the room is used")
}

// What waits to be picked up counts, and its end gives the room back.
func TestRoomForParcels(t *testing.T) {
	r := startPickup(t, small)
	message := strings.Replace(letter, "Subject: ", "Subject: [secure] ", 1)
	taken := r.fill([]string{aunt}, message)
	require.Equal(t, 5, taken)
	require.LessOrEqual(t, r.held(), int64(room))
	r.turn(14*24*time.Hour + time.Second)
	_, err := r.gateway.Due(t.Context())
	require.NoError(t, err)
	r.takesAgain()
}

// What a crash left of messages that never were taken makes room where there is
// nothing to deliver either.
func TestRemainsMakeRoom(t *testing.T) {
	r := startRelay(t, small)
	require.NoError(t, r.store.Write(t.Context(), func(ctx context.Context, tx gateway.StoreTx) error {
		return tx.InsertCopy(ctx, gateway.Copy{ID: "old", Envelope: []byte{1}, Begun: tx.Wall().Add(-time.Hour - 2*time.Second), Bytes: room})
	}))
	r.end()
	r.serve()
	require.Regexp(t, "^452", r.send("home@nhs.net", nil, letter))
	r.takesAgain()
}

// A PostgreSQL without room is answered like any other.
func TestDiskFullOnPostgreSQL(t *testing.T) {
	db := postgrestest.Open(t)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	r := startRelay(t, func(c *gateway.Config) { c.Store = store })
	r.store = store
	// The server's own error, without filling a disk.
	_, err = db.ExecContext(t.Context(), `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
		CREATE TRIGGER full_disk BEFORE INSERT ON mailgate_piece FOR EACH ROW WHEN (NEW.n > 0) EXECUTE FUNCTION full_disk()`)
	require.NoError(t, err)
	reply := r.send("home@nhs.net", []string{"a@nhs.net"}, letter+strings.Repeat("more and more\r\n", 100_000))
	require.Regexp(t, "^452 4.3.1 ", reply)
	require.NotContains(t, reply, "device")
	require.True(t, r.empty(), "not a piece stays")
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Len(t, r.mails(), 1)
}
