// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// again lets the next try of what waits come.
func (r *relay) again() {
	r.t.Helper()
	before := r.count(gateway.EventDeferred)
	r.wait(time.Hour)
	require.Eventually(r.t, func() bool { return r.count(gateway.EventDeferred) > before }, 30*time.Second, 5*time.Millisecond)
}

// Who has waited for four hours hears of it once, and of the end once more.
func TestDelayed(t *testing.T) {
	r := startRelay(t, nil)
	to := []string{"busy@nhs.net", "many@nhs.net", "a@nhs.net"}
	r.refuse(map[string]int{"busy@nhs.net": 450, "many@nhs.net": 552}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", to, mailTo("Discharge of Mrs Jones", "busy@nhs.net")))
	r.await(gateway.EventDeferred, 2)
	for range 3 {
		r.again()
	}
	require.Zero(t, r.count(gateway.EventDelayed), "three hours")
	r.again()
	r.await(gateway.EventDelayed, 2)
	r.await(gateway.EventDelivered, 2) // a@nhs.net, and the report
	got := r.inbox.Mails()
	note := got[len(got)-1]
	require.Equal(t, []string{"home@nhs.net"}, note.To)
	said := readReport(t, note)
	require.Contains(t, string(note.Data), "\r\nSubject: Your message is still waiting\r\n")
	require.Len(t, said.recipients, 2)
	for i, one := range []string{"busy@nhs.net", "many@nhs.net"} {
		require.Equal(t, "rfc822; "+one, said.recipients[i].Get("Final-Recipient"))
		require.Equal(t, "delayed", said.recipients[i].Get("Action"))
		require.Regexp(t, "^4\\.", said.recipients[i].Get("Status"), "a 552 at RCPT is for the time being too")
		until, err := time.Parse(time.RFC1123Z, said.recipients[i].Get("Will-Retry-Until"))
		require.NoError(t, err)
		require.WithinDuration(t, r.now().Add(5*24*time.Hour-4*time.Hour), until, time.Minute)
	}
	require.NotContains(t, said.text, "a@nhs.net", "who has it")
	require.Equal(t, "<1@nhs.net>", said.original.Get("Message-Id"))
	require.NotContains(t, string(note.Data), "Jones")

	r.end()
	r.serve()
	for range 3 {
		r.again()
	}
	require.Equal(t, 2, r.count(gateway.EventDelayed), "once, also after a restart")
	require.Zero(t, r.count(gateway.EventBounced))
	r.wait(5 * 24 * time.Hour)
	r.await(gateway.EventBounced, 2)
	r.mails()
	require.Equal(t, 2, r.count(gateway.EventDelayed))
}

// While there is no way out there is none for a report either: it would come with
// what it tells of.
func TestDelayedWithoutNextHop(t *testing.T) {
	r := startRelay(t, func(c *gateway.Config) { c.NextHop = "127.0.0.1:1" })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDeferred, 1)
	for range 5 {
		r.again()
	}
	require.Zero(t, r.count(gateway.EventDelayed))
	r.end()
	r.config.NextHop = r.inbox.Addr()
	r.refuse(map[string]int{"a@nhs.net": 450}, false)
	r.serve()
	r.again()
	r.await(gateway.EventDelayed, 1)
}

// Nobody is told of what has no sender, nor of a warning of the gateway's own.
func TestDelayedWithoutSender(t *testing.T) {
	r := startRelay(t, nil)
	r.refuse(map[string]int{"*": 450}, false)
	require.Regexp(t, "^250", r.send("", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"b@nhs.net"}, mailTo("x", "b@nhs.net")))
	r.await(gateway.EventDeferred, 2)
	r.wait(5 * time.Hour)
	r.await(gateway.EventDelayed, 1)
	r.wait(5 * time.Hour) // the report waits too
	r.again()
	r.again()
	require.Equal(t, 1, r.count(gateway.EventDelayed))
}

// A delay says of an encrypted message what a report of its end does, and comes
// for a link that is not brought.
func TestDelayedTellsNothing(t *testing.T) {
	t.Run("threat048", func(t *testing.T) {
		var certs gateway.Certificates
		r := startPickup(t, func(c *gateway.Config) { c.Directory = &certs })
		certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate}
		r.refuse(map[string]int{gp: 450, aunt: 450}, false)
		header := "X-Patient: Jones\r\nThread-Topic: Jones\r\nReferences: <jones@nhs.net>\r\nComments: Jones\r\n"
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{gp, aunt}, header+mailTo("[secure] Mrs Jones", gp)))
		r.await(gateway.EventDeferred, 2)
		r.wait(5 * time.Hour)
		r.await(gateway.EventDelayed, 2)
		r.await(gateway.EventDelivered, 2)
		for _, m := range r.inbox.Mails() {
			require.Equal(t, []string{"home@nhs.net"}, m.To)
			require.Len(t, readReport(t, m).recipients, 1, "a report a copy")
			for _, word := range []string{"Jones", "secure]", "hidden", "/pickup/", "pkcs7"} {
				require.NotContains(t, string(m.Data), word)
			}
		}
	})
}
