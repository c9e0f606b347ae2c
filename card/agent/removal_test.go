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
