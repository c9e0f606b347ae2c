// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// under is another CA, whose certificate the first one signed.
func (ca *issuer) under(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1000), Subject: pkix.Name{CommonName: "Authentication"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &issuer{key: key, cert: cert, next: 1}
}

// handshake is with a server that wants a certificate of the CA, and believes
// no success before the server said something.
func (ca *issuer) handshake(t testing.TB, client tls.Certificate, version uint16) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	a, b := net.Pipe()
	defer func() { _ = a.Close() }()
	server := tls.Server(b, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{ca.certificate(t, &key.PublicKey, false).Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: version, MaxVersion: version,
	})
	served := make(chan error, 1)
	go func() {
		_, err := server.Write([]byte("."))
		served <- err
		_ = b.Close()
	}()
	conn := tls.Client(a, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{client}})
	_, err = io.ReadFull(conn, make([]byte, 1))
	_ = a.Close()
	if failed := <-served; err == nil {
		err = failed
	}
	if err == nil {
		require.True(t, server.ConnectionState().PeerCertificates[0].Equal(client.Leaf))
		require.Equal(t, version, server.ConnectionState().Version)
	}
	return err
}

// tlsDesk has a card with a key of each kind, and their certificates' issuer on
// it, as other software wrote it there.
func tlsDesk(t *testing.T) (d *desk, root *issuer) {
	root = newIssuer(t)
	issuer := root.under(t)
	d = deskWith(t, cardtest.Config{}, cardtest.Personal{
		Keys: []card.KeySpec{{ID: []byte{1}, Algorithm: card.P256}, {ID: []byte{2}, Algorithm: card.P384}, {ID: []byte{3}, Algorithm: card.RSA2048}},
		Certify: func(keys []*card.Key) (all []*x509.Certificate, err error) {
			for _, k := range keys {
				all = append(all, issuer.certificate(t, k.Public(), false))
			}
			return all, nil
		},
	})
	copyCertificate(t, d, 0, issuer.cert)
	copyCertificate(t, d, 0, root.cert)
	return d, root
}

func TestTLS(t *testing.T) {
	d, root := tlsDesk(t)
	ctx := t.Context()
	d.login(d.card)
	for id := byte(1); id <= 3; id++ {
		k := d.key(d.card, id)
		client, err := k.TLS(ctx, nil)
		require.NoError(t, err)
		require.Len(t, client.Certificate, 2, "the issuer goes along, and the root doesn't")
		for _, version := range tlsVersions {
			require.NoError(t, root.handshake(t, client, version))
		}
		alone := client
		alone.Certificate = client.Certificate[:1]
		require.Error(t, root.handshake(t, alone, tls.VersionTLS13), "the server doesn't know the issuer")
	}

	t.Run("which certificate", func(t *testing.T) {
		k := d.key(d.card, 1)
		renewed := root.certificate(t, k.Public(), false)
		client, err := k.TLS(ctx, renewed)
		require.NoError(t, err)
		require.Equal(t, [][]byte{renewed.Raw}, client.Certificate, "one that isn't on the card, of a root")
		require.NoError(t, root.handshake(t, client, tls.VersionTLS13))
		_, err = k.TLS(ctx, root.certificate(t, d.key(d.card, 2).Public(), false))
		require.ErrorIs(t, err, card.ErrMismatch)
		bare, err := d.card.GenerateKey(ctx, card.KeySpec{ID: []byte{9}, Algorithm: card.P256})
		require.NoError(t, err)
		_, err = bare.TLS(ctx, nil)
		require.ErrorIs(t, err, card.ErrNotFound)
	})
	t.Run("logged out, pulled and put back", func(t *testing.T) {
		client, err := d.key(d.card, 1).TLS(ctx, nil)
		require.NoError(t, err)
		d.remove(0)
		require.ErrorContains(t, root.handshake(t, client, tls.VersionTLS13), card.ErrRemoved.Error(), "crypto/tls keeps the text")
		d.insert(0, d.serial)
		require.ErrorContains(t, root.handshake(t, client, tls.VersionTLS13), card.ErrNotLoggedIn.Error())
		d.card.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return bytes.Clone(goodPIN), nil })
		require.NoError(t, root.handshake(t, client, tls.VersionTLS13))
	})
}

// OpenSSL's server takes what crypto/tls sends.
func TestTLSWithOpenSSL(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	d, root := tlsDesk(t)
	d.login(d.card)
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(root.key)
	require.NoError(t, err)
	server := exec.CommandContext(t.Context(), openssl, "s_server", "-accept", "127.0.0.1:0", "-www", "-Verify", "3", "-verify_return_error",
		"-CAfile", file("root.pem", "CERTIFICATE", root.cert.Raw),
		"-cert", file("cert.pem", "CERTIFICATE", root.cert.Raw), "-key", file("key.pem", "PRIVATE KEY", key))
	told, err := server.StdoutPipe()
	require.NoError(t, err)
	server.Stderr = io.Discard
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	var address string
	for lines := bufio.NewScanner(told); lines.Scan(); {
		if after, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			address = after
			break
		}
	}
	require.NotEmpty(t, address)
	go func() { _, _ = io.Copy(io.Discard, told) }()
	for id := byte(1); id <= 3; id++ {
		client, err := d.key(d.card, id).TLS(t.Context(), nil)
		require.NoError(t, err)
		for _, version := range tlsVersions {
			page, err := ask(address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{client}, MinVersion: version, MaxVersion: version})
			require.NoError(t, err)
			require.Contains(t, page, "Client certificate")
			require.Contains(t, page, client.Leaf.SerialNumber.Text(16))
		}
	}
	_, err = ask(address, &tls.Config{InsecureSkipVerify: true})
	require.Error(t, err, "without a card nobody is let in")
}

// ask is one HTTP request.
func ask(address string, c *tls.Config) (string, error) {
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		return "", err
	}
	page, err := io.ReadAll(conn)
	if len(page) > 0 { // it ends without close_notify
		err = nil
	}
	return string(page), err
}
