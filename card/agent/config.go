// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
)

// Config is what a workstation declares. Module, Servers and Origins are
// needed; an empty list never means "all".
type Config struct {
	// Module is the card's. The agent neither opens nor closes it.
	Module *card.Module
	// Readers are the slot ids of the readers that stand on this workstation, in
	// the order in which the status counts them; nil takes all of the module's.
	Readers []uint
	// Servers are the base URLs that proofs and codes may be sent to:
	// scheme://host[:port], https, or http to a loopback host.
	Servers []string
	// Origins are the web origins whose pages may ask, each exactly as a
	// browser sends it.
	Origins []string
	// SignInCertificates puts the certificates of a card that may sign a
	// person in into the order in which they are tried. The default is
	// card.ForAuthentication.
	SignInCertificates func([]*x509.Certificate) []*x509.Certificate
	// Pages are where a person goes to have a card mended.
	Pages Pages
	// SetUpOn is the system's build on which this workstation was last set up, as
	// Report tells it. On any other, Doctor asks for the set-up again. Empty: it
	// isn't known.
	SetUpOn string
	// OneUser says that nobody but the agent's own user can have a process on this
	// machine. Otherwise each connection is asked whose it is, which can be told on
	// Linux alone: elsewhere New refuses without it.
	OneUser bool
	// RemovalCommand is run, program first, when the card that is signed in
	// leaves its reader: the place to close the browser. It gets no secret and
	// thirty seconds. Empty runs nothing.
	RemovalCommand []string
	// HTTP speaks to the servers. The default has a timeout of 15 seconds a
	// request; in any case no redirect is followed.
	HTTP *http.Client
	// Patience is how long a person is kept waiting, in the middle of an act, for
	// a server that is away (default 20 seconds).
	Patience time.Duration
	// CallLimit is how long the card's module may take for a call, or for several
	// without a server between them, before it is given up (default 30 seconds); but
	// for those that make keys or empty a card, which have as long as a whole step, two
	// minutes. A card answers within a second or two.
	CallLimit time.Duration
	// Now is the calendar that certificates are read by (default time.Now).
	Now func() time.Time
	// Wall is this machine's clock: proofs, leases, the life of tasks
	// (default time.Now).
	Wall func() time.Time
	// Log gets what happened, without a passcode, code, key, token or name.
	// Nil is silent.
	Log *slog.Logger
}

// Pages are the addresses that the status and the agent's page send people to,
// absolute, https, or http to a loopback host. Each may be empty.
type Pages struct {
	Unlock string // where a locked card is unlocked
	Renew  string // where the holder renews
	Help   string // who can help where the holder can't: the Registration Authority
}

// at is the page for what mends a card, "" where none is known.
func (p Pages) at(mend string) string {
	switch mend {
	case string(Unlock):
		return p.Unlock
	case string(Renew):
		return p.Renew
	case mendByRA:
		return p.Help
	}
	return ""
}

func (c Config) withDefaults() Config {
	if c.SignInCertificates == nil {
		c.SignInCertificates = card.ForAuthentication
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 15 * time.Second}
	}
	if c.Patience <= 0 {
		c.Patience = 20 * time.Second
	}
	if c.CallLimit <= 0 {
		c.CallLimit = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// checked returns the configuration with its addresses in one spelling, or why
// an agent must not start with it. Whether there is a module is for New.
func (c Config) checked() (Config, error) {
	c = c.withDefaults()
	if len(c.Servers) == 0 || len(c.Origins) == 0 {
		return c, errors.New("agent: Config.Servers and Config.Origins must each name at least one address")
	}
	c.Servers, c.Origins = slices.Clone(c.Servers), slices.Clone(c.Origins)
	for i, s := range c.Servers {
		base, err := baseURL(s)
		if err != nil {
			return c, err
		}
		c.Servers[i] = base
	}
	for _, o := range c.Origins {
		if base, err := baseURL(o); err != nil {
			return c, err
		} else if base != o {
			return c, fmt.Errorf("agent: origin %q would never match: a browser sends %q", o, base)
		}
	}
	for _, p := range []string{c.Pages.Unlock, c.Pages.Renew, c.Pages.Help} {
		if err := pageURL(p); err != nil {
			return c, err
		}
	}
	client := *c.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &client
	return c, nil
}
