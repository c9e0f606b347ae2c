// SPDX-License-Identifier: Apache-2.0

// Package browser gives tests a Chromium of their own and asks axe-core what is
// wrong with the page in it.
//
//	tab := browser.New(t)
//	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(url)))
//	browser.Accessible(t, tab)
//
// The checker and the browser are found by package need.
package browser

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// lifetime ends a browser whose test waits for something that never comes.
const lifetime = 5 * time.Minute

// New opens a browser with one empty tab, 1280 by 1500 pixels unless an option
// says otherwise. It is closed when the test ends.
func New(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	all := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(need.Tool(t, "browser")), chromedp.WindowSize(1280, 1500))
	if os.Geteuid() == 0 {
		all = append(all, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, cancel := context.WithTimeout(context.Background(), lifetime)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(all, options...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}
