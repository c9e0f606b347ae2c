// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// soon is a limit that a virtual card keeps, however busy the machine is, unless it
// hangs.
const soon = 3 * time.Second

// A card that hangs in the middle of a sign-in: the task is refused by a rule of
// its own, everything else answers, the session that the card held ends, and when
// the card answers again nothing is done that was given up.
func TestHungCard(t *testing.T) {
	t.Parallel() // they wait most of the time
	d, are := newQuirkyDesk(t, func(c *agent.Config) { c.CallLimit = soon })
	ctx := t.Context()
	serial := d.personalised(0)
	other := d.personalised(1)
	at := func(reader int, r agent.Request) agent.Request { r.Reader = &reader; return r }
	task, err := d.Run(ctx, at(0, d.signin()), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
	signed := len(d.server.proofs)
	leases := func() int { return d.server.called("lease Bearer presence-token") }
	require.Eventually(t, func() bool { return leases() > 0 }, patience, 10*time.Millisecond)

	are("hang C_Login")
	opened, err := d.Start(ctx, at(0, agent.Request{Kind: agent.StepUp, Server: d.server.URL, Bind: bind}))
	require.NoError(t, err)
	task, err = d.Type(ctx, opened, typed("123456"))
	require.NoError(t, err)
	t.Run("threat035", func(t *testing.T) {
		require.Equal(t, "module.hung", rule(nil, task))
		require.Equal(t, agent.Refused, task.State)
		require.Contains(t, d.page(t, opened), "<code>module.hung</code>")
		require.Contains(t, d.log.String(), "the module does not answer")

		before := leases()
		time.Sleep(2500 * time.Millisecond) // two leases' time
		require.LessOrEqual(t, leases(), before+1, "no lease is renewed for a card that may do anything; one may have been under way")

		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, "module.hung", s.Readers[0].Refusal.Rule)
		require.Equal(t, agent.CardPresent, s.Readers[1].State)

		// The next task with this card hears it at once, one with another goes on.
		task, err := d.Run(ctx, at(0, agent.Request{Kind: agent.StepUp, Server: d.server.URL, Bind: bind}), typed("123456"))
		require.NoError(t, err)
		require.Equal(t, "module.hung", rule(nil, task))
		d.server.says("act", `{"act":"00","kind":"unlock","card":"`+other+`"}`)
		d.server.refuses("act/unlock", &wardkey.Refusal{Rule: "act.unknown", Status: 403, Public: "over"})
		task, err = d.Run(ctx, agent.Request{Kind: agent.Unlock, Server: d.server.URL, Handle: "h", Act: "00"}, map[string]string{"newPasscode": "314159", "newPasscode2": "314159"})
		require.NoError(t, err)
		require.Equal(t, "act.unknown", rule(nil, task), "it was asked, with the other card in hand")
	})
	t.Run("it answers again", func(t *testing.T) {
		are()
		require.Eventually(t, func() bool {
			s, err := d.Status(ctx)
			return err == nil && s.Readers[0].Refusal == nil && s.Readers[0].State == agent.CardPresent
		}, patience, 20*time.Millisecond)
		now, err := d.Task(ctx, opened.ID)
		require.NoError(t, err)
		require.Equal(t, agent.Refused, now.State, "what was given up stays so")
		require.Equal(t, "module.hung", rule(nil, now))
		require.Len(t, d.server.proofs, signed, "and nothing was signed for it")
		require.Equal(t, card.PINReady, d.pinOf(t, serial), "the passcode was sent whole or not at all")
		task, err := d.Run(ctx, at(0, agent.Request{Kind: agent.StepUp, Server: d.server.URL, Bind: bind}), typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State, d.log)
	})
}

// In whichever call of a sign-in the module hangs, the person is told, the page gets
// no result, and what comes after the call is not done.
func TestHungInEveryCall(t *testing.T) {
	t.Parallel() // they wait most of the time
	d, are := newQuirkyDesk(t, func(c *agent.Config) { c.CallLimit = soon })
	ctx := t.Context()
	serial := d.personalised(0)
	for _, call := range []string{
		"C_GetSlotList", "C_GetTokenInfo", "C_Login", "C_GetAttributeValue", "C_Sign", "C_Logout",
	} {
		t.Run("threat035/"+call, func(t *testing.T) {
			opened, err := d.Start(ctx, d.signin())
			require.NoError(t, err)
			form := d.shown(t, opened, typed("123456"))
			answers := d.server.called("answer ")
			are("hang " + call)
			resp, _ := d.post(t, opened, form)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			task, err := d.Task(ctx, opened.ID)
			require.NoError(t, err)
			require.Equal(t, "module.hung", rule(nil, task))
			require.Empty(t, task.Result)
			if call != "C_Logout" { // the last: the server has heard the proof
				require.Equal(t, answers, d.server.called("answer "))
			}
			are()
			require.Eventually(t, func() bool {
				s, err := d.Status(ctx)
				return err == nil && s.Refusal == nil && s.Readers[0].State == agent.CardPresent && s.Readers[0].Refusal == nil
			}, patience, 20*time.Millisecond)
			require.Equal(t, card.PINReady, d.pinOf(t, serial))
			again, err := d.Task(ctx, opened.ID)
			require.NoError(t, err)
			require.Equal(t, task, again)
		})
	}
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
}

// What a server takes its time for is no hang.
func TestSlowServerIsNoHang(t *testing.T) {
	t.Parallel() // they wait most of the time
	d := newDesk(t, func(c *agent.Config) { c.CallLimit = soon })
	d.personalised(0)
	d.server.lies("nonce", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(soon + time.Second)
		_, _ = io.WriteString(w, `{"nonce":"`+nonce+`"}`)
	})
	task, err := d.Run(t.Context(), d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
}

// newQuirkyDesk is a desk whose module differs as are says, a line a quirk: the
// module of package card's tests above a tray's.
func newQuirkyDesk(t *testing.T, change func(*agent.Config)) (d *desk, are func(lines ...string)) {
	t.Helper()
	d = newDeskOf(t, func(tray *cardtest.Tray) (path string) {
		path, are = quirkyModule(t, tray.Module())
		return path
	}, change)
	t.Cleanup(func() { are() }) // before the module is closed, which waits for what hangs
	return d, are
}

func quirkyModule(t *testing.T, inner string) (path string, are func(lines ...string)) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	path = filepath.Join(dir, "quirks.so")
	quoted := func(path string) string { return `"` + path + `"` }
	out, err := exec.Command(need.Tool(t, "cc"), "-shared", "-fPIC", "-O1", "-I", filepath.Join("..", "cardtest", "shim"),
		"-DQUIRKS="+quoted(filepath.Join(dir, "quirks")), "-DTRACE="+quoted(filepath.Join(dir, "trace")), "-DINNER="+quoted(inner),
		"-o", path, filepath.Join("..", "testdata", "quirks.c"), "-ldl").CombinedOutput()
	require.NoError(t, err, string(out))
	are = func(lines ...string) {
		next := filepath.Join(dir, "next")
		require.NoError(t, os.WriteFile(next, []byte(strings.Join(lines, "\n")), 0o600))
		require.NoError(t, os.Rename(next, filepath.Join(dir, "quirks")))
	}
	are()
	return path, are
}

// A module that doesn't even list its readers any more.
func TestHungReaders(t *testing.T) {
	t.Parallel() // they wait most of the time
	d, are := newQuirkyDesk(t, func(c *agent.Config) { c.CallLimit = soon })
	ctx := t.Context()
	serial := d.personalised(0)
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
	opened, err := d.Start(ctx, agent.Request{Kind: agent.StepUp, Server: d.server.URL, Bind: bind})
	require.NoError(t, err)

	are("hang C_GetSlotList")
	t.Run("threat035", func(t *testing.T) {
		form := map[string]string{"passcode": "123456"}
		var all sync.WaitGroup
		for range 5 { // one would wait behind the other, if they did
			all.Go(func() {
				s, err := d.Status(ctx)
				if err != nil || len(s.Readers) != 0 || s.Refusal == nil || s.Refusal.Rule != "module.hung" {
					t.Errorf("status of a hung module: %+v, %v", s, err)
				}
			})
		}
		all.Wait()
		task, err := d.Type(ctx, opened, form)
		require.NoError(t, err)
		require.Equal(t, "module.hung", rule(nil, task))
		before := d.server.called("lease Bearer presence-token")
		time.Sleep(2500 * time.Millisecond)
		require.LessOrEqual(t, d.server.called("lease Bearer presence-token"), before+1)
		require.Zero(t, d.server.called("removed Bearer presence-token"), "nobody saw the card leave")
		report, err := d.Doctor(ctx)
		require.NoError(t, err)
		require.False(t, report.OK)
		require.Equal(t, "module.hung", report.Checks[0].Refusal.Rule)
	})
	t.Run("a card that comes meanwhile", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(0))
		are()
		require.Eventually(t, func() bool { return d.server.called("removed Bearer presence-token") == 1 }, patience, 10*time.Millisecond)
		require.NoError(t, d.tray.Insert(0, serial))
		require.Eventually(t, func() bool {
			s, err := d.Status(ctx)
			return err == nil && len(s.Readers) == 2 && s.Readers[0].State == agent.CardPresent
		}, patience, 20*time.Millisecond)
		task, err := d.Run(ctx, d.signin(), typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State, d.log)
	})
}

// A card that doesn't even say what it is hides no other, and what is typed for it
// goes to no other.
func TestHungCardBesideAnother(t *testing.T) {
	t.Parallel() // they wait most of the time
	d, are := newQuirkyDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	d.personalised(1)
	opened, err := d.Start(ctx, d.signin())
	require.NoError(t, err)
	are("hanging-card") // in reader 1
	t.Run("threat035", func(t *testing.T) {
		require.Eventually(t, func() bool {
			s, err := d.Status(ctx)
			return err == nil && len(s.Readers) == 2 && s.Readers[0].State == agent.CardPresent &&
				s.Readers[1].State == agent.CardUnknown && s.Readers[1].Refusal.Rule == "module.hung" && s.Readers[1].Name != ""
		}, patience, 20*time.Millisecond)
		for reader, want := range []string{"", "module.hung"} {
			r := d.signin()
			r.Reader = &reader
			task, err := d.Run(ctx, r, typed("123456"))
			require.NoError(t, err)
			require.Equal(t, want, rule(nil, task), d.log)
		}
		signed := len(d.server.proofs)
		task, err := d.Type(ctx, opened, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, "module.hung", rule(nil, task), "no reader was named")
		require.Len(t, d.server.proofs, signed)
		report, err := d.Doctor(ctx)
		require.NoError(t, err)
		require.False(t, report.OK)
	})
	are()
	require.Eventually(t, func() bool {
		s, err := d.Status(ctx)
		return err == nil && s.Readers[1].State == agent.CardPresent
	}, patience, 20*time.Millisecond)
}

// Who waits for a call that hangs is let go by its context, and a person who went
// away is not told as a hang.
func TestWithin(t *testing.T) {
	free := make(chan struct{})
	defer close(free)
	var asked atomic.Int32
	hangs := func() bool { asked.Add(1); <-free; return true }
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	yes, err := agent.Within(short, hangs)
	require.False(t, yes)
	require.Equal(t, "module.hung", wardkey.RuleOf(err))
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err = agent.Within(gone, hangs)
	require.ErrorIs(t, err, context.Canceled)
	require.NotEqual(t, "module.hung", wardkey.RuleOf(err))
	yes, err = agent.Within(t.Context(), func() bool { return true })
	require.NoError(t, err)
	require.True(t, yes)
}
