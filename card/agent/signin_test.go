// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

func decodePart(jws string) []byte {
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil
	}
	b, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return b
}

func TestSignIn(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "closed")
	d := newDesk(t, func(c *agent.Config) { c.RemovalCommand = []string{"touch", gone} })
	ctx := t.Context()
	serial := d.personalised(0)

	opened, err := d.Start(ctx, d.signin())
	require.NoError(t, err)
	task, err := d.Type(ctx, opened, typed("654321"))
	require.NoError(t, err)
	require.Equal(t, "passcode.wrong", rule(err, task))
	require.Equal(t, agent.Waiting, task.State)
	require.Zero(t, d.server.called("nonce "), "no nonce before the card took the passcode")

	task, err = d.Type(ctx, opened, typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
	require.Equal(t, "one-time-result", task.Result)
	proof := d.server.proofs[0]
	require.Equal(t, d.server.URL, proof["aud"])
	require.Equal(t, origin, proof["origin"])
	require.Equal(t, nonce, proof["nonce"])
	require.Equal(t, "signin", proof["purpose"])
	require.Equal(t, bind, proof["bind"])
	require.InDelta(t, time.Now().Unix(), proof["iat"], 5)

	t.Run("the lease is renewed while the card is there", func(t *testing.T) {
		require.Eventually(t, func() bool { return d.server.called("lease Bearer presence-token") >= 1 }, patience, 20*time.Millisecond)
	})
	t.Run("row046", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(0))
		require.Eventually(t, func() bool { return d.server.called("removed Bearer presence-token") == 1 }, patience, 10*time.Millisecond)
		require.Eventually(t, func() bool { _, err := os.Stat(gone); return err == nil }, patience, 10*time.Millisecond)
	})
	t.Run("back in, nothing is held", func(t *testing.T) {
		require.NoError(t, d.tray.Insert(0, serial))
		time.Sleep(150 * time.Millisecond)
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.False(t, s.Readers[0].SignedIn)
	})
	t.Run("threat043", func(t *testing.T) {
		for _, secret := range []string{"123456", "654321", "one-time-result", "presence-token", "Nurse"} {
			require.NotContains(t, d.log.String(), secret)
		}
	})
}

// The last try is sent only from a page that said that it is the last.
func TestFinalTry(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	opened, err := d.Start(ctx, d.signin())
	require.NoError(t, err)
	require.NotContains(t, d.page(t, opened), `id="tries"`)
	for wrong, left := range []string{"", "1"} {
		task, err := d.Type(ctx, opened, typed("000000"))
		require.NoError(t, err)
		require.Equal(t, "passcode.wrong", rule(err, task))
		require.Equal(t, left, task.Refusal.Facts["triesLeft"])
		require.Equal(t, wrong == 0, strings.Contains(d.page(t, opened), "A wrong passcode was typed since the last right one."))
		require.Equal(t, wrong == 1, strings.Contains(d.page(t, opened), "One try is left."))
	}
	s, err := d.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, agent.CardFinalTry, s.Readers[0].State)
	t.Run("threat044", func(t *testing.T) {
		task, err := d.Type(ctx, opened, map[string]string{"passcode": "000000", "final": ""})
		require.NoError(t, err)
		require.Equal(t, "passcode.final", rule(err, task))
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, agent.CardFinalTry, s.Readers[0].State, "nothing was sent")
	})
	body := d.page(t, opened)
	require.Contains(t, body, "One try is left")
	task, err := d.Type(ctx, opened, typed("000000"))
	require.NoError(t, err)
	require.Equal(t, "card.locked", rule(err, task))
	require.Equal(t, "0", task.Refusal.Facts["triesLeft"])
	require.Equal(t, agent.Refused, task.State)
	again, err := d.Start(ctx, d.signin())
	require.NoError(t, err)
	require.Contains(t, d.page(t, again), "This smartcard is locked: no passcode opens it")
}

func TestPasscode(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	change := func(old, fresh string) agent.Task {
		task, err := d.Run(ctx, agent.Request{Kind: agent.Passcode}, map[string]string{"passcode": old, "newPasscode": fresh, "newPasscode2": fresh})
		require.NoError(t, err)
		return task
	}
	t.Run("row002", func(t *testing.T) {
		require.Equal(t, agent.Done, change("123456", "28182845").State)
		require.Equal(t, "passcode.wrong", change("123456", "314159").Refusal.Rule)
		for bad, want := range map[string]string{"12345": "passcode.length", "123456789": "passcode.length", "12345x": "passcode.invalid", "28182845": "passcode.same"} {
			require.Equal(t, want, change("28182845", bad).Refusal.Rule)
		}
		require.Equal(t, agent.Done, change("28182845", "314159").State)
		for range 3 {
			change("000000", "27182818")
		}
		for range 2 {
			require.Equal(t, "card.locked", change("314159", "27182818").Refusal.Rule)
		}
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, agent.CardLocked, s.Readers[0].State)
	})
	require.Empty(t, d.server.calls, "no server takes part")
}

func TestServersWord(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	t.Run("a refusal is passed on", func(t *testing.T) {
		d.server.refuse["answer"] = &wardkey.Refusal{Rule: "card.lost", Status: 403, Public: "This card was reported lost."}
		defer delete(d.server.refuse, "answer")
		task, err := d.Run(ctx, d.signin(), typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Refused, task.State)
		require.Equal(t, "This card was reported lost.", task.Refusal.Public)
	})
	t.Run("a server that is away", func(t *testing.T) {
		d.server.Config.Handler, d.server.refuse["nonce"] = nil, nil
		d.server.CloseClientConnections()
		d.server.Listener.Close()
		task, err := d.Run(ctx, d.signin(), typed("123456"))
		require.NoError(t, err)
		require.Equal(t, "server.unreachable", rule(err, task))
		require.Equal(t, agent.Waiting, task.State)
	})
}

func TestLeaseRefused(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)
	s, err := d.Status(ctx)
	require.NoError(t, err)
	require.True(t, s.Readers[0].SignedIn)
	d.server.refuses("lease", &wardkey.Refusal{Rule: "presence.ended", Status: 401, Public: "over"})
	require.Eventually(t, func() bool { s, err := d.Status(ctx); return err == nil && !s.Readers[0].SignedIn }, patience, 20*time.Millisecond)
}

// A binding that lets the card go is told by an answer without a presence.
func TestKeep(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.server.answer = map[string]any{"result": "one-time-result"}
	d.personalised(0)
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)
	require.NoError(t, d.tray.Remove(0))
	time.Sleep(200 * time.Millisecond)
	require.Zero(t, d.server.called("removed Bearer presence-token"))
}

func TestEvents(t *testing.T) {
	d := newDesk(t, nil)
	got := make(chan string, 16)
	go func() {
		for e, err := range d.Client.Events(t.Context()) {
			if err != nil {
				close(got)
				return
			}
			got <- e.Name + string(e.Data)
		}
	}()
	// Until the stream is there, a cancelled task tells nobody.
	require.Eventually(t, func() bool {
		o, err := d.Start(t.Context(), agent.Request{Kind: agent.Passcode})
		require.NoError(t, err)
		require.NoError(t, d.Cancel(t.Context(), o.ID))
		time.Sleep(30 * time.Millisecond)
		return len(got) > 0
	}, patience, time.Millisecond)
	for len(got) > 0 {
		<-got
	}
	next := func() string {
		select {
		case e := <-got:
			return e
		case <-time.After(2 * time.Second):
			return "nothing"
		}
	}
	d.personalised(1)
	require.Equal(t, `inserted{"reader":1}`, next())
	task, err := d.Run(t.Context(), d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Contains(t, next(), `task{"state":"working","step":"passcode","task":"`+task.ID)
	require.Contains(t, next(), `"state":"done"`)
	require.NoError(t, d.tray.Remove(1))
	require.Equal(t, `removed{"reader":1,"signedIn":true}`, next())
	require.NotContains(t, d.log.String(), "origin refused")
	d.stop()
	for range got { // the stream ends with the agent
	}
}
