// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
)

// A pulled card closes the browser and is told within two seconds, whatever else
// goes on at the workstation and however the first server behaves.
func TestRemovalUnderLoad(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "closed")
	hung := newServer(t)
	d := newDesk(t, func(c *agent.Config) {
		c.RemovalCommand = []string{"touch", gone}
		c.Servers = append(c.Servers, hung.URL)
	})
	ctx := t.Context()
	d.personalised(0)
	for _, at := range []string{d.server.URL, hung.URL} {
		r := d.signin()
		r.Server = at
		task, err := d.Run(ctx, r, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State)
	}
	var told atomic.Int32
	hung.lies("removed", func(w http.ResponseWriter, r *http.Request) {
		if told.Add(1) == 1 { // a connection that died unnoticed
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	busy, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for busy.Err() == nil {
				_, _ = d.Status(busy)
				if o, err := d.Start(busy, agent.Request{Kind: agent.Passcode}); err == nil {
					_ = d.Cancel(busy, o.ID)
				}
			}
		})
	}
	defer all.Wait()
	defer stop()
	time.Sleep(200 * time.Millisecond)

	t.Run("threat034", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(0))
		closed := func() bool { _, err := os.Stat(gone); return err == nil }
		require.Eventually(t, func() bool { return closed() && d.server.called("removed Bearer presence-token") == 1 }, patience, 10*time.Millisecond)
		require.Eventually(t, func() bool { return told.Load() == 2 }, patience, 10*time.Millisecond, "a dead connection is given up in time for another")
	})
}

// A reader that is unplugged with the card in it is a card that left; one that
// answers with an error for a while is not.
func TestReaderUnplugged(t *testing.T) {
	d, are := newQuirkyDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
	told := func() int { return d.server.called("removed Bearer presence-token") }
	leases := func() int { return d.server.called("lease Bearer presence-token") }

	t.Run("threat035", func(t *testing.T) {
		are("fail C_GetTokenInfo 30", "fail C_GetSessionInfo 30") // CKR_DEVICE_ERROR
		time.Sleep(500 * time.Millisecond)                        // more than ten looks
		require.Zero(t, told())
		are()
		before := leases()
		require.Eventually(t, func() bool { return leases() > before }, patience, 10*time.Millisecond, "the session goes on")
	})
	t.Run("threat034", func(t *testing.T) {
		are("fail C_GetSlotInfo 32") // CKR_DEVICE_REMOVED
		require.Eventually(t, func() bool { return told() == 1 }, patience, 10*time.Millisecond)
		are()
		require.Eventually(t, func() bool {
			s, err := d.Status(ctx)
			return err == nil && len(s.Readers) == 2 && s.Readers[0].State == agent.CardPresent
		}, patience, 10*time.Millisecond)
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.False(t, s.Readers[0].SignedIn, "plugged in again, nothing is held")
	})
}
