// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// recorder keeps what a test would have failed with.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Errorf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }
func (r *recorder) Error(args ...any)                 { r.failed = fmt.Sprint(args...) }

const page = `<!doctype html><html lang="en"><title>Sign in</title><main><h1>Sign in</h1>%s</main></html>`

// The policy of our own pages doesn't keep the checker out, and a wrong page is not called right.
func TestAccessible(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		field := `<input id="code">`
		if r.URL.Path == "/right" {
			field = `<label for="code">Code</label> ` + field
		}
		_, _ = fmt.Fprintf(w, page, field)
	}))
	t.Cleanup(site.Close)
	tab := browser.New(t)

	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(site.URL+"/right")))
	browser.Accessible(t, tab)

	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(site.URL+"/wrong")))
	wrong := &recorder{TB: t}
	browser.Accessible(wrong, tab)
	require.Contains(t, wrong.failed, "label: ")
	require.Contains(t, wrong.failed, "#code")
}
