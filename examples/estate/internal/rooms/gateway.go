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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	gatewaystore "github.com/wardkey-sdk/wardkey/mailpolicy/gateway/sqlstore"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// ErrNoCertificate is text that is no certificate in PEM.
var ErrNoCertificate = errors.New("estate: this is no certificate in PEM")

// Gateway is the mail gateway with its directory of recipients' certificates,
// which are kept as files. Each of them is trusted as it stands, because a
// person put it there; a hospital would trust the authorities behind them.
type Gateway struct {
	dir    string
	config gateway.Config
	now    func() time.Time

	mu      sync.Mutex
	current *gateway.Gateway
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
		Store: store, Key: key, Now: r.Clock.Now, Log: r.log,
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
	g.current = current
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
	if err := replaceFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})); err != nil {
		return nil, err
	}
	g.known = known
	if g.listen == nil {
		g.current = next
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
	g.current = next
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
