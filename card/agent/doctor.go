// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// Report is what Doctor found at a workstation, always in the same order.
type Report struct {
	// OK: nothing is wrong.
	OK bool `json:"ok"`
	// System, Build and Agent are those of Status. Build is what Config.SetUpOn is
	// compared with.
	System string  `json:"system,omitempty"`
	Build  string  `json:"build,omitempty"`
	Agent  string  `json:"agent,omitempty"`
	Checks []Check `json:"checks"`
}

// Check is one thing that was looked at. Refusal is what is wrong with it, nil
// where it is right.
type Check struct {
	Name    string           `json:"check"`
	Says    string           `json:"says,omitempty"`
	Refusal *wardkey.Refusal `json:"refusal,omitempty"`
}

// String is the report as a support person reads it, a line a check, and under one
// that is wrong the steps that mend it.
func (r Report) String() string {
	var text strings.Builder
	line := func(parts ...any) { _, _ = fmt.Fprintln(&text, parts...) } // a Builder takes everything
	line("system", r.System, r.Build)
	line("agent", r.Agent)
	for _, c := range r.Checks {
		if c.Refusal == nil {
			line("ok   ", c.Name+":", c.Says)
			continue
		}
		line("WRONG", c.Name+":", c.Refusal.Public, c.Says)
		for _, next := range c.Refusal.Next {
			line("     ", "-", next)
		}
		line("     ", "rule", c.Refusal.Rule+", for", c.Refusal.Fixer)
	}
	return text.String()
}

// skewLimit is how far the workstation's clock may be off: servers refuse proofs
// beyond it (internal/cardprotocol, iat).
const skewLimit = 5 * time.Minute

// doctorLimit bounds each look of a checkup.
const doctorLimit = 5 * time.Second

// Doctor checks a workstation by its configuration, beside an agent that runs or
// without one: the module, the readers and their cards, each server and the clock by
// it, whose connections are served, the pages, the system's build, and what a browser's
// administrator has to allow. Where Config.Module is nil, opened is why: what
// card.Open said. It changes nothing, asks no passcode and names no holder. What is
// right here may still be refused by a server.
func Doctor(ctx context.Context, c Config, opened error) Report {
	a, err := build(c)
	if err != nil {
		system, name := thisSystem()
		// The text is this package's own, about addresses of the configuration.
		return Report{System: system, Build: name, Agent: version(), Checks: []Check{{Name: "configuration", Says: err.Error(), Refusal: ruleOnly("config.invalid")}}}
	}
	_, users := thisUser()
	return a.doctor(ctx, a.config.Origins, opened, users)
}

// ruleOnly is a row of the book, or what is left of it where the book can't be read.
func ruleOnly(id string) *wardkey.Refusal {
	book, err := Rulebook()
	if err != nil {
		return &wardkey.Refusal{Rule: id, Public: err.Error()}
	}
	return book.Refuse(id)
}

// getDoctor tells a page of itself and of no other origin.
func (a *Agent) getDoctor(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, a.doctor(r.Context(), []string{r.Header.Get("Origin")}, nil, nil))
}

func (a *Agent) doctor(ctx context.Context, origins []string, opened, users error) Report {
	r := Report{System: a.system, Build: a.build, Agent: version()}
	r.Checks = append(r.Checks, a.checkCards(ctx, opened)...)
	for _, base := range a.config.Servers {
		r.Checks = append(r.Checks, a.checkServer(ctx, base)...)
	}
	r.Checks = append(r.Checks,
		Check{Name: "origins", Says: "these pages may ask: " + strings.Join(origins, ", ")},
		a.checkUsers(users), a.checkPages(), a.checkSetUp(), checkBrowser(origins))
	r.OK = true
	for _, c := range r.Checks {
		r.OK = r.OK && c.Refusal == nil
	}
	return r
}

// checkCards is the module, and each reader with its card.
func (a *Agent) checkCards(ctx context.Context, opened error) []Check {
	if a.config.Module == nil {
		if wardkey.RuleOf(opened) == "" {
			opened = errors.Join(card.ErrModule, opened)
		}
		// What the loader said of the file, which names no person.
		return []Check{{Name: "module", Says: opened.Error(), Refusal: a.refusal(opened)}}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	s, err := a.status(ctx)
	switch {
	case err != nil:
		return []Check{{Name: "module", Refusal: a.refusal(err)}}
	case s.Refusal != nil:
		return []Check{{Name: "module", Refusal: s.Refusal}}
	case len(s.Readers) == 0:
		return []Check{{Name: "module", Says: "it is loaded"}, {Name: "readers", Refusal: a.rules.Refuse("reader.none")}}
	}
	checks := []Check{{Name: "module", Says: "it is loaded and lists its readers"}}
	for _, reader := range s.Readers {
		checks = append(checks, a.checkReader(reader))
	}
	return checks
}

func (a *Agent) checkReader(r ReaderStatus) Check {
	c := Check{Name: fmt.Sprintf("reader %d (%s)", r.Reader, r.Name), Says: "card " + string(r.State), Refusal: r.Refusal}
	if r.DaysLeft != nil {
		c.Says += fmt.Sprintf(", its certificate ends on %s, days left: %d", r.NotAfter.UTC().Format(time.DateOnly), *r.DaysLeft)
	}
	if c.Refusal != nil {
		return c
	}
	switch {
	case r.State == CardBlank:
		c.Refusal = a.refusal(card.ErrBlank)
	case r.State == CardLocked:
		c.Refusal = a.refusal(card.ErrLocked)
	case r.State == CardFinalTry:
		c.Refusal = a.refusal(card.ErrFinalTry)
	case r.DaysLeft != nil && *r.DaysLeft < 0:
		c.Refusal = a.expired(*r.NotAfter)
	case r.RenewalOpen:
		c.Says += ", it can be renewed"
	}
	return c
}

// checkServer asks for a nonce, which is what a sign-in begins with, and compares
// the clocks by the answer.
func (a *Agent) checkServer(ctx context.Context, base string) []Check {
	ctx, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	dated := &dated{RoundTripper: a.config.HTTP.Transport}
	if dated.RoundTripper == nil {
		dated.RoundTripper = http.DefaultTransport
	}
	client := *a.config.HTTP
	client.Transport = dated
	nonce, err := server{base: base, http: &client}.nonce(ctx, SignIn)
	if err == nil && !isNonce(nonce) {
		err = errUnreachable
	}
	reached := Check{Name: "server " + base, Says: "it answers"}
	if err != nil {
		reached.Says, reached.Refusal = "", a.refusal(err)
	}
	now := a.config.Wall()
	at, err := http.ParseTime(dated.date)
	if err != nil {
		return []Check{reached} // no clock to compare with
	}
	clock := Check{Name: "clock by " + base}
	if skew := now.Sub(at).Round(time.Second); skew.Abs() > skewLimit {
		clock.Refusal = a.rules.Refuse("device.clock", "skew", skew.String())
	} else {
		clock.Says = "it is right within " + skewLimit.String()
	}
	return []Check{reached, clock}
}

// dated notes the Date of what a server answers (RFC 9110 §6.6.1).
type dated struct {
	http.RoundTripper
	date string
}

func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.RoundTripper.RoundTrip(r)
	if err == nil {
		d.date = response.Header.Get("Date")
	}
	return response, err
}

func (a *Agent) checkUsers(users error) Check {
	c := Check{Name: "users", Says: "connections of other users are refused"}
	switch {
	case a.config.OneUser:
		c.Says = "the configuration says that this machine has one user; no connection is checked"
	case users != nil:
		c.Says, c.Refusal = "", a.rules.Refuse("user.untold").Because(users)
	}
	return c
}

func (a *Agent) checkPages() Check {
	var missing []string
	for _, mend := range []string{string(Unlock), string(Renew), mendByRA} {
		if a.config.Pages.at(mend) == "" {
			missing = append(missing, mend)
		}
	}
	if len(missing) > 0 {
		return Check{Name: "pages", Says: "people are sent to no page for: " + strings.Join(missing, ", ")}
	}
	return Check{Name: "pages", Says: "people are sent to a page for all that can be mended"}
}

// checkSetUp compares the build of the system with the one that was declared.
func (a *Agent) checkSetUp() Check {
	switch a.config.SetUpOn {
	case "":
		return Check{Name: "set-up", Says: "the build on which this workstation was set up is not declared"}
	case a.build:
		return Check{Name: "set-up", Says: "the system is the one that was set up"}
	}
	return Check{Name: "set-up", Refusal: a.rules.Refuse("device.changed", "from", a.config.SetUpOn, "to", a.build)}
}

// The policies by which an administrator answers the browser's question for
// everybody, Chrome's and Edge's alike: the first from version 146 on, the other
// from 139 on.
const loopbackPolicies = "LoopbackNetworkAllowedForUrls, or before version 146 LocalNetworkAccessAllowedForUrls"

// checkBrowser is a hint and never wrong: what a browser has been told isn't seen
// from here.
func checkBrowser(origins []string) Check {
	return Check{Name: "browser", Says: "Chrome and Edge ask people whether a page may reach this machine; so that they don't, the policy " +
		loopbackPolicies + ", has to name: " + strings.Join(origins, ", ")}
}
