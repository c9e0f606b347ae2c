// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	permission "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/internal/browser"
)

// site is a web application of its own origin, which serves the agent's module too.
// With public, browsers take it for one of the internet.
func site(t *testing.T, public bool, body func(url string) string) *httptest.Server {
	t.Helper()
	var app *httptest.Server
	app = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/agent.js" {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(agent.Script())
			return
		}
		if public {
			w.Header().Set("Content-Security-Policy", "treat-as-public-address")
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><html lang=en><title>app</title>%s", body(app.URL))
	}))
	t.Cleanup(app.Close)
	return app
}

// tab is a page in a browser of its own.
type tab struct {
	context.Context
	t *testing.T
}

func newTab(t *testing.T, options ...chromedp.ExecAllocatorOption) tab {
	t.Helper()
	return tab{browser.New(t, options...), t}
}

func (p tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.Context, steps...))
}

// shows waits until an element has a text.
func (p tab) shows(selector, want string) {
	p.t.Helper()
	var text string
	require.Eventually(p.t, func() bool {
		var err error
		text, err = chromedp.Run(p.Context, chromedp.Text(selector))
		return err == nil && text == want
	}, patience, 50*time.Millisecond, "%s", text)
}

// told runs script with the module's exports in the page, and is what it returns or
// the rule, the text and the steps that it is refused with.
func (p tab) told(script string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.Context, chromedp.Evaluate[string](`(async () => {
		const { Agent, Refusal } = await import("/agent.js");
		try { return JSON.stringify(await (async () => { `+script+` })()) ?? "nothing"; }
		catch (no) { return no instanceof Refusal ? [no.rule, no.title, ...no.next].join("|") : "threw " + no; }
	})()`, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return text
}

// answer sets what the browser's person says to the question of a site.
func (p tab) answer(origin string, setting permission.PermissionSetting) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, permission.SetPermission, permission.SetPermissionParams{
			Permission: &permission.PermissionDescriptor{Name: "loopback-network"}, Setting: setting, Origin: origin,
		})
		return err
	}))
}

// The ES module in a real browser: a click opens the agent's page in a window of
// its own, the passcode is typed there, and the page gets the result. The page is
// one of the internet, and its person has allowed it to reach this machine.
func TestScript(t *testing.T) {
	var d *desk
	app := site(t, true, func(url string) string {
		return fmt.Sprintf(`<button id=go>Sign in</button><p id=told></p>
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
	})
	d = newDesk(t, func(c *agent.Config) { c.Origins = []string{app.URL} })
	d.personalised(0)
	p := newTab(t)
	p.answer(app.URL, permission.PermissionSettingGranted)
	p.do(chromedp.Navigate(app.URL), chromedp.WaitReady("#go"))
	opened := chromedp.WaitNewTarget(p, func(i *target.Info) bool { return i.Type == "page" })
	p.do(chromedp.Click("#go"))
	ctx, cancel := chromedp.NewContext(p, chromedp.WithTargetID(<-opened))
	defer cancel()
	tab{ctx, t}.do(
		chromedp.WaitVisible("#passcode"),
		chromedp.SendKeys("#passcode", "123456"),
		chromedp.Click("form button[type=submit]"),
	)
	p.shows("#told", "done:one-time-result")
	require.Equal(t, app.URL, d.server.proofs[0]["origin"])
	require.NoError(t, d.tray.Remove(0))
	p.shows("#told", "done:one-time-result removed:true")
}

// Local Network Access: what a page of the internet hears when the browser doesn't
// let it through, and that a "no" names the policy of an administrator.
func TestLoopbackPermission(t *testing.T) {
	app := site(t, true, func(string) string { return "" })
	d := newDesk(t, func(c *agent.Config) { c.Origins = []string{app.URL} })
	p := newTab(t, chromedp.Flag("host-resolver-rules", "MAP plain.test 127.0.0.1"))
	p.do(chromedp.Navigate(app.URL))
	status := `return (await new Agent("` + d.http.URL + `").status()).readers.length;`
	const policy = "LoopbackNetworkAllowedForUrls"

	t.Run("granted", func(t *testing.T) {
		p.answer(app.URL, permission.PermissionSettingGranted)
		require.Equal(t, "2", p.told(status))
	})
	t.Run("denied", func(t *testing.T) {
		p.answer(app.URL, permission.PermissionSettingDenied)
		no := p.told(status)
		require.True(t, strings.HasPrefix(no, "browser.denied|"), no)
		require.Contains(t, no, policy)
		listening := p.told(`return await new Promise((heard) => new Agent("` + d.http.URL + `").listen(() => {}, (no) => heard(no.rule)));`)
		require.Equal(t, `"browser.denied"`, listening)
	})
	t.Run("dismissed", func(t *testing.T) {
		p.answer(app.URL, permission.PermissionSettingPrompt) // a browser without a screen gives no answer
		no := p.told(status)
		require.True(t, strings.HasPrefix(no, "browser.unanswered|"), no)
		require.Contains(t, no, policy)
	})
	t.Run("unanswered", func(t *testing.T) {
		p.answer(app.URL, permission.PermissionSettingPrompt)
		// The browser's question stays on the screen, and the request waits for it.
		no := p.told(`
			const real = window.fetch;
			window.fetch = (_, { signal }) => new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
			try { return await new Agent("` + d.http.URL + `", { patience: 50 }).status(); } finally { window.fetch = real; }`)
		require.True(t, strings.HasPrefix(no, "browser.unanswered|"), no)
	})
	t.Run("answered late, and then it takes its time", func(t *testing.T) {
		p.answer(app.URL, permission.PermissionSettingPrompt)
		p.told(`
			const real = window.fetch;
			window.fetch = (...all) => new Promise((go) => { window.letGo = () => go(real(...all)); });
			window.asked = new Agent("` + d.http.URL + `", { patience: 2000 }).status().finally(() => { window.fetch = real; });
			window.asked.catch(() => {});`)
		p.answer(app.URL, permission.PermissionSettingGranted)
		require.Equal(t, "2", p.told(`
			await new Promise((later) => setTimeout(later, 2500));
			window.letGo();
			return (await window.asked).readers.length;`))
	})
	t.Run("nobody there", func(t *testing.T) {
		p.answer(app.URL, permission.PermissionSettingGranted)
		gone := httptest.NewServer(http.NotFoundHandler())
		gone.Close()
		no := p.told(`return await new Agent("` + gone.URL + `").status();`)
		require.True(t, strings.HasPrefix(no, "agent.absent|The card service of this workstation does not answer."), no)
	})
	t.Run("no secure context", func(t *testing.T) {
		plain := site(t, false, func(string) string { return "" })
		p.do(chromedp.Navigate(strings.Replace(plain.URL, "127.0.0.1", "plain.test", 1)))
		no := p.told(status)
		require.True(t, strings.HasPrefix(no, "page.insecure|"), no)
	})
	require.NotContains(t, d.log.String(), "origin refused", "what was not let through did not come here")
}

// The module and the client in Go do the same and are told the same.
func TestScriptAndClient(t *testing.T) {
	app := site(t, false, func(string) string { return "" })
	d := newDesk(t, func(c *agent.Config) { c.Origins = []string{app.URL} })
	d.Origin = app.URL
	d.personalised(0)
	p := newTab(t)
	p.do(chromedp.Navigate(app.URL))
	script := func(call string) string {
		return p.told(`const agent = new Agent("` + d.http.URL + `/"); return await agent.` + call + `;`)
	}
	same := func(want any, got string) {
		t.Helper()
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.JSONEq(t, string(text), got)
	}
	ctx := t.Context()

	status, err := d.Status(ctx)
	require.NoError(t, err)
	same(status, script("status()"))
	report, err := d.Doctor(ctx)
	require.NoError(t, err)
	same(report, script("doctor()"))

	request, err := json.Marshal(d.signin())
	require.NoError(t, err)
	var opened agent.Opened
	require.NoError(t, json.Unmarshal([]byte(script("start("+string(request)+")")), &opened))
	task, err := d.Task(ctx, opened.ID)
	require.NoError(t, err)
	same(task, script(`task("`+opened.ID+`")`))
	p.told(`window.heard = [];
		window.stop = new Agent("` + d.http.URL + `").listen((name, data) => window.heard.push(name + ":" + (data.state ?? "")));`)
	require.Eventually(t, func() bool { // the stream may not be there yet
		o, err := d.Start(ctx, agent.Request{Kind: agent.Passcode})
		require.NoError(t, err)
		require.NoError(t, d.Cancel(ctx, o.ID))
		return strings.Contains(p.told(`return window.heard;`), "task:refused")
	}, patience, 50*time.Millisecond)
	p.told(`window.waited = new Agent("` + d.http.URL + `").wait("` + opened.ID + `");`)
	task, err = d.Type(ctx, opened, typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)
	same(task, p.told(`return await window.waited;`))
	require.Eventually(t, func() bool { return strings.Contains(p.told(`return window.heard;`), "task:done") }, patience, 50*time.Millisecond)
	p.told(`window.stop();`)

	require.NoError(t, json.Unmarshal([]byte(script("start("+string(request)+")")), &opened))
	require.Equal(t, "null", script(`cancel("`+opened.ID+`")`))
	task, err = d.Task(ctx, opened.ID)
	require.NoError(t, err)
	require.Equal(t, "task.cancelled", rule(nil, task))
	_, err = d.Task(ctx, "nothing")
	require.ErrorContains(t, err, "task.unknown")
	require.Contains(t, script(`task("nothing")`), "task.unknown|There is no such task")
}

// A program that has the agent's port gets no script run in the page that asks: run
// sends its window to the agent's own addresses alone.
func TestSomebodyElsesPort(t *testing.T) {
	app := site(t, false, func(string) string { return "" })
	var at atomic.Value
	rogue := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		_ = json.NewEncoder(w).Encode(map[string]any{"task": "t", "state": "refused", "page": at.Load()})
	}))
	defer rogue.Close()
	p := newTab(t)
	p.do(chromedp.Navigate(app.URL))
	run := func(page string) string {
		at.Store(page)
		return p.told(`window.went = undefined;
			window.open = () => ({ set location(to) { window.went = to; }, close() {}, closed: false });
			try { return (await new Agent("` + rogue.URL + `").run({ kind: "passcode" })).state + " " + window.went; }
			catch (no) { return no.rule + " " + window.went; }`)
	}
	own := rogue.URL + "/v1/tasks/t/page"
	require.Equal(t, `"refused `+own+`"`, run(own))
	for _, page := range []string{
		"javascript:alert(1)", " javascript:alert(1)", "data:text/html,<p>", "https://other.example/", "//other.example/",
		"blob:" + app.URL + "/x", "blob:" + rogue.URL + "/x", "filesystem:" + rogue.URL + "/x", "", rogue.URL + "@other.example/",
	} {
		require.Equal(t, `"agent.absent undefined"`, run(page), page)
	}
}

// No page can put the agent's own page into a frame of its own.
func TestFraming(t *testing.T) {
	var opened agent.Opened
	app := site(t, false, func(string) string {
		return `<iframe src="` + opened.Page + `"></iframe><iframe src="/frame"></iframe>`
	})
	d := newDesk(t, func(c *agent.Config) { c.Origins = []string{app.URL} })
	d.Origin = app.URL
	var err error
	opened, err = d.Start(t.Context(), d.signin())
	require.NoError(t, err)
	p := newTab(t)
	p.do(chromedp.Navigate(app.URL))
	frames, err := chromedp.Run(p.Context, func(ctx context.Context, tg *chromedp.Target) ([]string, error) {
		tree, err := cdp.Call(ctx, tg, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			return nil, err
		}
		var urls []string
		for _, child := range tree.FrameTree.ChildFrames {
			urls = append(urls, child.Frame.URL)
		}
		return urls, nil
	})
	require.NoError(t, err)
	require.Contains(t, frames, "chrome-error://chromewebdata/")
	require.NotContains(t, frames, opened.Page)
}

// What the module says without an agent is what the rulebook says.
func TestScriptsWords(t *testing.T) {
	p := newTab(t)
	app := site(t, false, func(string) string { return "" })
	p.do(chromedp.Navigate(app.URL))
	book, err := agent.Rulebook()
	require.NoError(t, err)
	for _, id := range []string{"agent.absent", "page.insecure", "browser.denied", "browser.unanswered", "window.blocked"} {
		no := book.Refuse(id)
		require.Equal(t, strings.Join(append([]string{no.Rule, no.Public}, no.Next...), "|"), p.told(`throw new Refusal({ rule: "`+id+`" });`))
		require.Equal(t, fmt.Sprintf("[%d,%q]", no.Status, no.Fixer), p.told(`const no = new Refusal({ rule: "`+id+`" }); return [no.status, no.fixer];`))
	}
}

// Each form and each end of the agent's own page, as axe-core reads it.
func TestPageForEverybody(t *testing.T) {
	d := newDesk(t, func(c *agent.Config) { c.Pages = pages })
	ctx := t.Context()
	serial := d.personalised(0)
	p := newTab(t)
	seen := func(o agent.Opened, selector string) {
		t.Helper()
		p.do(chromedp.Navigate(o.Page), chromedp.WaitVisible(selector))
		browser.Accessible(t, p)
	}
	start := func(r agent.Request) agent.Opened {
		t.Helper()
		o, err := d.Start(ctx, r)
		require.NoError(t, err)
		return o
	}
	fill := func(o agent.Opened, fields map[string]string) {
		t.Helper()
		_, err := d.Type(ctx, o, fields)
		require.NoError(t, err)
	}
	done := start(d.signin())
	fill(done, typed("123456"))
	seen(done, ".done")
	signIn := start(d.signin())
	seen(signIn, "#passcode")
	fill(signIn, typed("000000"))
	seen(signIn, "#refusal")
	fill(signIn, typed("000000"))
	seen(signIn, "#refusal")
	fill(signIn, typed("000000"))
	seen(signIn, "#refusal a") // locked, with the page that mends it
	seen(start(agent.Request{Kind: agent.Passcode}), "#newPasscode2")
	d.server.says("unlock/start", `{"request":"q","message":"If a code can be sent, it is on its way."}`)
	code := start(agent.Request{Kind: agent.Unlock, Server: d.server.URL, Handle: "h"})
	seen(code, "#email")
	fill(code, map[string]string{"channel": "email"})
	seen(code, "#code")
	d.server.says("act", `{"act":"00","kind":"unlock","card":"`+serial+`","holder":"Ada Nurse"}`)
	seen(start(d.atDesk(agent.Unlock)), "#newPasscode")
	d.server.says("act", `{"act":"00","kind":"clear","card":"`+serial+`"}`)
	seen(start(agent.Request{Kind: agent.Clear, Server: d.server.URL, Handle: "h"}), "button")
	seen(agent.Opened{Page: d.http.URL + "/v1/tasks/nothing/page"}, "#refusal")
}
