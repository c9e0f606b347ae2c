// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

var hiddenFields = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// shown is the first form that the page shows now, with what a person types.
func (d *desk) shown(t *testing.T, o agent.Opened, fields map[string]string) url.Values {
	t.Helper()
	first, _, _ := strings.Cut(d.page(t, o), "</form>")
	f := url.Values{}
	for _, m := range hiddenFields.FindAllStringSubmatch(first, -1) {
		f.Set(m[1], m[2])
	}
	for name, value := range fields {
		f.Set(name, value)
	}
	return f
}

// post sends a form as the page's browser does.
func (d *desk) post(t *testing.T, o agent.Opened, f url.Values, headers ...string) (*http.Response, string) {
	t.Helper()
	at, err := url.Parse(o.Page)
	require.NoError(t, err)
	return d.ask(t, http.MethodPost, at.Path, f.Encode(), append([]string{"Origin", d.http.URL, "Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func (d *desk) pinOf(t *testing.T, serial string) card.PINState {
	t.Helper()
	c, err := d.module.Card(t.Context(), card.Selector{Serial: serial})
	require.NoError(t, err)
	info, err := c.Info(t.Context())
	require.NoError(t, err)
	return info.PIN
}

// A form counts once: a double click, a second tab and a browser that sends it
// again reach no card.
func TestFormOnce(t *testing.T) {
	d := newDesk(t, nil)
	serial := d.personalised(0)
	opened, err := d.Start(t.Context(), d.signin())
	require.NoError(t, err)
	t.Run("threat044", func(t *testing.T) {
		form := d.shown(t, opened, typed("000000"))
		other := d.shown(t, opened, typed("111111")) // another tab
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { d.post(t, opened, form) })
		}
		all.Wait()
		d.post(t, opened, form)
		d.post(t, opened, other)
		require.Equal(t, card.PINLow, d.pinOf(t, serial), "one wrong passcode")
		task, err := d.Task(t.Context(), opened.ID)
		require.NoError(t, err)
		require.Equal(t, "passcode.wrong", rule(nil, task))
	})
	t.Run("and a right one signs once", func(t *testing.T) {
		form := d.shown(t, opened, typed("123456"))
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				resp, body := d.post(t, opened, form, "Accept", "text/html")
				if resp.StatusCode != http.StatusOK || strings.HasPrefix(body, "{") {
					t.Error("a person reads ", body)
				}
			})
		}
		all.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		task, err := d.Await(ctx, opened.ID)
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State)
		require.Equal(t, 1, d.server.called("answer "))
	})
}

// A passcode goes to the card that was in the reader when the form was shown.
func TestSwappedCard(t *testing.T) {
	d := newDesk(t, nil)
	hers := d.personalised(0)
	his := d.personalised(1)
	require.NoError(t, d.tray.Remove(1))
	for name, o := range map[string]agent.Request{"sign in": d.signin(), "change": {Kind: agent.Passcode}} {
		t.Run("threat040/"+name, func(t *testing.T) {
			opened, err := d.Start(t.Context(), o)
			require.NoError(t, err)
			form := d.shown(t, opened, map[string]string{"passcode": "654321", "newPasscode": "314159", "newPasscode2": "314159"})
			require.NoError(t, d.tray.Remove(0))
			require.NoError(t, d.tray.Insert(0, his))
			d.post(t, opened, form)
			task, err := d.Task(t.Context(), opened.ID)
			require.NoError(t, err)
			require.Equal(t, "card.swapped", rule(nil, task))
			require.Equal(t, agent.Waiting, task.State)
			require.Equal(t, card.PINReady, d.pinOf(t, his), "nothing was sent to it")
			require.NoError(t, d.tray.Remove(0))
			require.NoError(t, d.tray.Insert(0, hers))
		})
	}
	t.Run("a card that comes after the form is taken", func(t *testing.T) {
		reader := 1 // empty, and the card is one that was never pulled
		o := d.signin()
		o.Reader = &reader
		opened, err := d.Start(t.Context(), o)
		require.NoError(t, err)
		form := d.shown(t, opened, typed("123456"))
		require.Empty(t, form.Get("card"))
		d.personalised(1)
		d.post(t, opened, form)
		task, err := d.Task(t.Context(), opened.ID)
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State, d.log)
	})
}

// What goes wrong before there is a form is told to a person in words, too.
func TestPageForPeople(t *testing.T) {
	d := newDesk(t, nil)
	d.personalised(0)
	opened, err := d.Start(t.Context(), d.signin())
	require.NoError(t, err)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

	for name, ask := range map[string]func() (*http.Response, string){
		"task.unknown": func() (*http.Response, string) {
			return d.ask(t, http.MethodGet, "/v1/tasks/AAAAAAAAAAAAAAAAAAAAAA/page", "", "Accept", browser)
		},
		"form.invalid": func() (*http.Response, string) {
			return d.post(t, opened, url.Values{"csrf": {"x"}}, "Accept", browser)
		},
		"host.refused": func() (*http.Response, string) {
			return d.ask(t, http.MethodGet, "/v1/tasks/AAAAAAAAAAAAAAAAAAAAAA/page", "", "Accept", browser, "Host", "evil.example")
		},
	} {
		resp, body := ask()
		require.GreaterOrEqual(t, resp.StatusCode, 400, name)
		require.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"), name)
		require.Contains(t, resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		require.Contains(t, body, "<code>"+name+"</code>")
		require.NotContains(t, body, "<form")
		require.Equal(t, "same-origin", resp.Header.Get("Cross-Origin-Resource-Policy"), "no page of elsewhere may embed it")
	}
	resp, body := d.ask(t, http.MethodGet, "/v1/tasks/AAAAAAAAAAAAAAAAAAAAAA/page", "")
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"), "a program")
	require.Contains(t, body, "task.unknown")

	t.Run("an error is tied to its field", func(t *testing.T) {
		require.NotContains(t, d.page(t, opened), "aria-invalid")
		d.post(t, opened, d.shown(t, opened, typed("654321")))
		body := d.page(t, opened)
		require.Contains(t, body, "<title>Error: ")
		require.Contains(t, body, `id="refusal"`)
		require.Regexp(t, `<input id="passcode"[^>]* aria-describedby="refusal" aria-invalid="true"`, body)
	})
	t.Run("nothing reloads by itself", func(t *testing.T) {
		free := make(chan struct{})
		d.server.lies("nonce", func(w http.ResponseWriter, _ *http.Request) {
			<-free
			_, _ = io.WriteString(w, `{"nonce":"`+nonce+`"}`)
		})
		var all sync.WaitGroup
		defer all.Wait()
		defer close(free)
		form := d.shown(t, opened, typed("123456"))
		all.Go(func() { d.post(t, opened, form) })
		require.Eventually(t, func() bool { return d.server.called("nonce ") == 1 }, patience, 10*time.Millisecond)
		body := d.page(t, opened)
		require.NotContains(t, body, "http-equiv")
		require.Contains(t, body, "Leave the smartcard where it is")
		at, err := url.Parse(opened.Page)
		require.NoError(t, err)
		require.Contains(t, body, `<a href="`+at.Path+`">`)
	})
}

// A task is over after its twenty minutes, whoever still shows its form.
func TestStaleTask(t *testing.T) {
	var later atomic.Int64
	d := newDesk(t, func(c *agent.Config) {
		c.Wall = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	serial := d.personalised(0)
	opened, err := d.Start(t.Context(), d.signin())
	require.NoError(t, err)
	form := d.shown(t, opened, typed("654321"))
	later.Store(int64(20*time.Minute + time.Second))
	resp, body := d.post(t, opened, form)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Contains(t, body, "task.unknown")
	require.Equal(t, card.PINReady, d.pinOf(t, serial))
	_, err = d.Task(t.Context(), opened.ID)
	require.ErrorContains(t, err, "task.unknown")
}

// A card in use is not emptied unawares.
func TestIssueWarns(t *testing.T) {
	d := newDesk(t, nil)
	serial := d.personalised(0)
	d.server.says("act", `{"act":"00","kind":"issue","card":"`+serial+`","keys":[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="}]}`)
	opened, err := d.Start(t.Context(), agent.Request{Kind: agent.Issue, Server: d.server.URL, Handle: "h"})
	require.NoError(t, err)
	require.Contains(t, d.page(t, opened), "will be removed")
}

// One origin can't take up all the room for tasks.
func TestTasksOfOneOrigin(t *testing.T) {
	d := newDesk(t, func(c *agent.Config) { c.Origins = append(c.Origins, "https://other.example") })
	var err error
	for range 40 {
		if _, err = d.Start(t.Context(), agent.Request{Kind: agent.Passcode}); err != nil {
			break
		}
	}
	require.Equal(t, "task.many", rule(err, agent.Task{}))
	other := &agent.Client{Base: d.Base, Origin: "https://other.example"}
	_, err = other.Start(t.Context(), agent.Request{Kind: agent.Passcode})
	require.NoError(t, err)
}

// The bytes of a form leave no second copy behind.
func TestFormIsCleared(t *testing.T) {
	t.Run("threat043", func(t *testing.T) {
		secret := "passcode=31415926&filler=" + strings.Repeat("x", 2000)
		body := &spy{rest: secret}
		r, err := http.NewRequest(http.MethodPost, "/", body)
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got, err := agent.ReadForm(r)
		require.NoError(t, err)
		require.Equal(t, "31415926", got["passcode"])
		for _, p := range body.lent {
			require.NotContains(t, string(p), "31415926")
		}
	})
	t.Run("too long", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 5<<10)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, err = agent.ReadForm(r)
		require.Error(t, err)
	})
}

// spy keeps the slices that it was asked to read into.
type spy struct {
	rest string
	lent [][]byte
}

func (s *spy) Read(p []byte) (int, error) {
	if s.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	s.lent = append(s.lent, p[:n])
	return n, nil
}

// Who only looks at a page, in another tab, makes no form get lost.
func TestFormBesideOtherTabs(t *testing.T) {
	d := newDesk(t, nil)
	d.personalised(0)
	opened, err := d.Start(t.Context(), agent.Request{Kind: agent.Passcode})
	require.NoError(t, err)
	at, err := url.Parse(opened.Page)
	require.NoError(t, err)
	looking, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for range 4 {
		all.Go(func() {
			for looking.Err() == nil {
				r, err := http.NewRequestWithContext(looking, http.MethodGet, d.http.URL+at.Path, nil)
				if err != nil {
					t.Error(err)
				}
				if resp, err := d.http.Client().Do(r); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		})
	}
	for i := range 30 {
		form := d.shown(t, opened, map[string]string{"passcode": "123456", "newPasscode": "1", "newPasscode2": "2"})
		require.Equal(t, strconv.Itoa(i), form.Get("form"), "the form before was taken")
		d.post(t, opened, form)
	}
}
