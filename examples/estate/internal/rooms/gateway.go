// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	gatewaystore "github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// ErrNoCertificate is text that is no certificate in PEM.
var ErrNoCertificate = errors.New("estate: this is no certificate in PEM")

// PickupPath is where people without a certificate pick their messages up.
const PickupPath = "/pickup"

// Gateway is the mail gateway with its directory of recipients' certificates,
// which are kept as files. Each of them is trusted as it stands, because a
// person put it there; a hospital would trust the authorities behind them.
//
// What it has taken is in the estate's database until it is delivered or picked
// up, sealed under a key that stands in the folder of secrets. A key in the same
// folder as its database protects copies of the database alone.
type Gateway struct {
	dir    string
	config gateway.Config
	now    func() time.Time

	mu      sync.Mutex
	current *gateway.Gateway
	pickup  http.Handler // of current
	known   gateway.Certificates
	listen  net.Listener
	serving sync.WaitGroup
	closed  bool
}

func (r *Rooms) openGateway(ctx context.Context) error {
	store, err := gatewaystore.Open(ctx, gatewaystore.Config{DB: r.db, Now: r.Clock.Now, Wall: r.wall})
	if err != nil {
		return err
	}
	r.closes(store.Close)
	key, err := secretBytes(r.path("secrets"), "mail-spool", 32)
	if err != nil {
		return err
	}
	g := &Gateway{dir: r.path("directory"), now: r.Clock.Now, config: gateway.Config{
		NextHop: r.Addresses.Inbox, Senders: r.Mail, Hostname: "gateway.estate.test",
		Store: store, Key: key, PickupURL: r.Addresses.Web + PickupPath, Now: r.Clock.Now, Log: r.log,
	}}
	r.Gateway = g
	if err := r.openOutside(); err != nil {
		return err
	}
	if err := g.load(); err != nil {
		return err
	}
	current, err := g.build(g.known)
	if err != nil {
		return err
	}
	g.use(current)
	r.close = append(r.close, g.shutdown)
	return nil
}

// know adds a certificate before the gateway is built.
func (g *Gateway) know(text []byte) error {
	c, err := parseCertificate(text)
	if err == nil {
		g.known = append(g.known, c)
	}
	return err
}

// load reads the directory.
func (g *Gateway) load() error {
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(g.dir, "*.pem"))
	if err != nil {
		return fmt.Errorf("estate: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("estate: %w", err)
		}
		c, err := parseCertificate(text)
		if err != nil {
			return fmt.Errorf("estate: %s: %w", file, err)
		}
		g.known = append(g.known, c)
	}
	return nil
}

// build makes a gateway that knows and trusts these recipients.
func (g *Gateway) build(known gateway.Certificates) (*gateway.Gateway, error) {
	roots := x509.NewCertPool()
	for _, c := range known {
		roots.AddCert(c)
	}
	encrypter, err := smime.New(smime.Config{Roots: roots, Now: g.now})
	if err != nil {
		return nil, err
	}
	config := g.config
	config.Encrypter, config.Directory = encrypter, known
	return gateway.New(config)
}

// use makes a gateway the current one; g.mu is held, or nobody else knows g.
func (g *Gateway) use(next *gateway.Gateway) { g.current, g.pickup = next, next.PickupHandler() }

// PickupHandler serves the pages under PickupPath. A path below that is the key of
// a message, so whatever stands before this handler must write none into a log.
func (g *Gateway) PickupHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		current := g.pickup
		g.mu.Unlock()
		current.ServeHTTP(w, r)
	})
}

// Due deletes the messages that were kept long enough to be picked up, and
// returns when the next one is.
func (g *Gateway) Due(ctx context.Context) (next time.Time, err error) {
	g.mu.Lock()
	current := g.current
	g.mu.Unlock()
	return current.Due(ctx)
}

// Serve takes mail on l until Close.
func (g *Gateway) Serve(l net.Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serve(l)
}

// serve runs the current gateway on l; g.mu is held.
func (g *Gateway) serve(l net.Listener) {
	g.listen = l
	current := g.current
	g.serving.Go(func() { _ = current.Serve(l) }) // ends with Shutdown, and says that it was closed
}

// Add keeps a recipient's certificate. The gateway begins anew with it on the
// same address; messages under way are given gatewayPatience to be finished.
func (g *Gateway) Add(ctx context.Context, text string) (*x509.Certificate, error) {
	c, err := parseCertificate([]byte(text))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(c.Raw)
	file := filepath.Join(g.dir, hex.EncodeToString(sum[:16])+".pem")
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("estate: the mail gateway is stopped")
	}
	if slices.ContainsFunc(g.known, c.Equal) {
		return c, nil
	}
	known := append(slices.Clone(g.known), c)
	next, err := g.build(known)
	if err != nil {
		return nil, err
	}
	if err := kept.Replace(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})); err != nil {
		return nil, err
	}
	g.known = known
	if g.listen == nil {
		g.use(next)
		return c, nil
	}
	address := g.listen.Addr().String()
	if err := g.end(ctx); err != nil {
		g.config.Log.Warn("a mail conversation goes on with the earlier gateway", "cause", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("estate: the mail gateway: %w", err)
	}
	g.use(next)
	g.serve(l)
	return c, nil
}

// Known are the addresses that a certificate is known for.
func (g *Gateway) Known() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var addresses []string
	for _, c := range g.known {
		addresses = append(addresses, c.EmailAddresses...)
	}
	return addresses
}

func (g *Gateway) shutdown(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if err := g.end(ctx); err != nil && g.listen != nil {
		return err
	}
	return nil
}

// gatewayPatience is how long a conversation may go on with a gateway that
// ends; somebody who only holds the line doesn't hold up the mail.
const gatewayPatience = 3 * time.Second

// end frees the address and waits for conversations with the current gateway.
// One that goes on longer keeps that gateway until it ends by itself or by its
// time-out. g.mu is held.
func (g *Gateway) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, gatewayPatience)
	defer cancel()
	err := g.current.Shutdown(ctx)
	g.serving.Wait()
	return err
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(strings.TrimSpace(string(text))))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, ErrNoCertificate
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCertificate, err)
	}
	return c, nil
}
