// SPDX-License-Identifier: Apache-2.0

package tour_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/estate/tour"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// shut is an estate that tells who its staff are and does nothing else.
func shut(t *testing.T, roles ...string) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/state", func(w http.ResponseWriter, _ *http.Request) {
		var people, cards []map[string]any
		for i, role := range roles {
			id := "55500000000" + string(rune('0'+i))
			people = append(people, map[string]any{"userID": id, "roles": []string{role}, "organisation": "RBA"})
			cards = append(cards, map[string]any{"serial": "C" + id, "holder": id, "demoPasscode": "123456"})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"now": "2026-01-05T09:00:00Z", "people": people, "cards": cards})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestRunTellsWhatWasExpectedAndWhatCame(t *testing.T) {
	need.Tool(t, "openssl")
	var out bytes.Buffer
	passed, failed, err := tour.Run(t.Context(), tour.Addresses{Web: shut(t, "ra-manager", "ra-agent", "sponsor")}, &out)
	require.NoError(t, err)
	require.Zero(t, passed)
	require.Equal(t, 20, failed)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Equal(t, "tour: 0 passed, 20 failed", lines[len(lines)-1])
	require.Contains(t, lines[0], "not ok 1: the CA comes up")
	require.Contains(t, lines[1], "expected: the root is published")
	require.Contains(t, lines[2], "came: ")
	require.Equal(t, 20, strings.Count(out.String(), "not ok "))
	require.Equal(t, 20, strings.Count(out.String(), "    expected: "), "each failure says what was expected:\n%s", out.String())
}

func TestRunNeedsAnEstateWithStaff(t *testing.T) {
	need.Tool(t, "openssl")
	_, _, err := tour.Run(t.Context(), tour.Addresses{Web: shut(t, "ra-manager", "sponsor")}, new(bytes.Buffer))
	require.ErrorContains(t, err, "no ra-agent with a card")
	_, _, err = tour.Run(t.Context(), tour.Addresses{Web: "http://127.0.0.1:1"}, new(bytes.Buffer))
	require.ErrorContains(t, err, "does not reach the estate")
	_, _, err = tour.Run(t.Context(), tour.Addresses{}, new(bytes.Buffer))
	require.Error(t, err)
}

func TestRunEndsWithItsContext(t *testing.T) {
	need.Tool(t, "openssl")
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	_, _, err := tour.Run(ctx, tour.Addresses{Web: shut(t, "ra-manager", "ra-agent", "sponsor")}, stopper{&out, cancel})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, strings.Count(out.String(), "not ok "))
}

// stopper cancels at the first line.
type stopper struct {
	out    *bytes.Buffer
	cancel context.CancelFunc
}

func (s stopper) Write(p []byte) (int, error) {
	s.cancel()
	return s.out.Write(p)
}

func TestRunWithoutOpenSSL(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, _, err := tour.Run(t.Context(), tour.Addresses{Web: "http://127.0.0.1:1"}, new(bytes.Buffer))
	require.ErrorContains(t, err, "apt-get install openssl")
}
