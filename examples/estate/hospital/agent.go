// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Ticket is what a page of the estate hands to the agent. Bind belongs to what
// the card proves for this browser's session: a sign-in, a presence, and the
// renewal of one's own card.
type Ticket struct {
	Kind   string `json:"kind"`
	Server string `json:"server,omitempty"`
	Handle string `json:"handle,omitempty"`
	Bind   string `json:"bind,omitempty"`
	Act    string `json:"act,omitempty"`
}

// Slot is a reader as the agent's status shows it to pages: no holder's name.
type Slot struct {
	State       string    `json:"state"` // absent, blank, present, finalTry or locked
	NotAfter    time.Time `json:"notAfter"`
	DaysLeft    int       `json:"daysLeft"`
	RenewalOpen bool      `json:"renewalOpen"`
}

// Present says whether there is a card.
func (s Slot) Present() bool { return s.State != "absent" && s.State != "" }

// Slot asks the agent of a reader for what is in it.
func (h *Hospital) Slot(ctx context.Context, reader int) (Slot, error) {
	at, err := h.workstation(ctx, reader)
	if err != nil {
		return Slot{}, err
	}
	var out struct {
		Readers []struct {
			Slot
			Reader int `json:"reader"`
		} `json:"readers"`
	}
	err = do(ctx, h.http, request{method: http.MethodGet, url: at.agent + "/v1/status", out: &out, origin: h.config.Web})
	if err != nil {
		return Slot{}, err
	}
	for _, r := range out.Readers {
		if r.Reader == at.slot {
			return r.Slot, nil
		}
	}
	return Slot{}, fmt.Errorf("hospital: the agent does not know reader %d", reader)
}

// place is a reader as its agent knows it: agents count their own from 0.
type place struct {
	agent string
	slot  int
}

// workstation finds the agent that has a reader.
func (h *Hospital) workstation(ctx context.Context, reader int) (place, error) {
	s, err := h.State(ctx)
	if err != nil {
		return place{}, err
	}
	for _, a := range s.Agents {
		if i := slices.Index(a.Readers, reader); i >= 0 {
			return place{agent: a.Address, slot: i}, nil
		}
	}
	return place{}, fmt.Errorf("hospital: no workstation has a reader %d", reader)
}

// progress is a task as the agent tells it to the page that started it.
type progress struct {
	State   string           `json:"state"`
	Step    string           `json:"step"`
	Result  string           `json:"result"`
	Refusal *wardkey.Refusal `json:"refusal"`
}

// Task is something that the agent does with the card in a reader, step by
// step as the person fills in its page.
type Task struct {
	b     *Browser
	agent string
	id    string
	page  string
}

// Task starts what a ticket allows, with the card in a reader. Nothing happens
// to the card before the person answers at the agent's page.
func (b *Browser) Task(ctx context.Context, t Ticket, reader int) (*Task, error) {
	at, err := b.h.workstation(ctx, reader)
	if err != nil {
		return nil, err
	}
	in := struct {
		Ticket
		Reader int `json:"reader"`
	}{t, at.slot}
	var out struct {
		Task string `json:"task"`
		Page string `json:"page"`
	}
	err = do(ctx, b.http, request{method: http.MethodPost, url: at.agent + "/v1/tasks", in: in, out: &out, origin: b.h.config.Web})
	if err != nil {
		return nil, err
	}
	return &Task{b: b, agent: at.agent, id: out.Task, page: out.Page}, nil
}

// Answer opens the agent's page, fills in the form that asks for these fields,
// posts it as a browser does and waits until the agent has dealt with it. The
// refusal of a step that may be tried again is an error too; the task then
// still waits, and Answer may be called again.
func (t *Task) Answer(ctx context.Context, fields map[string]string) error {
	_, err := t.answer(ctx, fields)
	return err
}

func (t *Task) answer(ctx context.Context, fields map[string]string) (progress, error) {
	if err := t.post(ctx, fields); err != nil {
		return progress{}, err
	}
	var now progress
	err := t.b.h.await(ctx, "the agent to finish a step", func(ctx context.Context) (bool, error) {
		now = progress{}
		err := do(ctx, t.b.http, request{
			method: http.MethodGet, url: t.agent + "/v1/tasks/" + t.id, out: &now, origin: t.b.h.config.Web,
		})
		return now.State != "working", err
	})
	if err == nil && now.Refusal != nil {
		err = now.Refusal
	}
	return now, err
}

// finish answers the last form of a task and returns its result, if it has one.
func (t *Task) finish(ctx context.Context, fields map[string]string) (string, error) {
	now, err := t.answer(ctx, fields)
	if err == nil && now.State != "done" {
		err = fmt.Errorf("hospital: the agent is %s at %q where it should be done", now.State, now.Step)
	}
	return now.Result, err
}

// post sends the form of the task's page that has all the fields.
func (t *Task) post(ctx context.Context, fields map[string]string) error {
	page, err := url.Parse(t.page)
	if err != nil {
		return fmt.Errorf("hospital: the agent's page %q: %w", t.page, err)
	}
	forms, err := t.open(ctx, page)
	if err != nil {
		return err
	}
	problem := fmt.Errorf("hospital: %s shows no form", page.Path)
	for _, f := range forms {
		values, err := f.fill(fields)
		if err != nil {
			problem = err
			continue
		}
		return t.submit(ctx, f.action, values)
	}
	return problem
}

func (t *Task) open(ctx context.Context, page *url.URL) ([]form, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	resp, err := t.b.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end by the parser
	body := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(body) // what there is of it
		return nil, refusal(resp, data)
	}
	return parseForms(page, body)
}

func (t *Task) submit(ctx context.Context, action *url.URL, values url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", action.Scheme+"://"+action.Host)
	resp, err := t.b.http.Do(req)
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return refusal(resp, data)
	}
	return nil
}

// perform plays a task of one form from its ticket to its result.
func (b *Browser) perform(ctx context.Context, t Ticket, reader int, fields map[string]string) (string, error) {
	task, err := b.Task(ctx, t, reader)
	if err != nil {
		return "", err
	}
	return task.finish(ctx, fields)
}

// ChangePasscode changes the passcode of the card in a reader; no server takes
// part in it.
func (h *Hospital) ChangePasscode(ctx context.Context, reader int, old, fresh string) error {
	_, err := h.Browser().perform(ctx, Ticket{Kind: "passcode"}, reader, map[string]string{
		"passcode": old, "newPasscode": fresh, "newPasscode2": fresh,
	})
	return err
}
