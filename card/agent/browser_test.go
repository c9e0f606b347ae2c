// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// The ES module in a real browser: a click opens the agent's page in a window of
// its own, the passcode is typed there, and the page gets the result.
func TestScript(t *testing.T) {
	need.Tool(t, "browser")
	var d *desk
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>app</title><button id=go>Sign in</button><p id=told></p>
<script type=module>
import { Agent } from "%[1]s/v1/agent.js";
const agent = new Agent("%[1]s");
const told = document.getElementById("told");
agent.listen((name, data) => { if (name === "removed") told.textContent += " removed:" + data.signedIn; });
document.getElementById("go").onclick = async () => {
  try {
    const task = await agent.run({ kind: "signin", server: "%[2]s", bind: "%[3]s" });
    told.textContent = task.state + ":" + (task.result ?? task.refusal.rule);
  } catch (no) { told.textContent = "no:" + no.rule; }
};
</script>`, d.http.URL, d.server.URL, bind)
	}))
	defer app.Close()
	d = newDesk(t, func(c *agent.Config) { c.Origins = []string{app.URL} })
	d.personalised(0)

	allocator, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	defer cancel()
	page, cancel := chromedp.NewContext(allocator)
	defer cancel()
	require.NoError(t, chromedp.Do(page, chromedp.Navigate(app.URL), chromedp.WaitReady("#go")))

	opened := chromedp.WaitNewTarget(page, func(i *target.Info) bool { return i.Type == "page" })
	require.NoError(t, chromedp.Do(page, chromedp.Click("#go")))
	window, cancel := chromedp.NewContext(page, chromedp.WithTargetID(<-opened))
	defer cancel()
	require.NoError(t, chromedp.Do(window,
		chromedp.WaitVisible("#passcode"),
		chromedp.SendKeys("#passcode", "123456"),
		chromedp.Click("form button[type=submit]"),
	))
	told := func(want string) func() bool {
		return func() bool {
			text, err := chromedp.Run(page, chromedp.Text("#told"))
			return err == nil && text == want
		}
	}
	require.Eventually(t, told("done:one-time-result"), patience, 50*time.Millisecond)
	require.NoError(t, d.tray.Remove(0))
	require.Eventually(t, told("done:one-time-result removed:true"), patience, 50*time.Millisecond)
}
