// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a window may take to come on a busy machine.
const patience = time.Minute

// Window calls open and waits for the window that it makes at an address that begins
// with at: not one that is there already, and may be about to close.
func Window(t testing.TB, tab context.Context, at string, open func()) context.Context {
	t.Helper()
	before := windows(tab, at)
	open()
	late := time.After(patience)
	for {
		for url, id := range windows(tab, at) {
			if _, old := before[url]; old {
				continue
			}
			window, cancel := chromedp.NewContext(tab, chromedp.WithTargetID(id))
			t.Cleanup(cancel)
			if chromedp.Do(window) == nil { // it lives as long as the context of its first use
				return window
			}
		}
		select {
		case <-late:
			t.Fatalf("browser: no new window at %s", at)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// windows are those at an address, by their whole address.
func windows(tab context.Context, at string) map[string]target.ID {
	found := map[string]target.ID{}
	all, err := chromedp.Targets(tab)
	if err != nil {
		return found
	}
	for _, w := range all {
		if strings.HasPrefix(w.URL, at) {
			found[w.URL] = w.TargetID
		}
	}
	return found
}
