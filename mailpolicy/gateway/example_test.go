// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// A gateway between a mail program and an inbox.
func ExampleNew() {
	if err := relayOne(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// taken
	// arrived for a@nhs.net
}

func relayOne() error {
	ctx := context.Background()
	inbox, err := mailtest.OpenInbox()
	if err != nil {
		return err
	}
	defer func() { _ = inbox.Close() }()
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	if err != nil {
		return err
	}
	e, err := smime.New(smime.Config{Roots: ca.Roots()})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gateway")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "gate.db"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	g, err := gateway.New(gateway.Config{
		NextHop: inbox.Addr(), Encrypter: e, Directory: gateway.Certificates{},
		Store: store, Key: bytes.Repeat([]byte{1}, 32), // in earnest, random and from a file or a vault
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = g.Serve(l) }()
	message := "From: home@nhs.net\r\nTo: a@nhs.net\r\nSubject: hello\r\n\r\nHello.\r\n"
	if err := smtp.SendMail(l.Addr().String(), nil, "home@nhs.net", []string{"a@nhs.net"}, []byte(message)); err != nil {
		return err
	}
	fmt.Println("taken")
	for range 1000 {
		for _, m := range inbox.Mails() {
			fmt.Println("arrived for", m.To[0])
			return g.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return g.Close()
}
