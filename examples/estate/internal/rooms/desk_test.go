// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
)

func TestDeskThatDoesNotEnd(t *testing.T) {
	stuck := new(sync.WaitGroup)
	stuck.Add(1) // an agent inside a call of its module that never returns
	d := &Desk{agents: map[string]*agent.Agent{}, stop: func() {}, ended: stuck}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, d.Close(ctx), "did not end in time")
}
