// SPDX-License-Identifier: Apache-2.0

package tries_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/tries"
)

func TestAllow(t *testing.T) {
	book, err := wardkey.ParseRulebook([]byte(`{"sources": {"own": {"document": "A test", "date": "2026-11-22"}}, "rules": [
		{"id": "rate.password.minute", "value": 30, "unit": "count", "from": "2020-01-01", "source": "own", "tighter": "lower"},
		{"id": "rate.password.burst", "value": 3, "unit": "count", "from": "2020-01-01", "source": "own", "tighter": "lower"}]}`))
	require.NoError(t, err)
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	sources, err := tries.Of(book, now)
	require.NoError(t, err)
	from := func(address string) *http.Request { return &http.Request{RemoteAddr: address} }
	for range 3 {
		require.True(t, sources.Allow(from("127.0.0.1:1000"), now))
	}
	require.False(t, sources.Allow(from("127.0.0.1:1001"), now), "another port is no other source")
	for _, same := range []string{"127.0.1.1:1000", "127.255.255.254:1000", "[::1]:1000", "[::ffff:127.0.0.2]:1000"} {
		require.False(t, sources.Allow(from(same), now), "whoever is on this machine may ask from %s", same)
	}
	require.True(t, sources.Allow(from("10.1.2.3:1000"), now))
	require.True(t, sources.Allow(from("@"), now), "a Unix socket's")
	require.False(t, sources.Allow(from("127.0.0.1:1000"), now.Add(1900*time.Millisecond)))
	require.True(t, sources.Allow(from("127.0.0.1:1000"), now.Add(2*time.Second)))
	require.False(t, sources.Allow(from("127.0.0.1:1000"), now.Add(2*time.Second)))

	for i := range 20_000 { // as many as there may be, and as many again
		require.True(t, sources.Allow(from(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)), now))
	}
}
