// SPDX-License-Identifier: Apache-2.0

package inbox_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/estate/internal/inbox"
)

// open starts a box that receives over real SMTP.
func open(t *testing.T, dir string) (*inbox.Box, string) {
	t.Helper()
	box, err := inbox.Open(inbox.Config{Dir: dir, Now: func() time.Time { return time.Date(2029, 5, 1, 9, 0, 0, 0, time.UTC) }})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- box.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, box.Close(context.Background()))
		require.NoError(t, <-done)
	})
	return box, l.Addr().String()
}

func TestInbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	box, addr := open(t, dir)
	sender := box.Sender(addr)

	require.NoError(t, sender.Send(t.Context(), "email", "nurse@example.test", "Your code", "Your code is 1234 5678.\n.\nÜ — "+strings.Repeat("long ", 400)))
	require.NoError(t, sender.Send(t.Context(), "text", "+447700900123", "", "Your code is 8765 4321."))

	t.Run("an e-mail comes over SMTP as it was written", func(t *testing.T) {
		got := box.Messages("Nurse@Example.test")
		require.Len(t, got, 1)
		require.Equal(t, "Your code", got[0].Subject)
		require.Equal(t, inbox.From, got[0].From)
		require.True(t, strings.HasPrefix(got[0].Body, "Your code is 1234 5678.\n.\nÜ — long"), got[0].Body)
		require.Contains(t, string(got[0].Raw), "Message-Id: <")
		require.Equal(t, 2029, got[0].At.Year(), "kept by the calendar")
	})
	t.Run("a text has no raw form", func(t *testing.T) {
		got := box.Messages("+447700900123")
		require.Len(t, got, 1)
		require.Equal(t, "Your code is 8765 4321.", got[0].Body)
		require.Nil(t, got[0].Raw)
	})
	t.Run("bytes are kept as they were sent, one message a recipient", func(t *testing.T) {
		raw := "From: a@x.test\r\nTo: b@x.test\r\nSubject: =?iso-8859-1?q?caf=E9?=\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n..dots\r\n"
		require.NoError(t, inbox.Submit(t.Context(), addr, "a@x.test", []string{"b@x.test", "c@x.test"}, []byte(raw)))
		for _, to := range []string{"b@x.test", "c@x.test"} {
			got := box.Messages(to)
			require.Len(t, got, 1)
			require.Equal(t, raw, string(got[0].Raw))
			require.Equal(t, "café", got[0].Subject)
		}
	})
	t.Run("what is no message is kept all the same", func(t *testing.T) {
		require.NoError(t, inbox.Submit(t.Context(), addr, "a@x.test", []string{"junk@x.test"}, []byte("\xff\xfe no header\r\n")))
		require.Len(t, box.Messages("junk@x.test"), 1)
	})
	t.Run("threat017", func(t *testing.T) {
		before := len(box.Messages(""))
		for _, to := range []string{"a@x.test\r\nBcc: b@x.test", "a@x.test, b@x.test", "a@x.test>\r\nRCPT TO:<b@x.test", "a\x00@x.test", ""} {
			require.Error(t, sender.Send(t.Context(), "email", to, "s", "b"), "%q", to)
		}
		require.Len(t, box.Messages(""), before)
		require.NoError(t, sender.Send(t.Context(), "email", "one@x.test", "s\r\nBcc: two@x.test\r\n\r\nbody", "b\r\n.\r\nMAIL FROM:<x@x.test>\r\n"))
		require.Len(t, box.Messages(""), before+1)
		head, _, _ := strings.Cut(string(box.Messages("one@x.test")[0].Raw), "\r\n\r\n")
		require.NotContains(t, head, "\r\nBcc:")
	})
	t.Run("a restart loses nothing and numbers on", func(t *testing.T) {
		before := box.Messages("")
		again, err := inbox.Open(inbox.Config{Dir: dir})
		require.NoError(t, err)
		require.Equal(t, before, again.Messages(""))
		require.NoError(t, again.PutText("+447700900124", "later"))
		require.Equal(t, before[len(before)-1].ID+1, again.Messages("+447700900124")[0].ID)
	})
	t.Run("a message that can't be kept is refused", func(t *testing.T) {
		full, addr := open(t, filepath.Join(t.TempDir(), "box"))
		require.NoError(t, full.PutText("x", "y"))
		dir := t.TempDir()
		lost, gone := open(t, filepath.Join(dir, "box"))
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "box")))
		err := inbox.Submit(t.Context(), gone, "a@x.test", []string{"b@x.test"}, []byte("Subject: s\r\n\r\nb\r\n"))
		var refused *inbox.Refused
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 451, refused.Code)
		require.Empty(t, lost.Messages(""))
		require.NoError(t, inbox.Submit(t.Context(), addr, "a@x.test", []string{"b@x.test"}, []byte("Subject: s\r\n\r\nb\r\n")))
	})
}
