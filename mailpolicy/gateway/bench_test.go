// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// BenchmarkGateway sends messages of 10 kB from eight clients through a gateway
// with its store on disk, and through a relay of the same SMTP library that keeps
// nothing: it answers when the next server has answered. The rates are of
// messages that arrived. There is no goal: what durability costs depends on the
// disk's fsync.
func BenchmarkGateway(b *testing.B) {
	const clients, each = 8, 16
	inbox, err := mailtest.OpenInbox()
	require.NoError(b, err)
	b.Cleanup(func() { _ = inbox.Close() })
	ours, plain := openBenchGateway(b, inbox.Addr()), openPlainRelay(b, inbox.Addr())
	var took [2]time.Duration
	messages := 0
	for b.Loop() {
		for i, addr := range []string{ours, plain} {
			before := len(inbox.Mails())
			begun := time.Now()
			sendAll(b, addr, clients, each)
			for len(inbox.Mails()) < before+clients*each {
				time.Sleep(time.Millisecond)
			}
			took[i] += time.Since(begun)
		}
		messages += clients * each
	}
	b.ReportMetric(float64(messages)/took[0].Seconds(), "messages/s")
	b.ReportMetric(float64(messages)/took[1].Seconds(), "plain-messages/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // of both together says nothing
}

func sendAll(b *testing.B, addr string, clients, each int) {
	message := "Subject: bench\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 100)
	var senders sync.WaitGroup
	for range clients {
		senders.Go(func() {
			c, err := smtp.Dial(addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			for range each {
				if err := c.SendMail("home@nhs.net", []string{"a@nhs.net"}, strings.NewReader(message)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
}

func openBenchGateway(b *testing.B, hop string) string {
	db, err := sqlkit.OpenSQLite(filepath.Join(b.TempDir(), "gate.db"))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	store, err := sqlstore.Open(b.Context(), sqlstore.Config{DB: db})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	require.NoError(b, err)
	e, err := smime.New(smime.Config{Roots: ca.Roots()})
	require.NoError(b, err)
	g, err := gateway.New(gateway.Config{NextHop: hop, Encrypter: e, Directory: gateway.Certificates{}, Store: store, Key: spoolKey})
	require.NoError(b, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	go func() { _ = g.Serve(l) }()
	b.Cleanup(func() { require.NoError(b, g.Close()) })
	return l.Addr().String()
}

// plain is a relay that keeps nothing.
type plain struct {
	hop, from string
	to        []string
}

func openPlainRelay(b *testing.B, hop string) string {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &plain{hop: hop}, nil }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

func (p *plain) Mail(from string, _ *smtp.MailOptions) error {
	p.from = from
	return nil
}

func (p *plain) Rcpt(to string, _ *smtp.RcptOptions) error {
	p.to = append(p.to, to)
	return nil
}

func (p *plain) Data(r io.Reader) error {
	c, err := smtp.Dial(p.hop)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SendMail(p.from, p.to, r); err != nil {
		return err
	}
	return c.Quit()
}

func (p *plain) Reset()        { p.to = nil }
func (p *plain) Logout() error { return nil }
