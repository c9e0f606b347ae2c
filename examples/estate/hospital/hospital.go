// SPDX-License-Identifier: Apache-2.0

// Package hospital drives a running estate over the network, as its people
// would: with a browser, a workstation's agent, a mail client. It knows
// addresses and nothing else: it imports no room of Wardkey and reads no
// database, so what it can do, a stranger's client can do too.
//
//	h, err := hospital.New(hospital.Config{Web: web})
//	manager := h.Browser()
//	session, err := manager.SignIn(ctx, 1, passcode)
//	serial, err := h.BlankCard(ctx)
//	err = h.Insert(ctx, 2, serial)
//	err = manager.IssueCard(ctx, hospital.Issue{UserID: nurse, Card: serial, Reader: 2, …})
//
// A Hospital is the building: its clock, its workstations with their readers,
// its drawer of blank cards, its inbox. Where the agents and the mail gateway
// are, the estate tells by itself. A Browser is one person's: it keeps cookies, so each person
// who is signed in needs one of their own. A passcode goes to the agent's own
// page and nowhere else, as the fields of the form that the agent shows there.
//
// # Refusals
//
// Whatever the estate or the agent refuses comes back as a *wardkey.Refusal, or
// as wardkey.Refusals where several things are wrong at once; errors.As reaches
// it. Any other error means that the estate could not be understood or reached.
//
// # Waiting
//
// Messages and tasks take a moment. Calls that wait ask again in short steps,
// for as long as Config.Patience, and then say what did not come. The clock of
// the estate plays no part in that.
package hospital

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Config says where an estate is.
type Config struct {
	// Web is the base URL, such as http://localhost:8460. It is needed.
	Web string
	// Patience is how long a call waits for a message or a task. The default is
	// 20 seconds.
	Patience time.Duration
	// Step is the pause between two looks. The default is 20 milliseconds.
	Step time.Duration
}

func (c Config) withDefaults() Config {
	if c.Patience == 0 {
		c.Patience = 20 * time.Second
	}
	if c.Step == 0 {
		c.Step = 20 * time.Millisecond
	}
	c.Web = strings.TrimRight(c.Web, "/")
	return c
}

// Hospital is a running estate. It is safe for concurrent use.
type Hospital struct {
	config Config
	http   *http.Client // without cookies: the control calls and public pages
}

// New checks the address. It speaks to nobody yet.
func New(c Config) (*Hospital, error) {
	c = c.withDefaults()
	if u, err := url.Parse(c.Web); err != nil || u.Host == "" || u.Path != "" {
		return nil, fmt.Errorf("hospital: %q is not http://host:port", c.Web)
	}
	return &Hospital{config: c, http: &http.Client{Timeout: requestLimit}}, nil
}

// requestLimit is far longer than any single answer takes: a card that makes
// two keys, or a clock that moves over three years of work that fell due.
const requestLimit = 2 * time.Minute

// Web is the base URL of the estate's pages.
func (h *Hospital) Web() string { return h.config.Web }

// Browser is one person's browser: its cookies are their session. It is not
// for concurrent use, except that Session may be asked at any time.
type Browser struct {
	h    *Hospital
	http *http.Client
}

// Browser opens a new browser without any cookie.
func (h *Hospital) Browser() *Browser {
	// A jar without a public suffix list never fails; the estate is one host.
	jar, _ := cookiejar.New(nil)
	return &Browser{h: h, http: &http.Client{Timeout: requestLimit, Jar: jar}}
}

// errWaited is wrapped by an error that says what did not come in time.
var errWaited = errors.New("hospital: waited in vain")
