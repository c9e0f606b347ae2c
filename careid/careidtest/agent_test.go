// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

// The life of a card at a workstation, on real parts.
func TestAgentStory(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	serial := d.issued()

	c, err := d.module.Card(ctx, card.Selector{Serial: serial})
	require.NoError(t, err)
	certificates, err := c.Certificates(ctx)
	require.NoError(t, err)
	require.Len(t, certificates, 2)
	require.Equal(t, d.clock.Now().AddDate(3, 0, 0).Year(), certificates[0].X509.NotAfter.Year())

	b := d.browser()
	require.False(t, b.in())
	require.Contains(t, b.signIn(passcode), `"alerts":[]`)
	require.True(t, b.in())

	t.Run("the status names nobody", func(t *testing.T) {
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, agent.CardPresent, s.Readers[0].State)
		require.Equal(t, agent.CardAbsent, s.Readers[1].State)
		require.True(t, s.Readers[0].SignedIn)
		require.Empty(t, s.Readers[0].Serial)
		require.Greater(t, *s.Readers[0].DaysLeft, 1000)
	})
	t.Run("step up", func(t *testing.T) {
		task, err := d.Run(ctx, b.ticket("/stepup"), typed(passcode))
		require.NoError(t, err)
		d.done(task)
		status, body := b.redeem(task.Result, "stepup")
		require.Equal(t, 200, status, body)
		require.True(t, b.in())
	})
	t.Run("row046", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(0))
		require.Eventually(t, func() bool { return !b.in() }, patience, 20*time.Millisecond)
		require.NoError(t, d.tray.Insert(0, serial))
		time.Sleep(300 * time.Millisecond)
		require.False(t, b.in(), "putting the card back revives nothing")
	})
	t.Run("change of a known passcode", func(t *testing.T) {
		task, err := d.Run(ctx, agent.Request{Kind: agent.Passcode}, map[string]string{"passcode": passcode, "newPasscode": "135790", "newPasscode2": "135790"})
		require.NoError(t, err)
		d.done(task)
		b.signIn("135790")
	})

	fresh := "86420975"
	t.Run("row040", func(t *testing.T) {
		opened, err := d.Start(ctx, d.browser().ticket("/signin"))
		require.NoError(t, err)
		for i, want := range []string{"passcode.wrong", "passcode.wrong", "card.locked"} {
			task, err := d.Type(ctx, opened, typed("000000"))
			require.NoError(t, err)
			require.Equal(t, want, rule(task), i)
		}
		d.restart()
		task, err := d.Run(ctx, d.browser().ticket("/signin"), typed("135790"))
		require.NoError(t, err)
		require.Equal(t, "card.locked", rule(task))
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, agent.CardLocked, s.Readers[0].State)
		require.Equal(t, "unlock", s.Readers[0].Mend)
	})
	var code string
	t.Run("row055", func(t *testing.T) {
		opened, err := d.Start(ctx, d.browser().ticket("/unlock"))
		require.NoError(t, err)
		task, err := d.Type(ctx, opened, map[string]string{"channel": "email"})
		require.NoError(t, err)
		require.Equal(t, "code", task.Step)
		code = d.code()
		wrong := "1" + code[1:]
		if wrong == code {
			wrong = "2" + code[1:]
		}
		task, err = d.Type(ctx, opened, with(chosen(fresh), "code", wrong))
		require.NoError(t, err)
		require.Equal(t, "unlock.code", rule(task))
		require.Equal(t, agent.Waiting, task.State)
		for name, form := range map[string]map[string]string{
			"passcode.length":  with(chosen("123"), "code", code),
			"passcode.invalid": with(chosen("12345a"), "code", code),
			"passcode.differs": {"code": code, "newPasscode": fresh, "newPasscode2": "11223344"},
		} {
			task, err = d.Type(ctx, opened, form)
			require.NoError(t, err)
			require.Equal(t, name, rule(task))
		}
		task, err = d.Type(ctx, opened, with(chosen(fresh), "code", code))
		require.NoError(t, err)
		d.done(task)
		task, err = d.Run(ctx, d.browser().ticket("/signin"), typed("135790"))
		require.NoError(t, err)
		require.Equal(t, "passcode.wrong", rule(task))
		b.signIn(fresh)
		so, err := c.SO(ctx, []byte(d.soPINs(serial, 1)[0]), card.LoginOptions{})
		if err == nil {
			so.Close()
		}
		require.ErrorIs(t, err, card.ErrWrongSOPIN)
	})
	t.Run("renewal", func(t *testing.T) {
		status, body := b.get("/renew")
		require.Equal(t, 403, status)
		require.Contains(t, body, "renewal.early")
		d.clock.Set(certificates[0].X509.NotAfter.Add(-30 * 24 * time.Hour))
		require.Contains(t, b.signIn(fresh), `"daysLeft":30`)
		task, err := d.Run(ctx, b.ticket("/renew"), typed(fresh))
		require.NoError(t, err)
		d.done(task)
		renewed, err := c.Certificates(ctx)
		require.NoError(t, err)
		require.Len(t, renewed, 2, "the old pair is gone")
		require.True(t, renewed[0].X509.NotAfter.After(certificates[0].X509.NotAfter))
		require.Contains(t, b.signIn(fresh), `"alerts":[]`)
	})
	t.Run("threat043", func(t *testing.T) {
		require.NotEmpty(t, d.log.String())
		for _, secret := range append(d.soPINs(serial, 6), passcode, fresh, "135790", code, "Nurse") {
			require.NotContains(t, d.log.String(), secret)
		}
	})
	t.Run("threat014", func(t *testing.T) {
		for _, secret := range append(d.soPINs(serial, 6), passcode, fresh, "135790") {
			require.NotContains(t, d.wired(), secret)
		}
	})
}

func with(fields map[string]string, name, value string) map[string]string {
	fields[name] = value
	return fields
}

// soPINs are the first n generations of a card's SO PIN.
func (d *desk) soPINs(serial string, n int64) []string {
	var pins []string
	for g := int64(1); g <= n; g++ {
		pin, err := d.master.SOPIN(d.t.Context(), serial, g)
		require.NoError(d.t, err)
		pins = append(pins, string(pin))
	}
	return pins
}

func TestAgentProofs(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.issued()

	t.Run("threat036", func(t *testing.T) {
		b := d.browser()
		b.signIn(passcode)
		wire := d.wired()
		_, after, _ := strings.Cut(wire[strings.LastIndex(wire, `{"jws":"`):], `{"jws":"`)
		jws, _, _ := strings.Cut(after, `"`)
		_, err := d.service.Answer(ctx, jws)
		require.ErrorContains(t, err, "proof.nonce")
	})
	t.Run("threat037", func(t *testing.T) {
		victim, thief := d.browser(), d.browser()
		t.Run("another browser's result", func(t *testing.T) {
			task, err := d.Run(ctx, victim.ticket("/signin"), typed(passcode))
			require.NoError(t, err)
			d.done(task)
			thief.ticket("/signin")
			status, body := thief.redeem(task.Result, "")
			require.Equal(t, 403, status)
			require.Contains(t, body, "proof.result")
		})
		t.Run("an origin that the agent doesn't allow", func(t *testing.T) {
			stranger := *d.Client
			stranger.Origin = evil
			_, err := stranger.Start(ctx, thief.ticket("/signin"))
			require.ErrorContains(t, err, "origin.refused")
		})
		t.Run("an origin that the server doesn't know", func(t *testing.T) {
			d.stopAgent()
			d.startAgent(evil)
			task, err := d.Run(ctx, thief.ticket("/signin"), typed(passcode))
			require.NoError(t, err)
			require.Equal(t, "proof.origin", rule(task))
			d.restart()
		})
	})
}

func TestAgentRemoval(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	serial := d.issued()
	pull := func() { require.NoError(t, d.tray.Remove(0)) }
	back := func() { require.NoError(t, d.tray.Insert(0, serial)) }
	noticed := d.noticer()

	t.Run("threat034", func(t *testing.T) {
		// Pulled at each step of a sign-in, the card signs nobody in.
		for _, at := range []struct {
			path   string
			before bool
		}{{"nonce", true}, {"nonce", false}, {"answer", true}, {"answer", false}} {
			d.setGate(func(path string, before bool) bool {
				if path == at.path && before == at.before {
					d.setGate(nil)
					pull()
					noticed()
				}
				return true
			})
			b := d.browser()
			task, err := d.Run(ctx, b.ticket("/signin"), typed(passcode))
			require.NoError(t, err)
			require.Equal(t, "card.removed", rule(task), at)
			require.Empty(t, task.Result)
			back()
			require.False(t, b.in())
			require.Eventually(t, func() bool { s, err := d.Status(ctx); return err == nil && s.Readers[0].State == agent.CardPresent }, patience, 10*time.Millisecond)
		}
		t.Run("between result and session", func(t *testing.T) {
			b := d.browser()
			task, err := d.Run(ctx, b.ticket("/signin"), typed(passcode))
			require.NoError(t, err)
			d.done(task)
			heard := make(chan struct{})
			d.setGate(func(path string, before bool) bool {
				if path == "removed" && !before {
					d.setGate(nil)
					close(heard)
				}
				return true
			})
			pull()
			select {
			case <-heard:
			case <-time.After(patience):
				t.Error("the server did not hear of a removal")
			}
			status, _ := b.redeem(task.Result, "")
			back()
			require.NotEqual(t, 200, status)
			require.False(t, b.in())
		})
		t.Run("twice within 200 ms", func(t *testing.T) {
			b := d.browser()
			b.signIn(passcode)
			for range 2 {
				pull()
				time.Sleep(60 * time.Millisecond)
				back()
				time.Sleep(40 * time.Millisecond)
			}
			require.Eventually(t, func() bool { return !b.in() }, patience, 20*time.Millisecond)
		})
		t.Run("the workstation ends", func(t *testing.T) {
			b := d.browser()
			b.signIn(passcode)
			d.restart()
			require.False(t, b.in())
		})
	})
	t.Run("threat039", func(t *testing.T) {
		// Nobody is logged in on the card after a task.
		b := d.browser()
		b.signIn(passcode)
		c, err := d.module.Card(ctx, card.Selector{Serial: serial})
		require.NoError(t, err)
		keys, err := c.Keys(ctx)
		require.NoError(t, err)
		_, err = keys[0].SignContext(ctx, make([]byte, 32), nil32{})
		require.ErrorIs(t, err, card.ErrNotLoggedIn)

		// Another person's card can't sign in beside, and its leaving ends nothing.
		d.blank(1)
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, d.tray.Remove(1))
		time.Sleep(300 * time.Millisecond)
		require.True(t, b.in())
	})
}

// Strangers learn nothing from the start of an unlock.
func TestAgentUnlockStart(t *testing.T) {
	d := newDesk(t)
	serial := d.issued()
	start := func(handle, card, channel string) string {
		r, err := http.NewRequest(http.MethodPost, d.web.URL+cardhttp.Path+"unlock/start", strings.NewReader(`{"card":"`+card+`","channel":"`+channel+`"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+handle)
		answer, err := d.web.Client().Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		answer.Header.Del("Date")
		return fmt.Sprint(answer.StatusCode, answer.Header, regexp.MustCompile(`"request":"[^"]{16,}"`).ReplaceAllString(string(body), "R"), len(body))
	}
	t.Run("threat008", func(t *testing.T) {
		sent := start(d.browser().ticket("/unlock").Handle, serial, "email")
		require.NotEmpty(t, d.code())
		require.Contains(t, sent, "202")
		for name, other := range map[string]string{
			"no such card":   start(d.browser().ticket("/unlock").Handle, "WK0000000000", "email"),
			"no such number": start(d.browser().ticket("/unlock").Handle, serial, "text"),
			"too soon":       start(d.browser().ticket("/unlock").Handle, serial, "email"),
			"no handle":      start("AAAAAAAAAAAAAAAAAAAAAA", serial, "email"),
			"no channel":     start(d.browser().ticket("/unlock").Handle, serial, "pigeon"),
		} {
			require.Equal(t, sent, other, name)
		}
	})
}
