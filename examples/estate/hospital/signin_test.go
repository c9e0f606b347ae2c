// SPDX-License-Identifier: Apache-2.0

package hospital_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
)

// A workstation notices a pulled card a moment later; until then it says that
// somebody else is signed in, before it takes a passcode.
func TestSignInWaitsForTheCardBefore(t *testing.T) {
	w := newWard(t)
	w.mux.HandleFunc("GET /signin", func(rw http.ResponseWriter, _ *http.Request) {
		http.SetCookie(rw, &http.Cookie{Name: "pre", Value: "p", Path: "/"})
		reply(rw, map[string]string{"kind": "signin", "server": "s", "bind": "b"})
	})
	w.mux.HandleFunc("POST /card/v1/session", func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.check(err == nil && string(body) == `{"result":"R"}`, "redeemed: "+string(body))
		_, err = r.Cookie("pre")
		w.check(err == nil, "the browser that asked must be the one that redeems")
		http.SetCookie(rw, &http.Cookie{Name: "session", Value: "s", Path: "/"})
		_, _ = io.WriteString(rw, `{"until":"2026-01-05T17:00:00Z","alerts":[{"rule":"cert.alert","daysLeft":90,"notAfter":"2026-04-05T09:00:00Z"}]}`)
	})
	w.mux.HandleFunc("GET /my/session", func(rw http.ResponseWriter, r *http.Request) {
		_, err := r.Cookie("session")
		w.check(err == nil, "the session's cookie goes along")
		reply(rw, map[string]any{"userID": "555000000001", "expires": "2026-01-05T17:00:00Z"})
	})
	var tries atomic.Int32
	w.serveTask(func(*http.Request) { tries.Add(1) },
		busy(), busy(), map[string]any{"state": "done", "result": "R"})

	b := w.h.Browser()
	s, err := b.SignIn(t.Context(), 7, "123456")
	require.NoError(t, err)
	require.EqualValues(t, 3, tries.Load())
	require.Equal(t, "555000000001", s.UserID)
	require.Len(t, s.Alerts, 1)
	require.Equal(t, 90, s.Alerts[0].DaysLeft)
}

func busy() map[string]any {
	text, _ := (&wardkey.Refusal{Rule: "session.busy", Status: http.StatusConflict}).MarshalJSON()
	return map[string]any{"state": "refused", "refusal": json.RawMessage(text)}
}

func TestWorkstationStatus(t *testing.T) {
	w := newWard(t)
	w.desk.HandleFunc("GET /v1/status", func(rw http.ResponseWriter, r *http.Request) {
		w.check(r.Header.Get("Origin") == w.web.URL, "the page that asks")
		_, _ = io.Copy(rw, strings.NewReader(`{"version":1,"readers":[{"reader":0,"state":"absent"},{"reader":1,"state":"locked","daysLeft":90,"renewalOpen":true}]}`))
	})
	empty, err := w.h.Slot(t.Context(), 4)
	require.NoError(t, err)
	require.False(t, empty.Present())
	locked, err := w.h.Slot(t.Context(), 7)
	require.NoError(t, err)
	require.True(t, locked.Present() && locked.RenewalOpen)
	require.Equal(t, 90, locked.DaysLeft)
}
