// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// What WCAG 2.2 asks at the levels A and AA, as far as a program can see it.
const check = `(async () => {
	const found = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
	return { checked: found.passes.length, wrong: found.violations.flatMap(rule => rule.nodes.map(node =>
		rule.id + ": " + rule.help + ": " + node.target.join(" ") + " " + node.any.map(one => one.message).join("; "))) };
})()`

type findings struct {
	Checked int      `json:"checked"`
	Wrong   []string `json:"wrong"`
}

// Accessible fails the test with what axe-core finds wrong with the page in the
// tab, by the rules of WCAG 2.2 A and AA that a program can check. What only a
// person can judge, such as whether a text makes sense, it doesn't see.
func Accessible(t testing.TB, tab context.Context) {
	t.Helper()
	path := filepath.Join(need.Tool(t, "node"), "axe-core", "axe.min.js")
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := ask(tab, string(script))
	for range 5 { // a page may just become another, as when the card service has answered
		if err == nil || !strings.Contains(err.Error(), "Inspected target navigated") {
			break
		}
		found, err = ask(tab, string(script))
	}
	switch {
	case err != nil:
		t.Fatalf("axe-core: %v", err)
	case found.Checked == 0:
		t.Error("axe-core found nothing to check on this page")
	case len(found.Wrong) > 0:
		t.Errorf("axe-core found:\n%s", strings.Join(found.Wrong, "\n"))
	}
}

// ask has axe-core look at the page. The page's own policy forbids such a script; the
// browser's debugger may run it.
func ask(tab context.Context, script string) (findings, error) {
	if err := chromedp.Do(tab, chromedp.WaitReady("body"), chromedp.Evaluate[chromedp.Void](script+";undefined")); err != nil {
		return findings{}, err
	}
	return chromedp.Run(tab, chromedp.Evaluate[findings](check, chromedp.EvalAwaitPromise))
}
