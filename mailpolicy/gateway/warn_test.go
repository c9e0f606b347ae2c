// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// Whoever answers an encrypted message without the tag gets a mail that says so;
// the message goes, because Decide has let it.
func TestLostTag(t *testing.T) {
	t.Run("threat052", lostTag)
}

func lostTag(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate}
	answer := func(from, fields string) []mailtest.Mail {
		before := r.mails()
		require.Regexp(t, "^250", r.send(from, []string{gp, "a@nhs.net", "blind@x.example"}, fields+"From: <home@nhs.net>\r\nMessage-ID: <2@nhs.net>\r\nTo: "+gp+"\r\nSubject: Re: Discharge\r\n\r\n"+secret+"\r\n"))
		return r.mails(before...)
	}
	require.Len(t, answer("home@nhs.net", "In-Reply-To: <1@nhs.net>\r\n"), 1, "nothing is known of it")
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{gp}, mailTo("[secure] Discharge", gp)))
	r.mails()

	r.end()
	r.serve() // the store knows
	for _, fields := range []string{"In-Reply-To: <1@nhs.net>\r\n", "References: <0@nhs.net>\r\n <1@nhs.net>\r\nAuto-Submitted: no\r\n"} {
		got := answer("home@nhs.net", fields)
		require.Len(t, got, 2)
		require.Contains(t, string(got[0].Data), secret)
		note := got[1]
		require.Equal(t, []string{"home@nhs.net"}, note.To)
		require.Empty(t, note.From, "so that nothing answers it")
		require.Contains(t, string(note.Data), "\r\nAuto-Submitted: auto-")
		require.Contains(t, string(note.Data), "mail.secure.reply")
		require.Contains(t, string(note.Data), "\r\n  "+gp+"\r\n  blind@x.example\r\n\r\n", "in clear to these, and a@nhs.net is secure")
		require.Contains(t, string(note.Data), "\r\nMessage-ID: <2@nhs.net>\r\n")
		require.NotContains(t, string(note.Data), secret)
		require.NotContains(t, string(note.Data), "Discharge")
	}
	require.Equal(t, 2, r.count(gateway.EventWarned))

	// Nobody to be warned, or nothing to warn of.
	require.Len(t, answer("", "In-Reply-To: <1@nhs.net>\r\n"), 1)
	require.Len(t, answer("home@nhs.net", "Auto-Submitted: auto-replied\r\nIn-Reply-To: <1@nhs.net>\r\n"), 1)
	require.Len(t, answer("home@nhs.net", "In-Reply-To: <3@nhs.net>\r\n"), 1)
	r.turn(365*24*time.Hour + time.Minute)
	require.Len(t, answer("home@nhs.net", "In-Reply-To: <1@nhs.net>\r\n"), 1, "forgotten")
}

// What waits to be picked up counts as encrypted.
func TestLostTagOfAParcel(t *testing.T) {
	r := startPickup(t, nil)
	r.parked(mailTo("[secure] x", aunt))
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{aunt}, "References: <1@nhs.net>\r\n"+mailTo("Re: x", aunt)))
	r.arrived(3)
	require.Equal(t, 1, r.count(gateway.EventWarned))
}

// forgetful can't be asked what it remembers.
type forgetful struct{ gateway.Store }

type forgetfulTx struct{ gateway.StoreTx }

func (s forgetful) Read(ctx context.Context, fn func(context.Context, gateway.StoreTx) error) error {
	return s.Store.Read(ctx, func(ctx context.Context, tx gateway.StoreTx) error { return fn(ctx, forgetfulTx{tx}) })
}

func (forgetfulTx) Remembered(context.Context, []byte) (bool, error) {
	return false, errors.New("no index")
}

// Where it can't be known, the sender is warned.
func TestWarnedInDoubt(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) { c.Store = forgetful{c.Store} })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{gp}, mailTo("x", gp)))
	require.Len(t, r.mails(), 1, "it names none")
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{gp}, "References: <3@nhs.net>\r\n"+mailTo("Re: x", gp)))
	require.Len(t, r.mails(), 3)
}
