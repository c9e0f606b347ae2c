// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

// late is a transport that goes on with a request after it answered, as
// http.RoundTripper may.
type late struct {
	mu     sync.Mutex
	bodies []io.ReadCloser
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bodies = append(l.bodies, r.Body)
	return nil, errors.New("no route")
}

// Once a call is over, its body holds nothing any more, and who still reads it
// gets an error rather than something half cleared.
func TestBodyIsCleared(t *testing.T) {
	wire := &late{}
	d := newDesk(t, func(c *agent.Config) { c.HTTP = &http.Client{Transport: wire} })
	d.personalised(0)
	task, err := d.Run(t.Context(), d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, "server.unreachable", rule(nil, task))
	require.NotEmpty(t, wire.bodies)
	t.Run("threat043", func(t *testing.T) {
		for _, body := range wire.bodies {
			rest, err := io.ReadAll(body)
			require.Error(t, err)
			require.Empty(t, rest)
		}
	})
}

// A form that was cut off on its way types nothing.
func TestFormCutOff(t *testing.T) {
	d := newDesk(t, nil)
	serial := d.personalised(0)
	opened, err := d.Start(t.Context(), d.signin())
	require.NoError(t, err)
	form := d.shown(t, opened, nil)
	form.Del("passcode")
	text := form.Encode() + "&passcode=1234"
	at, err := url.Parse(opened.Page)
	require.NoError(t, err)
	sending, send := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, d.http.URL+at.Path, sending)
	require.NoError(t, err)
	r.ContentLength = int64(len(text) + 2)
	r.Header.Set("Origin", d.http.URL)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	go func() {
		_, _ = io.WriteString(send, text)
		_ = send.CloseWithError(errors.New("the browser was closed"))
	}()
	resp, err := d.http.Client().Do(r)
	if err == nil {
		resp.Body.Close()
	}
	time.Sleep(100 * time.Millisecond)
	task, err := d.Task(t.Context(), opened.ID)
	require.NoError(t, err)
	require.Equal(t, agent.Waiting, task.State)
	require.Nil(t, task.Refusal)
	require.Equal(t, card.PINReady, d.pinOf(t, serial))
}
