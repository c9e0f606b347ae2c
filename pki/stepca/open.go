// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"go.step.sm/crypto/pemutil"

	casapi "github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/cas/softcas"

	"github.com/wardkey-sdk/wardkey/pki"
)

// Config says where a hierarchy lives.
type Config struct {
	// Dir keeps the certificates, and the keys that have no other source. It is
	// made when absent. "" keeps the certificates in memory, with new keys
	// unless there are sources: each run is then another issuing CA, and on a
	// durable ledger the certificates of the runs before are unknown to it.
	Dir string
	// Passphrase opens the keys that are kept in Dir; see Files. Open calls it at
	// most once, and clears what it returns.
	Passphrase func() ([]byte, error)
	// RootKey and IssuingKey are where the keys live, two different ones. Default:
	// Files in Dir, or Memory without Dir.
	RootKey, IssuingKey KeySource
	// Organization is O of both CAs, RootName and IssuingName their CN. Used
	// only when the certificate is made. Defaults "Wardkey", "Wardkey Root CA"
	// and "Wardkey Issuing CA".
	Organization, RootName, IssuingName string
	// Now is the calendar by which the certificates begin. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	source := func() KeySource {
		if c.Dir == "" {
			return Memory{}
		}
		return Files{Dir: c.Dir, Passphrase: c.Passphrase}
	}
	if c.RootKey == nil {
		c.RootKey = source()
	}
	if c.IssuingKey == nil {
		c.IssuingKey = source()
	}
	if c.Organization == "" {
		c.Organization = "Wardkey"
	}
	if c.RootName == "" {
		c.RootName = "Wardkey Root CA"
	}
	if c.IssuingName == "" {
		c.IssuingName = "Wardkey Issuing CA"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Open takes up the hierarchy of a Config and makes what is missing of it: the
// root's key, the root, the issuing key, the issuing certificate, each durable
// before the next. Certificates that exist are checked against each other and
// the issuing key, and never replaced; where one exists whose key is gone, that is
// an error, and no other is made. One process at a time should make a
// hierarchy; of two that race, both end with the certificates of one of them, or
// with an error.
func Open(ctx context.Context, c Config) (*Authority, error) {
	once := &onePassphrase{ask: c.Passphrase}
	defer once.forget()
	if c.Passphrase != nil {
		c.Passphrase = once.copy
	}
	c = c.withDefaults()
	if c.Dir != "" {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("stepca: %w", err)
		}
	}
	b := &bootstrap{Config: c}
	a, err := b.run(ctx)
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return a, nil
}

// onePassphrase asks for a passphrase once and gives out copies.
type onePassphrase struct {
	ask        func() ([]byte, error)
	passphrase []byte
	asked      bool
	err        error
}

func (o *onePassphrase) copy() ([]byte, error) {
	if !o.asked {
		o.asked = true
		o.passphrase, o.err = o.ask()
	}
	return bytes.Clone(o.passphrase), o.err
}

func (o *onePassphrase) forget() { clear(o.passphrase) }

// bootstrap is one call of Open.
type bootstrap struct {
	Config
	opened []io.Closer
}

func (b *bootstrap) run(ctx context.Context) (*Authority, error) {
	root, err := b.stored("root")
	if err != nil {
		return nil, err
	}
	issuing, err := b.stored("issuing")
	if err != nil {
		return nil, err
	}
	if root == nil && issuing != nil {
		return nil, errors.New("stepca: issuing.crt is there but root.crt is not")
	}
	var rootKey crypto.Signer
	if issuing == nil {
		if root, rootKey, err = b.root(ctx, root); err != nil {
			return nil, err
		}
	}
	key, err := b.key(ctx, b.IssuingKey, "issuing", issuing)
	if err != nil {
		return nil, err
	}
	if issuing == nil {
		if issuing, err = b.issue(ctx, root, rootKey, key.Public()); err != nil {
			return nil, err
		}
	}
	if err := issuing.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("stepca: issuing.crt is not signed by root.crt: %w", err)
	}
	a, err := New([]*x509.Certificate{issuing, root}, key)
	if err != nil {
		return nil, err
	}
	a.keys = b.opened
	return a, nil
}

// root returns the root and its key, and makes what is missing of them.
func (b *bootstrap) root(ctx context.Context, cert *x509.Certificate) (*x509.Certificate, crypto.Signer, error) {
	key, err := b.key(ctx, b.RootKey, "root", cert)
	if err != nil {
		return nil, nil, err
	}
	if cert == nil {
		serial, err := drawSerial()
		if err != nil {
			return nil, nil, err
		}
		template, err := pki.RootTemplate(b.Organization, b.RootName, serial, b.Now())
		if err != nil {
			return nil, nil, err
		}
		if cert, err = sign(ctx, template, template, key.Public(), key); err != nil {
			return nil, nil, err
		}
		if cert, err = b.store("root", cert); err != nil {
			return nil, nil, err
		}
	}
	if !samePublic(cert.PublicKey, key.Public()) {
		return nil, nil, errors.New("stepca: the root's key is not the one in root.crt")
	}
	return cert, key, nil
}

func (b *bootstrap) issue(ctx context.Context, root *x509.Certificate, rootKey crypto.Signer, public crypto.PublicKey) (*x509.Certificate, error) {
	if samePublic(root.PublicKey, public) {
		return nil, errors.New("stepca: the root and the issuing CA have one key")
	}
	serial, err := drawSerial()
	if err != nil {
		return nil, err
	}
	template, err := pki.IssuingTemplate(root, b.IssuingName, serial, b.Now())
	if err != nil {
		return nil, err
	}
	cert, err := sign(ctx, template, root, public, rootKey)
	if err != nil {
		return nil, err
	}
	return b.store("issuing", cert)
}

// sign has softcas sign a CA certificate under dates that pki decided.
func sign(ctx context.Context, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	cas, err := softcas.New(ctx, casapi.Options{CertificateChain: []*x509.Certificate{parent}, Signer: key})
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	template.PublicKey = public
	notBefore, notAfter := template.NotBefore, template.NotAfter
	signed, err := cas.CreateCertificate(&casapi.CreateCertificateRequest{Template: template, Lifetime: notAfter.Sub(notBefore)})
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	cert := signed.Certificate
	if !cert.NotBefore.Equal(notBefore) || !cert.NotAfter.Equal(notAfter) || !cert.IsCA {
		return nil, errors.New("stepca: the signed CA certificate differs from its template")
	}
	return cert, nil
}

// key opens the key of a certificate, nil when there is none yet, and remembers to
// close it.
func (b *bootstrap) key(ctx context.Context, source KeySource, name string, cert *x509.Certificate) (crypto.Signer, error) {
	open := source.Key
	if finder, ok := source.(keyFinder); ok && cert != nil {
		open = finder.find
	}
	key, err := open(ctx, name)
	if err != nil {
		return nil, err
	}
	if c, ok := key.(io.Closer); ok {
		b.opened = append(b.opened, c)
	}
	return key, nil
}

func (b *bootstrap) close() error {
	var errs []error
	for _, c := range b.opened {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// stored reads a certificate of Dir, nil when there is none.
func (b *bootstrap) stored(name string) (*x509.Certificate, error) {
	if b.Dir == "" {
		return nil, nil
	}
	data, err := os.ReadFile(b.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stepca: %w", err)
	}
	cert, err := pemutil.ParseCertificate(data)
	if err != nil {
		return nil, fmt.Errorf("stepca: %s: %w", b.path(name), err)
	}
	return cert, nil
}

// store keeps a certificate and returns the one that is kept now, which is
// another's if that came first.
func (b *bootstrap) store(name string, cert *x509.Certificate) (*x509.Certificate, error) {
	if b.Dir == "" {
		return cert, nil
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if err := createDurably(b.path(name), data, 0o644); err != nil {
		return nil, err
	}
	return b.stored(name)
}

func (b *bootstrap) path(name string) string { return filepath.Join(b.Dir, name+".crt") }

// drawSerial returns 128 random bits. RFC 5280 §4.1.2.2.
func drawSerial() (*big.Int, error) {
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, err
	}
	return new(big.Int).SetBytes(raw[:]), nil
}
