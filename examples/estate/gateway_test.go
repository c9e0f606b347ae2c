// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestIdleMailLine adds a certificate while somebody holds the line and says
// nothing: mail goes on all the same.
func TestIdleMailLine(t *testing.T) {
	e := open(t, t.TempDir(), nil)
	p := client(t, e)
	greeted := func() net.Conn {
		conn, err := net.DialTimeout("tcp4", e.addresses.SMTP, 5*time.Second)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(line, "220 "), line)
		return conn
	}
	greeted()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		EmailAddresses: []string{"dr.ito@surgery.example"}, KeyUsage: x509.KeyUsageKeyAgreement,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	begun := time.Now()
	for range 2 { // the second time it is known
		status, body := p.call("POST", "/mail/directory", map[string]string{"certificate": certificate})
		require.Equal(t, 204, status, string(body))
	}
	require.Less(t, time.Since(begun), 20*time.Second)
	greeted()
	require.Equal(t, []string{"dr.hale@surgery.example", "dr.ito@surgery.example"}, e.rooms.Gateway.Known())
}
