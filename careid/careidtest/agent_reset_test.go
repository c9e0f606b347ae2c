// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

// lock types the wrong passcode until the card is locked.
func (d *desk) lock() {
	opened, err := d.Start(d.t.Context(), d.browser().ticket("/signin"))
	require.NoError(d.t, err)
	for range 3 {
		_, err := d.Type(d.t.Context(), opened, typed("000000"))
		require.NoError(d.t, err)
	}
}

// ask starts an unlock and returns the task and its code.
func (d *desk) ask() (agent.Opened, string) {
	d.t.Helper()
	d.clock.Add(3 * time.Hour) // past the limits of asking
	opened, err := d.Start(d.t.Context(), d.browser().ticket("/unlock"))
	require.NoError(d.t, err)
	task, err := d.Type(d.t.Context(), opened, map[string]string{"channel": "email"})
	require.NoError(d.t, err)
	require.Equal(d.t, "code", task.Step, d.log)
	return opened, d.code()
}

func (d *desk) states(serial string) (pin, soPIN card.PINState) {
	c, err := d.module.Card(d.t.Context(), card.Selector{Serial: serial})
	require.NoError(d.t, err)
	info, err := c.Info(d.t.Context())
	require.NoError(d.t, err)
	return info.PIN, info.SOPIN
}

// The workstation dies at each word of a reset: afterwards the card is locked or
// has its new passcode, its security officer PIN is not burned, and a new code
// at a new agent opens it.
func TestAgentResetCutShort(t *testing.T) {
	d := newDesk(t)
	serial := d.issued()
	passcodes := 100000
	for _, at := range []struct {
		path    string
		before  bool
		changed bool // the passcode was set already
	}{
		{"unlock/redeem", true, false},
		{"unlock/redeem", false, false},
		{"reset/opened", true, false},
		{"reset/opened", false, false},
		{"reset/confirm", true, true},
		{"reset/confirm", false, true},
	} {
		t.Run(fmt.Sprintf("threat013/%s %v", at.path, at.before), func(t *testing.T) {
			d.lock()
			opened, code := d.ask()
			passcodes++
			lost := fmt.Sprint(passcodes)
			d.setGate(func(path string, before bool) bool {
				if path != at.path || before != at.before {
					return true
				}
				d.setGate(nil)
				d.kill()
				return false
			})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := d.Type(ctx, opened, with(chosen(lost), "code", code))
			require.NoError(t, err)
			d.restart()

			pin, soPIN := d.states(serial)
			require.LessOrEqual(t, soPIN, card.PINLow, "at most one wrong try")
			require.Equal(t, at.changed, pin == card.PINReady)

			opened, code = d.ask()
			passcodes++
			fresh := fmt.Sprint(passcodes)
			task, err := d.Type(t.Context(), opened, with(chosen(fresh), "code", code))
			require.NoError(t, err)
			d.done(task)
			d.browser().signIn(fresh)
			_, soPIN = d.states(serial)
			require.Equal(t, card.PINReady, soPIN)
		})
	}
}

// The card is pulled in the middle of a reset and put back: the same agent
// finishes it, without another code.
func TestAgentResetResumed(t *testing.T) {
	d := newDesk(t)
	serial := d.issued()
	noticed := d.noticer()
	d.lock()
	opened, code := d.ask()
	d.setGate(func(path string, before bool) bool {
		if path == "reset/opened" && !before {
			d.setGate(nil)
			require.NoError(t, d.tray.Remove(0))
		}
		return true
	})
	task, err := d.Type(t.Context(), opened, with(chosen("314159"), "code", code))
	require.NoError(t, err)
	require.Equal(t, agent.Waiting, task.State)
	require.Equal(t, "resume", task.Step)
	require.Equal(t, "card.removed", rule(task))
	pin, _ := func() (card.PINState, card.PINState) {
		require.NoError(t, d.tray.Insert(0, serial))
		return d.states(serial)
	}()
	require.Equal(t, card.PINLocked, pin)

	task, err = d.Type(t.Context(), opened, chosen("314159"))
	require.NoError(t, err)
	d.done(task)
	noticed() // a removal that is seen only now ends a sign-in that has begun
	d.browser().signIn("314159")
}

// The server is away when the card has its new passcode: the same agent tells
// it later.
func TestAgentResetUnheard(t *testing.T) {
	d := newDesk(t)
	d.issued()
	d.lock()
	opened, code := d.ask()
	d.setGate(func(path string, before bool) bool { return path != "reset/confirm" || !before })
	task, err := d.Type(t.Context(), opened, with(chosen("314159"), "code", code))
	require.NoError(t, err)
	require.Equal(t, agent.Waiting, task.State)
	require.Equal(t, "resume", task.Step)
	require.Equal(t, "server.unreachable", rule(task))
	d.setGate(nil)
	task, err = d.Type(t.Context(), opened, chosen("161803"))
	require.NoError(t, err)
	d.done(task)
	d.browser().signIn("161803")
}

// A proven sign-in by a card whose unlock was not finished is refused: the
// unlock is finished first.
func TestAgentUnfinishedUnlock(t *testing.T) {
	d := newDesk(t)
	d.issued()
	d.lock()
	opened, code := d.ask()
	d.setGate(func(path string, before bool) bool {
		if path == "reset/confirm" {
			d.kill()
			return false
		}
		return true
	})
	_, err := d.Type(t.Context(), opened, with(chosen("271828"), "code", code))
	require.NoError(t, err)
	d.setGate(nil)
	d.restart()
	task, err := d.Run(t.Context(), d.browser().ticket("/signin"), typed("271828"))
	require.NoError(t, err)
	require.Equal(t, "unlock.unfinished", rule(task))
}

// Killed after the certificates were made, a renewal is finished by the next
// agent that sees the card, at the next sign-in.
func TestAgentRenewalLeft(t *testing.T) {
	for _, at := range []struct {
		path   string
		before bool
	}{{"act/requests", false}, {"act/confirm", true}, {"act/confirm", false}} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			d := newDesk(t)
			serial := d.issued()
			c, err := d.module.Card(t.Context(), card.Selector{Serial: serial})
			require.NoError(t, err)
			old, err := c.Certificates(t.Context())
			require.NoError(t, err)
			d.clock.Set(old[0].X509.NotAfter.Add(-24 * time.Hour))
			b := d.browser()
			b.signIn(passcode)
			d.setGate(func(path string, before bool) bool {
				if path == at.path && before == at.before {
					d.kill()
					return false
				}
				return true
			})
			_, err = d.Run(t.Context(), b.ticket("/renew"), typed(passcode))
			require.NoError(t, err)
			d.setGate(nil)
			d.restart()

			b = d.browser()
			b.signIn(passcode)
			require.Contains(t, b.signIn(passcode), `"alerts":[]`)
			now, err := c.Certificates(t.Context())
			require.NoError(t, err)
			for _, certificate := range now {
				if certificate.X509.Equal(old[0].X509) {
					require.Equal(t, "act/confirm", at.path, "only where the server had heard it all may an old pair lie about")
					require.False(t, at.before)
				}
			}
		})
	}
}

// The card is pulled at each word of a renewal: it always holds a pair that
// signs in, and the renewal is finished or begun again.
func TestAgentRenewalPulled(t *testing.T) {
	for _, path := range []string{"nonce", "answer", "act", "act/requests", "act/confirm"} {
		d := newDesk(t)
		serial := d.issued()
		c, err := d.module.Card(t.Context(), card.Selector{Serial: serial})
		require.NoError(t, err)
		for _, at := range []bool{true, false} {
			t.Run(fmt.Sprint("threat034/", path, at), func(t *testing.T) {
				certificates, err := c.Certificates(t.Context())
				require.NoError(t, err)
				var end time.Time // an old pair may lie beside, until the next renewal
				for _, certificate := range certificates {
					if at := certificate.X509.NotAfter; at.After(end) {
						end = at
					}
				}
				d.clock.Set(end.Add(-24 * time.Hour))
				b := d.browser()
				b.signIn(passcode)
				ticket := b.ticket("/renew")
				d.setGate(func(p string, before bool) bool {
					if p == path && before == at {
						d.setGate(nil)
						require.NoError(t, d.tray.Remove(0))
					}
					return true
				})
				_, err = d.Run(t.Context(), ticket, typed(passcode))
				require.NoError(t, err)
				require.NoError(t, d.tray.Insert(0, serial))
				require.Eventually(t, func() bool { return !b.in() }, patience, 20*time.Millisecond)

				b = d.browser()
				b.signIn(passcode) // and finishes what was left
				if status, _ := b.get("/renew"); status == 200 {
					task, err := d.Run(t.Context(), b.ticket("/renew"), typed(passcode))
					require.NoError(t, err)
					d.done(task)
				}
				require.Contains(t, b.signIn(passcode), `"alerts":[]`)
			})
		}
	}
}

// An issue that was cut short is done again on the same card.
func TestAgentIssueLeft(t *testing.T) {
	for _, at := range []struct {
		path   string
		before bool
	}{{"act/requests", true}, {"act/requests", false}, {"act/confirm", true}} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			d := newDesk(t)
			serial := d.blank(0)
			d.setGate(func(path string, before bool) bool {
				if path == at.path && before == at.before {
					d.setGate(nil)
					d.kill()
					return false
				}
				return true
			})
			issue := func() agent.Task {
				founded, err := d.service.Bootstrap(t.Context(), founder(serial))
				require.NoError(t, err)
				task, err := d.Run(t.Context(), agent.Request{Kind: agent.Issue, Server: d.web.URL, Handle: founded.Act.Handle}, chosen(passcode))
				require.NoError(t, err)
				return task
			}
			require.NotEqual(t, agent.Done, issue().State)
			d.restart()
			d.done(issue())
			d.browser().signIn(passcode)
		})
	}
}

// The agent dies after its requests were stored and before the CA answered. The
// next agent makes other requests for the same keys, byte by byte; it ends with
// the certificates of the stored ones once the CA is back, at the next sign-in or
// the next try.
func TestAgentRequestsStored(t *testing.T) {
	cut := func(d *desk, run func()) {
		d.ca.stopped.Store(true)
		d.setGate(func(path string, before bool) bool {
			if path == "act/requests" && !before {
				d.setGate(nil)
				d.kill()
				return false
			}
			return true
		})
		run()
		d.restart()
		d.ca.stopped.Store(false)
	}
	t.Run("renewal", func(t *testing.T) {
		d := newDesk(t)
		serial := d.issued()
		c, err := d.module.Card(t.Context(), card.Selector{Serial: serial})
		require.NoError(t, err)
		old, err := c.Certificates(t.Context())
		require.NoError(t, err)
		d.clock.Set(old[0].X509.NotAfter.Add(-24 * time.Hour))
		b := d.browser()
		b.signIn(passcode)
		cut(d, func() {
			task, err := d.Run(t.Context(), b.ticket("/renew"), typed(passcode))
			require.NoError(t, err)
			require.NotEqual(t, agent.Done, task.State)
		})
		b = d.browser()
		b.signIn(passcode) // and finishes what was left
		require.Contains(t, b.signIn(passcode), `"alerts":[]`)
		now, err := c.Certificates(t.Context())
		require.NoError(t, err)
		require.Len(t, now, 2)
	})
	t.Run("issue", func(t *testing.T) {
		d := newDesk(t)
		serial := d.blank(0)
		issue := func() agent.Task {
			founded, err := d.service.Bootstrap(t.Context(), founder(serial))
			require.NoError(t, err)
			task, err := d.Run(t.Context(), agent.Request{Kind: agent.Issue, Server: d.web.URL, Handle: founded.Act.Handle}, chosen(passcode))
			require.NoError(t, err)
			return task
		}
		cut(d, func() { require.NotEqual(t, agent.Done, issue().State) })
		d.done(issue())
		d.browser().signIn(passcode)
	})
}
