// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// Directory finds certificates.
type Directory interface {
	// Certificates returns what is known for an address, the best first, and
	// none where none is known. They need not be in order: each is checked
	// before it is used. An error means that the directory could not be asked,
	// and makes the sender's system try again later.
	Certificates(ctx context.Context, address string) ([]*x509.Certificate, error)
}

// Senders knows who may send. *mailpolicy.Accounts is one.
type Senders interface {
	// CanSend returns a *wardkey.Refusal where the owner of the address may not
	// send. Any other error makes the sender's system try again later.
	CanSend(ctx context.Context, address string) error
}

// Config configures a Gateway.
type Config struct {
	// NextHop is the host:port of the mail server that takes what goes out.
	// Required.
	NextHop string
	// NextHopTLS, where set, is used for STARTTLS, without which nothing is
	// sent. Nil is accepted for a loopback address only. Where it has no
	// ServerName, NextHop's host is the name to be proved.
	NextHopTLS *tls.Config

	// Encrypter and Directory are required.
	Encrypter *smime.Encrypter
	Directory Directory

	// Store keeps what was taken until the next hop has it. Required; it stays
	// the caller's, and is closed after the gateway.
	Store Store
	// Key seals what the Store keeps: 32 random bytes that stand somewhere else
	// than the Store does. Required. It can be changed when the Store is empty.
	Key []byte

	// PickupURL, where set, is the address at which PickupHandler is reached,
	// such as https://mail.example/pickup: a recipient for whom no certificate is
	// known then gets a link to the message (see the package comment) where
	// otherwise the message is held. https, or a loopback address.
	PickupURL string
	// PickupFor is how long such a message is kept. Default 14 days: a holiday.
	PickupFor time.Duration

	// RememberFor is how long it is known which messages were encrypted, to warn who
	// answers one without the tag. Default 365 days: longer than most threads last.
	RememberFor time.Duration

	// Profile is the list of secure domains that rules, by default the seed's.
	// For mailpolicy.AccreditedProfile, List returns the accredited list, or nil
	// where it can't be read.
	Profile mailpolicy.Profile
	List    func() *mailpolicy.DomainList

	// Senders, where set, is asked about the sender of each envelope. The empty
	// sender of bounces is then refused.
	Senders Senders
	// Networks may connect; others are turned away at once. Default: loopback.
	Networks []netip.Prefix
	// TLS, where set, offers STARTTLS to whoever connects.
	TLS *tls.Config
	// Hostname is how the gateway calls itself, also in the addresses that its own
	// mail comes from, and how it knows mail that goes round: no two gateways on
	// the way may share it. Default "localhost".
	Hostname string

	// MaxMessageBytes may be less than the policy's 35 MB; 0 is the policy's.
	MaxMessageBytes int64
	// MaxSpoolBytes bounds the mail in the Store, sealed: what waits for the next hop,
	// to be picked up, and what is coming in. More is answered with 452. At least twice
	// the largest message. Default 10 GB: four messages of the largest kind (see Bounds
	// in the package comment), or five days without a next hop at 20,000 messages of
	// 100 kB a day. The disk needs some more for the database's log and indexes.
	MaxSpoolBytes int64
	// MaxRecipients bounds an envelope, MaxCopies the copies made of one
	// message, MaxAtOnce the messages that are taken at once, MaxDeliveries the
	// connections to the next hop, MaxConnections those who are connected; more
	// wait. Defaults 100, 50, 8, 8 and 100.
	MaxRecipients, MaxCopies, MaxAtOnce, MaxDeliveries, MaxConnections int
	// Timeout bounds the wait for a command and for the whole content of a
	// message from whoever connects, one reading or writing at the next hop, and
	// one transaction of the Store. Default 5 minutes (RFC 5321 §4.5.3.2).
	Timeout time.Duration
	// GiveUp is how long the next hop is tried before the sender is told that it
	// was in vain. Default 5 days (RFC 5321 §4.5.4.1: at least 4 to 5).
	GiveUp time.Duration
	// DelayedAfter is how long it is tried before the sender is told that it was not
	// taken yet, once, and not while it can't be reached at all. Default 4 hours, as
	// mail servers do; from GiveUp on, never.
	DelayedAfter time.Duration

	// Now reads the calendar, for the policy, the Received line and the dates of
	// reports. Default time.Now. When to try again goes by the Store's Wall.
	Now func() time.Time
	// Observe, where set, is told what happened, after its commit. It must not
	// block.
	Observe func(context.Context, Event)
	// Log is silent when nil. It is told rules and numbers, never addresses or
	// subjects.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Profile == "" {
		c.Profile = mailpolicy.SeedProfile
	}
	if c.List == nil {
		c.List = func() *mailpolicy.DomainList { return nil }
	}
	if c.Networks == nil {
		c.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if c.Hostname == "" {
		c.Hostname = "localhost"
	}
	if c.MaxRecipients <= 0 {
		c.MaxRecipients = 100
	}
	if c.MaxCopies <= 0 {
		c.MaxCopies = 50
	}
	if c.MaxAtOnce <= 0 {
		c.MaxAtOnce = 8
	}
	if c.MaxDeliveries <= 0 {
		c.MaxDeliveries = 8
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = 100
	}
	if c.GiveUp <= 0 {
		c.GiveUp = 5 * 24 * time.Hour
	}
	if c.DelayedAfter <= 0 {
		c.DelayedAfter = 4 * time.Hour
	}
	if c.MaxSpoolBytes <= 0 {
		c.MaxSpoolBytes = 10_000_000_000
	}
	if c.PickupFor <= 0 {
		c.PickupFor = 14 * 24 * time.Hour
	}
	if c.RememberFor <= 0 {
		c.RememberFor = 365 * 24 * time.Hour
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Event) {}
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Gateway is the relay. It is safe for concurrent use.
type Gateway struct {
	config Config
	server *smtp.Server
	slots  chan struct{} // messages in work
	room   chan struct{} // connections
	spool  spool

	wake              chan struct{} // something may be due
	idle              chan struct{} // closed when the last delivery has ended
	starting          sync.Once
	claiming, working context.Context // until none is begun any more, until all end
	stopClaims, stop  context.CancelFunc
	passcodes         chan struct{}  // those on their way
	sending           sync.WaitGroup // of passcodes

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
}

// New checks the configuration, and that the Store's mail was sealed with Key
// (ErrKey). It does not connect to the next hop.
func New(c Config) (*Gateway, error) {
	switch {
	case c.NextHop == "" || c.Encrypter == nil || c.Directory == nil || c.Store == nil:
		return nil, errors.New("gateway: needs NextHop, Encrypter, Directory and Store")
	case len(c.Key) != sealed.KeyBytes:
		return nil, fmt.Errorf("gateway: Key has %d bytes, not %d", len(c.Key), sealed.KeyBytes)
	}
	c = c.withDefaults()
	host, _, err := net.SplitHostPort(c.NextHop)
	if err != nil {
		return nil, fmt.Errorf("gateway: NextHop: %w", err)
	}
	if c.NextHopTLS == nil && !isLoopback(host) {
		return nil, errors.New("gateway: NextHop beyond loopback needs NextHopTLS")
	}
	if c.PickupURL, err = pickupBase(c.PickupURL); err != nil {
		return nil, err
	}
	if c.NextHopTLS != nil && c.NextHopTLS.ServerName == "" {
		c.NextHopTLS = c.NextHopTLS.Clone()
		c.NextHopTLS.ServerName = host
	}
	if c.Profile != mailpolicy.SeedProfile && c.Profile != mailpolicy.AccreditedProfile {
		return nil, fmt.Errorf("gateway: there is no profile %q", c.Profile)
	}
	if strings.ContainsFunc(c.Hostname, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("gateway: Hostname is no host name")
	}
	policy, err := mailpolicy.PolicyAt(c.Now())
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g := &Gateway{
		config: c, spool: spool{max: c.MaxSpoolBytes}, slots: make(chan struct{}, c.MaxAtOnce), room: make(chan struct{}, c.MaxConnections),
		wake: make(chan struct{}, 1), idle: make(chan struct{}),
		passcodes: make(chan struct{}, maxSending),
	}
	if c.MaxSpoolBytes < 2*g.limit(policy) {
		return nil, errors.New("gateway: MaxSpoolBytes has no room for the largest message, encrypted")
	}
	g.server = g.newServer(g.limit(policy))
	opening, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	if err := g.checkKey(opening); err != nil {
		return nil, err
	}
	if err := g.measure(opening); err != nil {
		return nil, err
	}
	g.claiming, g.stopClaims = context.WithCancel(context.Background())
	g.working, g.stop = context.WithCancel(context.Background())
	return g, nil
}

func (g *Gateway) newServer(limit int64) *smtp.Server {
	c := g.config
	s := smtp.NewServer(smtp.BackendFunc(g.newSession))
	s.Domain = c.Hostname
	s.TLSConfig = c.TLS
	s.MaxRecipients = c.MaxRecipients
	s.MaxMessageBytes = limit + 1 // go-smtp's bound is exclusive
	s.ReadTimeout, s.WriteTimeout = c.Timeout, c.Timeout
	s.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

// policy is the one in force for a message that comes now.
func (g *Gateway) policy() (*mailpolicy.Policy, error) {
	p, err := mailpolicy.PolicyAt(g.config.Now())
	if err != nil || g.config.Profile == mailpolicy.SeedProfile {
		return p, err
	}
	return p.Accredited(g.config.List()), nil
}

// limit is the largest message taken: an operator may only tighten the policy.
func (g *Gateway) limit(p *mailpolicy.Policy) int64 {
	if own := g.config.MaxMessageBytes; own > 0 {
		return min(own, p.MaxMessageBytes)
	}
	return p.MaxMessageBytes
}

// Serve accepts connections until Close, and delivers what the Store has. It can
// be called for several listeners, and closes l when it returns.
func (g *Gateway) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	if !g.listen(l) {
		return nil
	}
	g.starting.Do(func() { go g.dispatch() })
	return g.server.Serve(listener{l, g.room, g.mayConnect})
}

// listen keeps l for Close, which may come before the server knows of it.
func (g *Gateway) listen(l net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners = append(g.listeners, l)
	return !g.closed
}

func (g *Gateway) stopListening() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, l := range g.listeners {
		_ = l.Close()
	}
}

// Close closes the listeners and all connections, those to the next hop too.
// Messages that were not answered are not taken; what was taken stays in the
// Store. A Gateway that was closed serves no more.
func (g *Gateway) Close() error {
	// The server first: it then knows that its listeners close on purpose.
	err := g.server.Close()
	g.stopListening()
	g.stop()
	g.endDeliveries()
	if err == nil || errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown closes the listeners and waits for the connections and for the
// deliveries under way until ctx ends. What is not delivered stays in the Store.
func (g *Gateway) Shutdown(ctx context.Context) error {
	err := g.server.Shutdown(ctx)
	g.stopListening()
	defer context.AfterFunc(ctx, g.stop)()
	g.endDeliveries()
	if errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return err
}

// endDeliveries begins no more of them and waits for the last.
func (g *Gateway) endDeliveries() {
	g.stopClaims()
	g.starting.Do(func() { close(g.idle) }) // where none ever began
	<-g.idle
	g.sending.Wait()
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (g *Gateway) mayConnect(remote net.Addr) bool {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return true // a Unix socket: the file system decides
	}
	ip := tcp.AddrPort().Addr().Unmap()
	return slices.ContainsFunc(g.config.Networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// Certificates is a Directory of certificates at hand, found by the e-mail
// addresses in them.
type Certificates []*x509.Certificate

// Certificates returns those that name the address, without regard to case, in
// the order of the list.
func (cs Certificates) Certificates(_ context.Context, address string) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for _, c := range cs {
		if slices.ContainsFunc(c.EmailAddresses, func(s string) bool { return strings.EqualFold(s, address) }) {
			found = append(found, c)
		}
	}
	return found, nil
}
