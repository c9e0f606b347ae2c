// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/wardkey-sdk/wardkey/card"
)

// A client that proves itself by the card.
func tlsBehaviours() []behaviour {
	with := func(version uint16) func(*probe) error {
		return func(p *probe) error {
			return p.withCard(func(ctx context.Context, c *card.Card) error {
				if err := c.Login(ctx, p.PIN, card.LoginOptions{}); err != nil {
					return err
				}
				keys, err := c.Keys(ctx)
				for i := 0; i < len(keys) && err == nil; i++ {
					err = handshake(ctx, keys[i], version)
				}
				return errors.Join(err, c.Logout(ctx))
			})
		}
	}
	return []behaviour{
		{"tls-1.2-client", "RFC 5246 §7.4.8 CertificateVerify", 0, with(tls.VersionTLS12)},
		{"tls-1.3-client", "RFC 8446 §4.4.3 CertificateVerify", 0, with(tls.VersionTLS13)},
	}
}

// handshake is with a server that trusts a certificate made for the key.
func handshake(ctx context.Context, key *card.Key, version uint16) error {
	server, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	own, err := certificate(&server.PublicKey, server)
	if err != nil {
		return err
	}
	client, err := certificate(key.Public(), server)
	if err != nil {
		return err
	}
	root, err := x509.ParseCertificate(own)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	noon := func() time.Time { return time.Unix(1<<30, 0) }
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	failed := make(chan error, 1)
	go func() {
		failed <- tls.Server(b, &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{own}, PrivateKey: server}}, Time: noon,
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: version, MaxVersion: version,
		}).HandshakeContext(ctx)
		_ = b.Close()
	}()
	err = tls.Client(a, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{client}, PrivateKey: key}}, Time: noon, RootCAs: roots,
		MinVersion: version, MaxVersion: version,
		// The server is this function; who it is doesn't matter.
		InsecureSkipVerify: true,
	}).HandshakeContext(ctx)
	_ = a.Close()
	if err = errors.Join(err, <-failed); err != nil {
		return fmt.Errorf("key %x: %w", key.ID(), err)
	}
	return nil
}

// certificate is one for a key, by an issuer that lives as long as the test.
func certificate(public crypto.PublicKey, issuer crypto.Signer) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cardtest"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	return x509.CreateCertificate(rand.Reader, template, template, public, issuer)
}
