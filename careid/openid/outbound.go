// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// patience is how long a client's server may take to answer.
const patience = 5 * time.Second

var errUnreachable = errors.New("the address is not one that a client's server may have")

// outbound calls one registered address and no other: no redirect is followed, no proxy asked, and each address that the
// name resolves to is looked at when it is dialled, so that a name which changes afterwards leads nowhere else.
func outbound(c Config, uri string) *http.Client {
	reach := c.Reach
	if reach == nil {
		host := ""
		if u, err := url.Parse(uri); err == nil {
			host = u.Hostname()
		}
		reach = func(addr netip.Addr) bool { return reachable(addr, host) }
	}
	dialer := &net.Dialer{Timeout: patience, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !reach(at.Addr().Unmap()) {
			return fmt.Errorf("%w: %s", errUnreachable, address)
		}
		return nil
	}}
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         dialer.DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: patience,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
		},
	}
}

// reachable is the default of Config.Reach. Applications of a hospital stand in its private networks; nothing that signs
// people in stands at a link-local address, where clouds keep credentials, and loopback is this machine.
func reachable(addr netip.Addr, host string) bool {
	switch {
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return false
	case addr.IsLoopback():
		return loopbackHost(host)
	}
	return addr.IsValid()
}
