// SPDX-License-Identifier: Apache-2.0

package kiosk_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
	"github.com/wardkey-sdk/wardkey/examples/unlock/kiosk"
)

func TestKiosk(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{
		Agents: []string{"http://127.0.0.1:9443"},
		Mount: func(site *pages.Site, mux *http.ServeMux) error {
			k, err := kiosk.New(site)
			if err == nil {
				k.Routes(mux)
			}
			return err
		},
	})
	stranger := s.Stranger()
	t.Run("nobody signs in for it", func(t *testing.T) {
		shown := stranger.Get("/unlock")
		require.Equal(t, http.StatusOK, shown.Status)
		require.Contains(t, shown.Body, "&#34;kind&#34;:&#34;unlock&#34;")
		require.Contains(t, shown.Body, `data-ask="http://127.0.0.1:9443"`)
		require.Contains(t, shown.Body, `href="/unlock/help"`)
		require.NotContains(t, shown.Body, `type="password"`, "no passcode and no code is typed here")
	})
	t.Run("each page has a handle of its own", func(t *testing.T) {
		var first, second struct{ Handle string }
		stranger.JSON(http.MethodGet, "/unlock", &first)
		stranger.JSON(http.MethodGet, "/unlock", &second)
		require.NotEmpty(t, first.Handle)
		require.NotEqual(t, first.Handle, second.Handle)
	})
	t.Run("what to do without a code is one text for everybody", func(t *testing.T) {
		shown := stranger.Get("/unlock/help")
		for _, part := range []string{"good for 10 minutes and 5 tries", "Put the holder&#39;s card in the second reader.", "Log in to Care Identity Management", "certificates on the card have ended"} {
			require.Contains(t, shown.Body, part)
		}
		require.Equal(t, shown.Body, s.Stranger().Get("/unlock/help").Body)
	})
}
