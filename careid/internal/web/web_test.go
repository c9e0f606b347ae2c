// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

func TestRead(t *testing.T) {
	read := func(kind, body string) (string, error) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		var into struct {
			Code string `json:"code"`
		}
		err := web.Read(httptest.NewRecorder(), r, 64, &into)
		return into.Code, err
	}
	code, err := read("application/json; charset=utf-8", ` {"code": "12345678"} `)
	require.NoError(t, err)
	require.Equal(t, "12345678", code)
	t.Run("threat064", func(t *testing.T) {
		_, err = read("application/json", `{"code": "`+strings.Repeat("1", 64)+`"}`)
		require.ErrorAs(t, err, new(*http.MaxBytesError))
	})
	for body, why := range map[string]string{
		`{"code": 12345678}`: `member "code"`, `{"kode": "12345678"}`: "JSON of this request", `{"code": "12345678"} {}`: "follows",
		`12345678`: "", ``: "JSON of this request", `{"code": "12345678"`: "JSON of this request",
	} {
		_, err = read("application/json", body)
		require.ErrorContains(t, err, why, body)
		require.NotContains(t, err.Error(), "12345678", "what stands in a body is in no log")
	}
	_, err = read("text/plain", `{"code": "12345678"}`)
	require.ErrorContains(t, err, "application/json")
}

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	require.NoError(t, web.Write(w, http.StatusCreated, []int{1}))
	require.Equal(t, http.StatusCreated, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "[1]", w.Body.String())
	w = httptest.NewRecorder()
	require.Error(t, web.Write(w, http.StatusOK, func() {}))
	require.Empty(t, w.Body.String())
	require.Empty(t, w.Header())
}

func TestLoopback(t *testing.T) {
	for _, host := range []string{"localhost", "LOCALHOST", "care.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"} {
		require.True(t, web.Loopback(host), host)
	}
	for _, host := range []string{"", "localhost.example", "notlocalhost", "10.0.0.1", "0.0.0.0", "::", "127.0.0.1.example", "2130706433"} {
		require.False(t, web.Loopback(host), host)
	}
}

func TestSource(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:7": "192.0.2.1", "[::ffff:192.0.2.1]:7": "192.0.2.1", "[2001:db8:1:2:3::4]:7": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:7": "fe80::/64", "a pipe": "a pipe",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		require.Equal(t, want, web.Source(r))
	}
}

func TestRates(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	r := web.NewRates(30, time.Minute, 2)
	take := func(source string) bool { _, ok := r.Take(source, now); return ok }
	require.True(t, take("a"))
	require.True(t, take("a"))
	again, ok := r.Take("a", now)
	require.False(t, ok)
	require.Equal(t, now.Add(2*time.Second), again)
	require.True(t, take("b"), "another place")
	now = again
	require.True(t, take("a"))
	require.False(t, take("a"))
	t.Run("threat064", func(t *testing.T) { // more places than are remembered: nobody new is refused, and the memory is bounded
		for i := range 25_000 {
			require.True(t, take(fmt.Sprint(i)))
		}
	})
}
