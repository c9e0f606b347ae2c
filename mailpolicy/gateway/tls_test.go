// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

// serverCert is a certificate for 127.0.0.1 that signs itself.
func serverCert(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// One gateway is the next hop of another, by STARTTLS on both sides.
func TestSTARTTLS(t *testing.T) {
	cert, roots := serverCert(t)
	out := startRelay(t, func(c *gateway.Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		c.Hostname = "out.example"
	})
	in := startRelay(t, func(c *gateway.Config) {
		c.NextHop, c.NextHopTLS = out.addr, &tls.Config{RootCAs: roots}
	})
	require.Regexp(t, "^250", in.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	in.mails()
	require.Len(t, out.mails(), 1)

	// No TLS, or with another: the mail waits.
	for _, wrong := range []*tls.Config{{}, {RootCAs: roots, ServerName: "other.example"}} {
		r := startRelay(t, func(c *gateway.Config) { c.NextHop, c.NextHopTLS = out.addr, wrong })
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
		r.await(gateway.EventDeferred, 1)
	}
	bare := startRelay(t, func(c *gateway.Config) { c.NextHopTLS = &tls.Config{RootCAs: roots} })
	require.Regexp(t, "^250", bare.send("home@nhs.net", []string{"a@nhs.net"}, mailTo("x", "a@nhs.net")))
	bare.await(gateway.EventDeferred, 1)
	require.Empty(t, bare.inbox.Mails())
	require.Len(t, out.mails(), 1)
}
