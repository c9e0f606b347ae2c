// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Client drives an agent as a page and its person do, for programs without a
// browser: tests, kiosks, tours. An agent's "no" is a *wardkey.Refusal.
type Client struct {
	// Base is the agent's address, such as http://127.0.0.1:9443.
	Base string
	// Origin is the web origin that asks; the agent must allow it.
	Origin string
	// HTTP is the client to use (default http.DefaultClient).
	HTTP *http.Client
}

// Status asks for the readers.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Doctor asks for a checkup of the workstation.
func (c *Client) Doctor(ctx context.Context) (Report, error) {
	var r Report
	err := c.call(ctx, http.MethodGet, "/v1/doctor", nil, &r)
	return r, err
}

// Start starts a task.
func (c *Client) Start(ctx context.Context, r Request) (Opened, error) {
	var o Opened
	err := c.call(ctx, http.MethodPost, "/v1/tasks", r, &o)
	return o, err
}

// Task asks where a task is.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	var t Task
	err := c.call(ctx, http.MethodGet, "/v1/tasks/"+url.PathEscape(id), nil, &t)
	return t, err
}

// Cancel stops a task that waits.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/tasks/"+url.PathEscape(id), nil, nil)
}

// Type fills in the form of the task's page as its person would, with the
// page's hidden fields, and posts it. It returns where the task is then. What is
// typed passes through strings: this is no place for a real person's passcode.
func (c *Client) Type(ctx context.Context, opened Opened, fields map[string]string) (Task, error) {
	form, err := c.hidden(ctx, opened.Page)
	if err != nil {
		return Task{}, err
	}
	if !form.Has("csrf") { // the page has no form: the task is over, or at work
		return c.Task(ctx, opened.ID)
	}
	for name, value := range fields {
		form.Set(name, value)
	}
	page, err := url.Parse(opened.Page)
	if err != nil {
		return Task{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, opened.Page, strings.NewReader(form.Encode()))
	if err != nil {
		return Task{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", page.Scheme+"://"+page.Host)
	response, err := c.client().Do(request)
	if err != nil {
		return Task{}, err
	}
	defer drain(response)
	if response.StatusCode != http.StatusOK {
		return Task{}, refused(response)
	}
	return c.Task(ctx, opened.ID)
}

// Run starts a task, types each form in turn and returns where the task ends up:
// after the last form, or earlier where it is finished or something is to be
// mended.
func (c *Client) Run(ctx context.Context, r Request, forms ...map[string]string) (Task, error) {
	opened, err := c.Start(ctx, r)
	if err != nil {
		return Task{}, err
	}
	t := Task{ID: opened.ID, Kind: r.Kind, State: Waiting}
	for _, fields := range forms {
		if t, err = c.Type(ctx, opened, fields); err != nil || t.State != Waiting || t.Refusal != nil {
			break
		}
	}
	return t, err
}

// hiddenField finds what the page's first form sends along.
var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

func (c *Client) hidden(ctx context.Context, page string) (url.Values, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.client().Do(request)
	if err != nil {
		return nil, err
	}
	defer drain(response)
	if response.StatusCode != http.StatusOK {
		return nil, refused(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	first, _, _ := bytes.Cut(body, []byte("</form>"))
	form := url.Values{}
	for _, m := range hiddenField.FindAllSubmatch(first, -1) {
		form.Set(html.UnescapeString(string(m[1])), html.UnescapeString(string(m[2])))
	}
	return form, nil
}

// Event is one of the agent's events.
type Event struct {
	Name string          // inserted, removed or task
	Data json.RawMessage // the object that came with it
}

// Events listens until ctx ends or the agent lets go; the last pair then holds
// the error.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		response, err := c.send(ctx, http.MethodGet, "/v1/events", nil)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer func() { _ = response.Body.Close() }() // the stream has no end of its own
		if response.StatusCode != http.StatusOK {
			yield(Event{}, refused(response))
			return
		}
		var e Event
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case name == "event":
				e.Name = value
			case name == "data":
				e.Data = json.RawMessage(value)
			case lines.Text() == "" && e.Name != "":
				if !yield(e, nil) {
					return
				}
				e = Event{}
			}
		}
		err = lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(Event{}, err)
	}
}

// Await asks for the task until it is done or refused, or ctx ends.
func (c *Client) Await(ctx context.Context, id string) (Task, error) {
	for {
		t, err := c.Task(ctx, id)
		if err != nil || t.State == Done || t.State == Refused {
			return t, err
		}
		select {
		case <-ctx.Done():
			return t, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	response, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer drain(response)
	if response.StatusCode/100 != 2 {
		return refused(response)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(out)
}

func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Base, "/")+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Origin", c.Origin)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return c.client().Do(request)
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

func refused(response *http.Response) error {
	refusal, err := wardkey.ParseRefusal(response)
	if err != nil {
		return errors.Join(fmt.Errorf("agent: status %d", response.StatusCode), err)
	}
	return refusal
}

func drain(response *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // so that the connection serves again
	_ = response.Body.Close()
}
