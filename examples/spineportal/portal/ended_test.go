// SPDX-License-Identifier: Apache-2.0

package portal_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// TestListening is a page that is left open: its stream has something to carry
// before a proxy gives it up, so the page need not ask for another.
func TestListening(t *testing.T) {
	for _, tool := range []string{"softhsm", "cc"} {
		need.Tool(t, tool)
	}
	h := openHospital(t)
	h.holds(t, h.Nurse, "Ward nurse")
	in, err := h.SignIn(t.Context(), h.Nurse.Card)
	require.NoError(t, err)
	v := h.visitor(t, in.Token)
	status, at, body := v.open(h.portal.URL + "/portal")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, h.portal.URL+"/portal", at.String())
	cookies := v.http.Jar.Cookies(at)

	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, h.portal.URL+"/portal/ended", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		p := h.newPortal(t) // here, where its channels are seen to be waited for
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Handler().ServeHTTP(w, r)
		}()
		time.Sleep(time.Hour + time.Second)
		p.HangUp()
		<-ended
		require.True(t, w.Flushed)
		require.Equal(t, strings.Repeat(":\n\n", 3600/25), w.Body.String(), "comments, which are no events")
	})
}
