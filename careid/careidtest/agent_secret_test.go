// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

// spellings are the ways in which a log could hold a secret.
func spellings(secret string) []string {
	var wide []byte
	for _, u := range utf16.Encode([]rune(secret)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	all := []string{secret, url.QueryEscape(secret), string(wide)}
	for _, raw := range [][]byte{[]byte(secret), wide} {
		all = append(all, hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)))
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, encoding.EncodeToString(raw))
		}
	}
	return all
}

var wireSecrets = regexp.MustCompile(`"(?:nonce|jws|result|presence|reset|request|code|agentKey|sealed|act)":"([^"]{6,})"`)

// Nothing that opens anything stands in a debug log of server or agent, in any
// spelling, after a card's whole life went over the wire.
func TestAgentLogs(t *testing.T) {
	d := newDesk(t)
	serial := d.issued()
	b := d.browser()
	signin := b.ticket("/signin")
	b.signIn(passcode)
	d.lock()
	opened, code := d.ask()
	_, err := d.Type(t.Context(), opened, with(chosen("86420975"), "code", code))
	require.NoError(t, err)
	b.signIn("86420975")
	task, err := d.Run(t.Context(), b.ticket("/stepup"), typed("86420975"))
	require.NoError(t, err)
	b.redeem(task.Result, "stepup")
	require.NoError(t, d.tray.Remove(0))
	require.Eventually(t, func() bool { return !b.in() }, patience, 20*time.Millisecond)

	secrets := append(d.soPINs(serial, 4), passcode, "86420975", "000000", code, signin.Bind, opened.ID, d.cards.Token(b.request()))
	ids := map[string]bool{} // an act's id names it in the audit and opens nothing
	for _, m := range wireSecrets.FindAllStringSubmatch(d.wired(), -1) {
		if strings.HasPrefix(m[0], `"act"`) || strings.HasPrefix(m[0], `"request"`) {
			ids[m[1]] = true
			continue
		}
		secrets = append(secrets, m[1])
	}
	require.Greater(t, len(secrets), 25)
	log := d.log.String()
	require.Contains(t, log, "level=INFO")
	t.Run("threat043", func(t *testing.T) {
		for _, secret := range secrets {
			if ids[secret] {
				continue
			}
			for _, text := range spellings(secret) {
				require.False(t, strings.Contains(log, text), "a log holds %q", text)
			}
		}
	})
}

// The time of an unlock's start tells nothing, also with the floor taken almost
// away: what is left is the work, which is the same for all.
func TestAgentUnlockTimes(t *testing.T) {
	d := newDesk(t)
	serial := d.issued()
	const beat = time.Millisecond
	handler, err := cardhttp.New(cardhttp.Config{
		Service: d.service, Server: d.web.URL, UnlockAnswer: beat,
		Source: func(r *http.Request) string { return r.Header.Get("X-Source") },
	})
	require.NoError(t, err)
	const each = 30 // 500 when it was written: |t| 0.1
	times := map[string][]float64{}
	var body string
	for i := range 2 * each {
		who := serial
		if i%2 == 1 {
			who = "WK0000000000"
		}
		d.clock.Add(61 * time.Minute) // so that each is sent a code
		handle, err := d.service.OpenUnlock(t.Context(), []byte("cookie"))
		require.NoError(t, err)
		text, err := json.Marshal(map[string]string{"card": who, "channel": "email"})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, cardhttp.Path+"unlock/start", strings.NewReader(string(text)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+handle)
		r.Header.Set("X-Source", handle)
		w := httptest.NewRecorder()
		began := time.Now()
		handler.ServeHTTP(w, r)
		times[who] = append(times[who], time.Since(began).Seconds())
		require.Equal(t, http.StatusAccepted, w.Code)
		if body == "" {
			body = w.Body.String()
		}
		require.Len(t, w.Body.String(), len(body))
		if who == serial {
			require.NotEmpty(t, d.code())
		}
	}
	t.Run("threat008", func(t *testing.T) {
		score := welch(times[serial], times["WK0000000000"])
		t.Logf("t = %.2f", score)
		require.Less(t, math.Abs(score), 4.5)
	})
}

// welch is Welch's t of two samples, each without its slowest twentieth.
func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va+vb)
}

// moments are the mean and the variance of the mean.
func moments(x []float64) (mean, variance float64) {
	sort.Float64s(x)
	x = x[:len(x)*19/20]
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance / float64(len(x))
}
