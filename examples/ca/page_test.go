// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// demoConfig is a CA with a past, in this process.
func demoConfig(dir string, now func() time.Time) config {
	return config{
		dir: dir, demo: true, now: now, log: quiet(),
		ask: func(string) ([]byte, error) { return []byte(passphrase), nil },
	}
}

func serveDemo(t *testing.T, dir string) *server {
	t.Helper()
	s, err := start(t.Context(), demoConfig(dir, time.Now), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop(context.Background())) })
	return s
}

// number is what the page says about something.
func number(t *testing.T, page, what string) int {
	t.Helper()
	found := regexp.MustCompile(`<dt>` + regexp.QuoteMeta(what) + `[^<]*</dt><dd>(\d+)</dd>`).FindStringSubmatch(page)
	require.NotNil(t, found, what)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

func TestPage(t *testing.T) {
	s := serveDemo(t, t.TempDir())
	url := "http://" + s.address
	response, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	text := string(body)

	t.Run("numbers", func(t *testing.T) {
		inForce, held, replaced := 0, 0, 0
		newest := map[string]int64{}
		var found []pki.Record
		for r, err := range s.ca.Expiring(t.Context(), 4*366*24*time.Hour) {
			require.NoError(t, err)
			if r.Use == pki.Authentication {
				found = append(found, r)
				newest[r.Lineage] = max(newest[r.Lineage], r.Generation)
			}
		}
		for _, r := range found {
			switch {
			case r.Generation < newest[r.Lineage]:
				replaced++
			case r.State == pki.Held:
				held++
			default:
				inForce++
			}
		}
		require.Equal(t, inForce, number(t, text, "pairs in force"))
		require.Equal(t, held, number(t, text, "on hold"))
		require.Positive(t, number(t, text, "of these can be renewed now"))
		require.Greater(t, inForce, 40)
		require.Positive(t, held)
		require.Positive(t, replaced)
		// The table says what the plot shows, and both say all.
		sum := 0
		for _, row := range regexp.MustCompile(`</th><td class="number">(\d+)</td><td class="number">(\d+)</td>`).FindAllStringSubmatch(text, -1) {
			ends, _ := strconv.Atoi(row[1])
			gone, _ := strconv.Atoi(row[2])
			sum += ends + gone
		}
		require.Equal(t, inForce+held+replaced, sum)
		require.Equal(t, strings.Count(text, "<g><title>"), len(regexp.MustCompile(`>[A-Z][a-z]+ 20\d\d: \d+ to be renewed`).FindAllString(text, -1)))
	})
	t.Run("nothing runs in it", func(t *testing.T) {
		require.Equal(t, "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", response.Header.Get("Content-Security-Policy"))
		require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
		require.NotContains(t, text, "<script")
		require.NotContains(t, text, "style=")
		require.NotRegexp(t, ` on[a-z]+=`, text)
	})
	t.Run("only here", func(t *testing.T) {
		for host, status := range map[string]int{
			s.address: 200, "localhost:" + strings.Split(s.address, ":")[1]: 200,
			"pki.example.org": 404, "127.0.0.1": 404, "evil.example:80": 404, "": 404,
		} {
			for _, path := range []string{"/", "/style.css"} {
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Host = host
				s.http.Handler.ServeHTTP(w, r)
				require.Equal(t, status, w.Code, "%s of %q", path, host)
				if status == 404 {
					require.NotContains(t, w.Body.String(), "Osei")
				}
			}
		}
		for _, address := range []string{"0.0.0.0:8470", "[::]:8470", "192.0.2.1:8470"} {
			p, err := newPage(s.ca, address, time.Now, quiet())
			require.NoError(t, err)
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = address
			p.ServeHTTP(w, r)
			require.Equal(t, http.StatusNotFound, w.Code, address)
		}
		// Lists, certificates and OCSP are for whoever asks, under whatever name.
		r := httptest.NewRequest(http.MethodGet, "/crl/3.crl", nil)
		r.Host = "pki.example.org"
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
	})
}

// The page in a browser: everything is styled under its own policy, nothing is
// wider than the window, and what scrolls can be reached by the keyboard.
func TestPageInABrowser(t *testing.T) {
	tool := need.Tool(t, "browser")
	s := serveDemo(t, t.TempDir())
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(tool))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	for _, width := range []int64{1280, 768, 360} {
		require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate("http://"+s.address), chromedp.WaitVisible("footer")))
		ask := func(expression string) string {
			answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
			require.NoError(t, err, expression)
			return answer
		}
		require.Equal(t, "false", ask(`String(document.documentElement.scrollWidth > window.innerWidth)`), "at %d the page scrolls sideways", width)
		require.Equal(t, "1", ask(`String(document.styleSheets.length)`))
		require.NotEqual(t, "rgb(0, 0, 0)", ask(`getComputedStyle(document.querySelector(".plot .ends")).fill`))
		require.Equal(t, "", ask(`[...document.querySelectorAll("body *")].filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX == "auto" && e.tabIndex < 0).map(e => e.className).join()`))
		require.Equal(t, "Pairs that end in each month, and pairs whose renewal window is open",
			ask(`document.getElementById(document.querySelector("svg.plot").getAttribute("aria-labelledby").split(" ")[0]).textContent`))
		require.Equal(t, "true", ask(`String([...document.querySelectorAll(".plot .ends, .plot .replaced")].every(e => { const b = e.getBoundingClientRect(); return b.width > 1 && b.height > 1 }))`))
	}
}

func TestDemo(t *testing.T) {
	now := func() time.Time { return noon }
	dir := t.TempDir()
	seen := func(c config) (acts int, page string) {
		a, err := openAuthority(t.Context(), c, "http://127.0.0.1:8470")
		require.NoError(t, err)
		defer func() { require.NoError(t, a.close()) }()
		revision, err := a.ledger.Revision(t.Context())
		require.NoError(t, err)
		count, err := a.VerifyAudit(t.Context())
		require.NoError(t, err)
		require.Equal(t, revision, count)
		o, err := look(c.now(), a.Profile(), a.Chain()[0], a.Expiring(t.Context(), 3*366*24*time.Hour))
		require.NoError(t, err)
		return int(revision), fmt.Sprintf("%+v", *o)
	}
	acts, page := seen(demoConfig(dir, now))
	require.Greater(t, acts, 2*demoPeople)

	t.Run("told once", func(t *testing.T) {
		again, same := seen(demoConfig(dir, now))
		require.Equal(t, acts, again)
		require.Equal(t, page, same)
		later := demoConfig(dir, func() time.Time { return noon.AddDate(1, 0, 0) })
		again, _ = seen(later)
		require.Equal(t, acts, again, "nor is it told on")
	})
	t.Run("not for a CA that has begun", func(t *testing.T) {
		c := demoConfig(t.TempDir(), now)
		c.demo = false
		_, _ = seen(c)
		c.demo = true
		_, err := openAuthority(t.Context(), c, "http://127.0.0.1:8470")
		require.ErrorContains(t, err, "choose another -dir")
	})
}

// cut is a ledger whose server goes away after so many acts.
type cut struct {
	pki.Ledger
	left int
}

func (c *cut) OpenAct(ctx context.Context, act pki.Act, renews []*big.Int) (pki.Act, error) {
	if c.left--; c.left < 0 {
		return pki.Act{}, errors.New("the ledger is away")
	}
	return c.Ledger.OpenAct(ctx, act, renews)
}

func (c *cut) CommitAct(ctx context.Context, act pki.Act, at time.Time) (pki.Act, error) {
	if c.left == 0 {
		return pki.Act{}, errors.New("the ledger is away")
	}
	return c.Ledger.CommitAct(ctx, act, at)
}

// A first start that was cut short, however often, ends as one that wasn't.
func TestDemoCutShort(t *testing.T) {
	signer, err := stepca.Open(t.Context(), stepca.Config{Now: func() time.Time { return demoBegins(noon) }})
	require.NoError(t, err)
	profile, err := pki.NewProfile(pki.ProfileConfig{Base: "http://pki.example.org", UPNSuffix: "ca.example.org"})
	require.NoError(t, err)
	tell := func(ledger pki.Ledger) error {
		return populate(t.Context(), pki.Config{Signer: signer, Chain: signer.Chain(), Ledger: ledger, Profile: profile}, noon)
	}
	whole, parts := &pkitest.Memory{}, &pkitest.Memory{}
	require.NoError(t, tell(whole))
	for _, left := range []int{1, 7, 30, 12} {
		require.ErrorContains(t, tell(&cut{parts, left}), "the ledger is away")
	}
	require.NoError(t, tell(parts))
	for _, s := range (&demo{}).story(noon) {
		want, err := whole.Act(t.Context(), s.act)
		got, other := parts.Act(t.Context(), s.act)
		require.Equal(t, err, other, s.act)
		require.Equal(t, want.Opened, got.Opened)
		require.Equal(t, want.Subject, got.Subject)
		for i, r := range want.Records {
			require.Equal(t, []any{r.State, r.Reason, r.RevokedAt, r.NotAfter}, []any{got.Records[i].State, got.Records[i].Reason, got.Records[i].RevokedAt, got.Records[i].NotAfter}, s.act)
		}
	}
}
