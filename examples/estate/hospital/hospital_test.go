// SPDX-License-Identifier: Apache-2.0

package hospital_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// ward is a small estate: one web address and one agent, in two listeners.
type ward struct {
	t          *testing.T
	web, agent *httptest.Server
	h          *hospital.Hospital
	mux        *http.ServeMux // of the web address
	desk       *http.ServeMux // of the agent
}

func newWard(t *testing.T) *ward {
	w := &ward{t: t, mux: http.NewServeMux(), desk: http.NewServeMux()}
	w.web, w.agent = httptest.NewServer(w.mux), httptest.NewServer(w.desk)
	t.Cleanup(w.web.Close)
	t.Cleanup(w.agent.Close)
	w.mux.HandleFunc("GET /api/state", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, map[string]any{
			"now":     "2026-01-05T09:00:00Z",
			"agents":  []any{map[string]any{"name": "desk", "address": w.agent.URL, "readers": []int{4, 7}}},
			"readers": []any{map[string]any{"reader": 7, "card": "C1"}},
		})
	})
	var err error
	w.h, err = hospital.New(hospital.Config{Web: w.web.URL + "/", Patience: 300 * time.Millisecond, Step: time.Millisecond})
	require.NoError(t, err)
	return w
}

// check is for handlers, which run beside the test.
func (w *ward) check(ok bool, what string) {
	if !ok {
		w.t.Errorf("not so: %s", what)
	}
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// formPage is the agent's page: the form to be filled in stands between others.
const formPage = `<!doctype html><form method="get" action="/elsewhere"><input name="passcode"></form>
<form method="post" action="page"><input type="hidden" name="csrf" value="a&amp;b"><input type="hidden" name="step" value="one">
<fieldset><input type="radio" name="channel" value="email"><input type="radio" name="channel" value="text"></fieldset>
<input name="passcode" type="password"><button>Go</button></form>
<form method="post" action="page"><input type="hidden" name="csrf" value="a&amp;b"><button name="cancel" value="yes">Stop</button></form>`

// serveTask lets the agent take one task, whose page answers with states in
// turn.
func (w *ward) serveTask(posted func(*http.Request), states ...map[string]any) {
	var next atomic.Int32
	w.desk.HandleFunc("POST /v1/tasks", func(rw http.ResponseWriter, r *http.Request) {
		w.check(r.Header.Get("Origin") == w.web.URL, "the page that asks")
		body, err := io.ReadAll(r.Body)
		w.check(err == nil && string(body) == `{"kind":"signin","server":"s","bind":"b","reader":1}`, string(body))
		reply(rw, map[string]string{"task": "T", "page": w.agent.URL + "/v1/tasks/T/page"})
	})
	w.desk.HandleFunc("GET /v1/tasks/T/page", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, formPage) })
	w.desk.HandleFunc("POST /v1/tasks/T/page", func(rw http.ResponseWriter, r *http.Request) {
		w.check(r.Header.Get("Origin") == w.agent.URL, "the agent's own page")
		w.check(r.ParseForm() == nil, "a form")
		posted(r)
		http.Redirect(rw, r, r.URL.Path, http.StatusSeeOther)
	})
	w.desk.HandleFunc("GET /v1/tasks/T", func(rw http.ResponseWriter, _ *http.Request) {
		i := min(int(next.Add(1))-1, len(states)-1)
		reply(rw, states[i])
	})
}

func TestTask(t *testing.T) {
	ticket := hospital.Ticket{Kind: "signin", Server: "s", Bind: "b"}
	w := newWard(t)
	w.serveTask(func(r *http.Request) {
		w.check(r.PostForm.Get("csrf") == "a&b" && r.PostForm.Get("step") == "one", "what the page had preset")
		w.check(!r.PostForm.Has("cancel"), "the form that asks, and no other")
	}, map[string]any{"state": "working"},
		map[string]any{"state": "waiting", "refusal": map[string]any{"type": "urn:wardkey:rule:passcode.wrong", "rule": "passcode.wrong"}},
		map[string]any{"state": "done", "result": "R"})
	task, err := w.h.Browser().Task(t.Context(), ticket, 7)
	require.NoError(t, err)

	err = task.Answer(t.Context(), map[string]string{"passcode": "123456"})
	require.Equal(t, "passcode.wrong", wardkey.RuleOf(err))
	require.NoError(t, task.Answer(t.Context(), map[string]string{"passcode": "654321", "channel": "email"}))
	for name, fields := range map[string]map[string]string{
		"a field that no form has":  {"code": "1"},
		"a choice that no form has": {"channel": "pigeon"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, task.Answer(t.Context(), fields), "does not ask for")
		})
	}

	_, err = w.h.Browser().Task(t.Context(), ticket, 1)
	require.ErrorContains(t, err, "no workstation has a reader 1")
}

func TestTaskThatNeverEnds(t *testing.T) {
	w := newWard(t)
	w.serveTask(func(*http.Request) {}, map[string]any{"state": "working"})
	task, err := w.h.Browser().Task(t.Context(), hospital.Ticket{Kind: "signin", Server: "s", Bind: "b"}, 7)
	require.NoError(t, err)
	err = task.Answer(t.Context(), map[string]string{"passcode": "123456"})
	require.ErrorContains(t, err, "waited in vain for the agent to finish a step")
}

func TestRefusals(t *testing.T) {
	w := newWard(t)
	one := &wardkey.Refusal{Rule: "mail.aup", Status: http.StatusForbidden, Public: "No.", Fixer: "holder", Next: []string{"Accept it."}}
	two := &wardkey.Refusal{Rule: "device.credmgmt", Status: http.StatusForbidden, Public: "No agent."}
	w.mux.HandleFunc("POST /links", func(rw http.ResponseWriter, r *http.Request) {
		var in map[string]string
		w.check(json.NewDecoder(r.Body).Decode(&in) == nil && in["address"] == "a@nhs.net" && in["password"] == "its own", "the address and its password")
		wardkey.WriteProblem(rw, wardkey.Refusals{one, two})
	})
	w.mux.HandleFunc("POST /links/unlink", func(rw http.ResponseWriter, _ *http.Request) { wardkey.WriteProblem(rw, one) })
	w.mux.HandleFunc("GET /my/session", func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "a proxy's page", http.StatusBadGateway) })
	w.mux.HandleFunc("GET /links/preflight", func(rw http.ResponseWriter, r *http.Request) {
		w.check(r.URL.Query().Get("address") == "a@nhs.net", "the address")
		reply(rw, map[string]any{"missing": wardkey.Refusals{one, two}})
	})
	b := w.h.Browser()

	var many wardkey.Refusals
	require.ErrorAs(t, b.Link(t.Context(), "a@nhs.net", "its own", hospital.Workstation{}), &many)
	require.Len(t, many, 2)
	require.Equal(t, "device.credmgmt", many[1].Rule)

	var no *wardkey.Refusal
	require.ErrorAs(t, b.Unlink(t.Context(), "a@nhs.net"), &no)
	require.Equal(t, []string{"Accept it."}, no.Next)

	missing, err := b.LinkPreflight(t.Context(), "a@nhs.net", hospital.Workstation{})
	require.NoError(t, err)
	require.Equal(t, []string{"mail.aup", "device.credmgmt"}, []string{missing[0].Rule, missing[1].Rule})

	_, err = b.Session(t.Context())
	require.False(t, errors.As(err, new(*wardkey.Refusal)), "what is no refusal must not look like one: %v", err)
	require.ErrorContains(t, err, "a proxy's page")
}

func TestMailbox(t *testing.T) {
	w := newWard(t)
	all := []hospital.Message{{Channel: "email", To: "a@nhs.net", Body: "old, 11112222"}}
	var asked atomic.Int32
	w.mux.HandleFunc("GET /api/inbox", func(rw http.ResponseWriter, r *http.Request) {
		w.check(r.URL.Query().Get("to") == "a@nhs.net", "the address")
		switch n := asked.Add(1); {
		case n < 4:
			reply(rw, all)
		default:
			reply(rw, append(all[:1:1], hospital.Message{Body: "for user 555000000001 on +447700900123"},
				hospital.Message{Body: "Your code is 01234567."}, hospital.Message{Body: "See http://127.0.0.1:1/apply/x_y-z"}))
		}
	})
	box, err := w.h.Mailbox(t.Context(), "a@nhs.net")
	require.NoError(t, err)

	m, err := box.Next(t.Context(), hospital.HasCode)
	require.NoError(t, err)
	code, err := m.Code()
	require.NoError(t, err)
	require.Equal(t, "01234567", code)
	_, err = m.Link()
	require.Error(t, err)

	m, err = box.Next(t.Context(), nil)
	require.NoError(t, err)
	link, err := m.Link()
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1/apply/x_y-z", link)
	require.ErrorContains(t, w.h.Apply(t.Context(), link), "not to this estate")

	_, err = box.Next(t.Context(), nil)
	require.ErrorContains(t, err, "waited in vain for a message to a@nhs.net")
}

func TestNew(t *testing.T) {
	for _, web := range []string{"", "127.0.0.1:8080", "http://127.0.0.1:8080/path", "http://"} {
		_, err := hospital.New(hospital.Config{Web: web})
		require.Error(t, err, web)
	}
}

func Example() {
	estate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"now": "2026-01-05T09:00:00Z", "ca": map[string]string{"issuingKey": "softhsm"}})
	}))
	defer estate.Close()

	h, err := hospital.New(hospital.Config{Web: estate.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := h.State(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Now.Year(), s.CA.IssuingKey)
	// Output: 2026 softhsm
}
