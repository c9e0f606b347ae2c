// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

// An answer that comes too late is never taken for the answer about the next
// recipient: nobody is given up, or counted as served, for somebody else.
func TestLateAnswer(t *testing.T) {
	slow := make(chan struct{})
	late := newHop(t, func(line string) string {
		switch {
		case strings.HasPrefix(line, "RCPT TO:<a@"):
			select {
			case <-slow:
			case <-time.After(1500 * time.Millisecond):
			}
		case strings.HasPrefix(line, "RCPT TO:<b@"):
			return "550 5.1.1 nobody here"
		}
		return "250 ok"
	})
	r := startRelay(t, func(c *gateway.Config) { c.NextHop, c.Timeout = late.addr, time.Second })
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net", "b@nhs.net", "c@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDeferred, 3)
	require.Zero(t, r.count(gateway.EventBounced))
	close(slow)
	r.wait(time.Minute)
	r.mails()
	require.Equal(t, 1, r.count(gateway.EventBounced))
	require.Equal(t, 1, late.saw("Final-Recipient: rfc822; b@nhs.net"))
	require.Zero(t, late.saw("Final-Recipient: rfc822; c@nhs.net"))
}

// A clock that was put back by a month keeps no mail waiting for that month.
func TestClockPutBack(t *testing.T) {
	r := startRelay(t, nil)
	r.refuse(map[string]int{"*": 451}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	r.await(gateway.EventDeferred, 1)
	r.refuse(nil, false)
	r.wait(-30 * 24 * time.Hour)
	require.Len(t, r.mails(), 1)
}

// However many recipients are in the way, the reply names its rule, and says of
// none of them what holds for another.
func TestReplyNamesItsRule(t *testing.T) {
	var certs gateway.Certificates
	r := startRelay(t, func(c *gateway.Config) { c.Directory = &certs })
	expired := r.issue(mailtest.Spec{Email: "old@x.example", NotAfter: time.Now().Add(-time.Hour)})
	certs = gateway.Certificates{expired.Certificate}
	reply := r.send("home@nhs.net", []string{"none@x.example", "old@x.example"}, mailTo("[secure] x", gp))
	require.Regexp(t, `^550 .*no certificate is known for none@x.example\. Nor can it be encrypted for old@x.example\..*\(mail.recipient.nocert\)$`, reply)
	require.NotContains(t, reply, "same")
	var many []string
	for i := range 60 {
		many = append(many, "somebody-"+itoa(i)+"@x.example")
	}
	reply = r.send("home@nhs.net", many, mailTo("[secure] x", gp))
	require.Regexp(t, `^550 5.7.1 .*\(mail.recipient.nocert\)$`, reply)
	require.LessOrEqual(t, len(reply), 510)
}
