// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Agent is one workstation's loopback service. It is safe for concurrent use.
type Agent struct {
	config Config
	rules  *wardkey.Rulebook
	mux    *http.ServeMux
	events *broadcast

	// life ends with Run; work that holds a card or a reset act lives in it and
	// not in the request that started it, so that closing a tab stops nothing
	// half way.
	life context.Context
	end  context.CancelFunc

	mu       sync.Mutex
	tasks    map[string]*task
	holder   *holder           // who is signed in; nil when nobody
	where    map[string]int    // by serial: the reader in which the watch sees that card
	removals map[string]uint64 // by serial: how often the watch saw it leave
	busy     map[string]*task  // by serial: which task is working with a card

	user          int    // whom connections must belong to, unless Config.OneUser
	system, build string // of this workstation
}

// New checks the configuration. Nothing is touched before Run.
func New(c Config) (*Agent, error) {
	if c.Module == nil {
		return nil, errors.New("agent: Config.Module is missing")
	}
	a, err := build(c)
	if err != nil {
		return nil, err
	}
	if a.user, err = thisUser(); err != nil && !c.OneUser {
		return nil, fmt.Errorf("agent: other users of this machine can't be kept out, and Config.OneUser doesn't say that there are none: %w", err)
	}
	return a, nil
}

// build makes an agent that may have no module, for Doctor.
func build(c Config) (*Agent, error) {
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	rules, err := Rulebook()
	if err != nil {
		return nil, err
	}
	a := &Agent{
		config: c, rules: rules, events: newBroadcast(),
		tasks: map[string]*task{}, where: map[string]int{}, removals: map[string]uint64{}, busy: map[string]*task{},
	}
	a.system, a.build = thisSystem()
	a.life, a.end = context.WithCancel(context.Background())
	a.routes()
	return a, nil
}

// Run watches the readers until ctx ends: it tells pages what was inserted and
// removed, and servers that a signed-in card has gone. When it returns the
// agent is over: sessions bound to the card are ended at their servers and
// tasks under way stop at their next step. It returns ctx's error, or why the
// readers can't be watched.
func (a *Agent) Run(ctx context.Context) error {
	defer a.end()
	defer a.events.close()
	err := a.watch(ctx)
	a.endHolder("the agent ends")
	return err
}

func (a *Agent) server(base string) server { return server{base: base, http: a.config.HTTP} }

func (a *Agent) knowsServer(base string) bool { return slices.Contains(a.config.Servers, base) }

func (a *Agent) allows(origin string) bool {
	return origin != "" && slices.Contains(a.config.Origins, origin)
}

// working bounds one step that a person waits for. It outlives the request.
func (a *Agent) working() (context.Context, context.CancelFunc) {
	return context.WithTimeout(a.life, stepLimit)
}

// stepLimit covers two key generations on a slow card and the server's answers.
const stepLimit = 2 * time.Minute
