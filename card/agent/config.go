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
	// ForAuthentication.
	SignInCertificates func([]*x509.Certificate) []*x509.Certificate
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
	// Now is the calendar that certificates are read by (default time.Now).
	Now func() time.Time
	// Wall is this machine's clock: proofs, leases, the life of tasks
	// (default time.Now).
	Wall func() time.Time
	// Log gets what happened, without a passcode, code, key, token or name.
	// Nil is silent.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.SignInCertificates == nil {
		c.SignInCertificates = ForAuthentication
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 15 * time.Second}
	}
	if c.Patience <= 0 {
		c.Patience = 20 * time.Second
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
// an agent must not start with it.
func (c Config) checked() (Config, error) {
	c = c.withDefaults()
	if c.Module == nil {
		return c, errors.New("agent: Config.Module is missing")
	}
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
	client := *c.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &client
	return c, nil
}

// ForAuthentication keeps the certificates that have key usage
// digitalSignature without contentCommitment and the extended key usage
// clientAuth, the one issued last first. It doesn't look at dates: whether an expired certificate helps is the
// server's to say. RFC 5280 §4.2.1.3 and §4.2.1.12.
func ForAuthentication(certificates []*x509.Certificate) []*x509.Certificate {
	var fit []*x509.Certificate
	for _, c := range certificates {
		if c.KeyUsage&x509.KeyUsageDigitalSignature != 0 && c.KeyUsage&x509.KeyUsageContentCommitment == 0 && slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
			fit = append(fit, c)
		}
	}
	slices.SortStableFunc(fit, func(a, b *x509.Certificate) int {
		if byStart := b.NotBefore.Compare(a.NotBefore); byStart != 0 {
			return byStart
		}
		return b.NotAfter.Compare(a.NotAfter)
	})
	return fit
}
