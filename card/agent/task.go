// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Kind is what a page asks for.
type Kind string

// The kinds of task.
const (
	SignIn   Kind = "signin"   // prove the card, for a session
	StepUp   Kind = "stepup"   // prove it again, for a session that is there
	Presence Kind = "presence" // prove that this card's holder is at the desk, for one act
	Issue    Kind = "issue"    // personalise a card
	Renew    Kind = "renew"    // new keys and certificates beside the old, then instead of them
	Repair   Kind = "repair"   // write again what a card has lost
	Clear    Kind = "clear"    // empty a card
	Unlock   Kind = "unlock"   // open a locked card with a code and choose a new passcode
	Passcode Kind = "passcode" // change the passcode that the holder knows
)

// State is where a task is.
type State string

// The states of a task. Done and Refused are final.
const (
	Waiting State = "waiting" // for the person at the agent's page
	Working State = "working" // with the card or the server
	Done    State = "done"
	Refused State = "refused"
)

// Request is what a page posts to start a task. A server's ticket has these
// members but for Reader.
type Request struct {
	Kind Kind `json:"kind"`
	// Server is one of Config.Servers; not needed for Passcode without Act.
	Server string `json:"server,omitempty"`
	// Handle opens an act or an unlock: Issue, Renew, Repair, Clear, Unlock.
	Handle string `json:"handle,omitempty"`
	// Bind is the hash of the asking browser's cookie: SignIn, StepUp,
	// Presence, Renew in the holder's own session, and Passcode with help at a
	// desk.
	Bind string `json:"bind,omitempty"`
	// Act is the act that a proof names: Presence, Renew in the holder's own
	// session, and Passcode with help at a desk; of Unlock at a desk it is the act
	// behind Handle.
	Act string `json:"act,omitempty"`
	// Reader is the number of the reader in the status; nil lets the agent
	// take the card that fits.
	Reader *int `json:"reader,omitempty"`
}

// Task is what a page may know of a task.
type Task struct {
	ID     string `json:"task"`
	Kind   Kind   `json:"kind"`
	State  State  `json:"state"`
	Step   string `json:"step,omitempty"`   // which form is shown
	Result string `json:"result,omitempty"` // for the server's POST session
	// Refusal is why not; beside Waiting: what to mend. Of a passcode that the
	// card refused it has the fact triesLeft, 0 or 1, where the module tells it.
	Refusal *wardkey.Refusal `json:"refusal,omitempty"`
}

// The forms of a task's page.
const (
	stepPasscode = "passcode" // the passcode
	stepChoose   = "choose"   // a new passcode, twice
	stepChange   = "change"   // the passcode and a new one, twice
	stepAgree    = "agree"    // a button
	stepChannel  = "channel"  // where the code shall go
	stepCode     = "code"     // the code, and a new passcode, twice
	stepResume   = "resume"   // a new passcode again, to finish a reset that was cut short
)

// taskLife is how long a task waits for the person. It is longer than a reset
// act, so that a reset can be finished as long as the server allows.
const taskLife = 20 * time.Minute

// maxTasks bounds the tasks that are kept, and tasksOfOne those of one origin, so
// that a page that goes wrong leaves room for the others.
const (
	maxTasks   = 32
	tasksOfOne = 16
)

type task struct {
	id, csrf string
	origin   string
	request  Request
	created  time.Time

	// one is held by the step that runs, and for reading while a page is made.
	one sync.RWMutex

	mu      sync.Mutex // guards what follows
	given   bool       // up: its step hangs in the module, and changes nothing here any more
	taken   int        // how many forms were taken; each shows the number, and counts once
	state   State
	step    string
	result  string
	refusal *wardkey.Refusal

	// Of the step that runs, under one.
	agreed  bool   // the card has spoken for the act of this task
	shown   string // the card that was in the reader when the form was shown, "" for none
	serial  string // the card that this task is about, once it is known
	key     *agentKey
	view    *actView
	message string // what the server said about the code
	unlock  *unlock
}

// firstStep is the form that each kind begins with.
func (r Request) firstStep() string {
	switch r.Kind {
	case Issue:
		return stepChoose
	case Clear:
		return stepAgree
	case Passcode:
		return stepChange
	case Unlock:
		if r.Act != "" {
			return stepChoose
		}
		return stepChannel
	}
	return stepPasscode
}

// complete says whether the request has what its kind needs and nothing over.
func (r Request) complete() bool {
	needs := func(value string, wanted bool) bool { return (value != "") == wanted }
	if !needs(r.Server, r.Kind != Passcode || r.Act != "") || (r.Reader != nil && *r.Reader < 0) ||
		!(r.Bind == "" || isHash(r.Bind)) || !isID(r.Act) || len(r.Handle) > 512 {
		return false
	}
	switch r.Kind {
	case SignIn, StepUp:
		return needs(r.Bind, true) && needs(r.Handle, false) && needs(r.Act, false)
	case Presence:
		return needs(r.Bind, true) && needs(r.Handle, false) && needs(r.Act, true)
	case Renew:
		return needs(r.Handle, true) && needs(r.Act, r.Bind != "")
	case Issue, Repair, Clear:
		return needs(r.Handle, true) && needs(r.Bind, false) && needs(r.Act, false)
	case Unlock:
		return needs(r.Handle, true) && needs(r.Bind, false)
	case Passcode:
		return needs(r.Bind, r.Act != "") && needs(r.Handle, false)
	}
	return false
}

// ofAct says whether a session's act names the card, so that it may be another's
// than that of the holder who is signed in.
func (r Request) ofAct() bool {
	switch r.Kind {
	case SignIn, StepUp:
		return false
	case Renew:
		return r.Bind == ""
	case Unlock, Passcode:
		return r.Act != ""
	}
	return true
}

// isHash and isID keep what a page may put into a proof to a hash and an id, so
// that the card never signs words of a page's choosing.
func isHash(text string) bool { return encodes(text, 32) }

// encodes says whether a text is so many bytes in base64url, in the one way that
// there is: the decoder alone passes over line ends.
func encodes(text string, bytes int) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(raw) == bytes && base64.RawURLEncoding.EncodeToString(raw) == text
}

func isID(text string) bool {
	return len(text) <= 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// secret returns 128 random bits as text for a path or a form.
func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// open keeps a new task, dropping those whose time is over.
func (a *Agent) open(r Request, origin string) (*task, error) {
	now := a.config.Wall()
	t := &task{
		id: secret(), csrf: secret(), origin: origin, request: r, created: now,
		state: Waiting, step: r.firstStep(),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, old := range a.tasks {
		if now.Sub(old.created) > taskLife && old.snapshot().State != Working {
			delete(a.tasks, id)
		}
	}
	if !a.room(origin) {
		a.dropFinished()
	}
	if !a.room(origin) {
		return nil, a.rules.Refuse("task.many")
	}
	a.tasks[t.id] = t
	return t, nil
}

// begin opens the task's act before its person sees the form.
func (a *Agent) begin(ctx context.Context, t *task) error {
	t.one.Lock()
	defer t.one.Unlock()
	if err := a.openAct(ctx, t); err != nil {
		return err
	}
	if t.view.Locked {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.step = stepAgree
	}
	return nil
}

// close forgets a task that never came to its person.
func (a *Agent) close(t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tasks, t.id)
}

// room says whether an origin may have one more task; a.mu is held.
func (a *Agent) room(origin string) bool {
	own := 0
	for _, t := range a.tasks {
		if t.origin == origin {
			own++
		}
	}
	return len(a.tasks) < maxTasks && own < tasksOfOne
}

// dropFinished makes room by forgetting the finished tasks; a.mu is held.
func (a *Agent) dropFinished() {
	for id, t := range a.tasks {
		if s := t.snapshot().State; s == Done || s == Refused {
			delete(a.tasks, id)
		}
	}
}

// task finds a task that is not over its time.
func (a *Agent) task(id string) (*task, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tasks[id]
	if t == nil || (a.config.Wall().Sub(t.created) > taskLife && t.snapshot().State != Working) {
		return nil, a.rules.Refuse("task.unknown")
	}
	return t, nil
}

func (t *task) snapshot() Task {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Task{ID: t.id, Kind: t.request.Kind, State: t.state, Step: t.step, Result: t.result, Refusal: t.refusal}
}

// move sets where the task is and tells the page that asked.
func (a *Agent) move(t *task, state State, step string, refusal *wardkey.Refusal) {
	t.mu.Lock()
	given := t.given
	if !given {
		t.state, t.step, t.refusal = state, step, refusal
	}
	t.mu.Unlock()
	if !given {
		a.announce(t, state, step)
	}
}

// announce tells the page that asked where its task is.
func (a *Agent) announce(t *task, state State, step string) {
	a.events.send(t.origin, "task", map[string]string{"task": t.id, "state": string(state), "step": step})
}

// claim takes the task for the form of a step, which must be the one that is
// shown now: an earlier one, or the same once more, changes nothing.
func (t *task) claim(step, form string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != Waiting || t.step != step || strconv.Itoa(t.taken) != form {
		return false
	}
	t.state = Working
	t.taken++
	return true
}

// cancel stops a task that waits. One that has begun to change a card can't be
// stopped, only finished.
func (a *Agent) cancel(t *task) error {
	t.mu.Lock()
	before := t.state
	if before == Waiting {
		t.state = Working
	}
	t.mu.Unlock()
	switch before {
	case Working:
		return a.rules.Refuse("task.busy")
	case Done, Refused:
		return nil
	}
	t.one.Lock()
	defer t.one.Unlock()
	t.forget()
	a.move(t, Refused, "", a.rules.Refuse("task.cancelled"))
	return nil
}

// forget drops what only a running act needs.
func (t *task) forget() { t.key, t.view, t.unlock = nil, nil, nil }

func sameText(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
