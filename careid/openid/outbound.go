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

	"github.com/wardkey-sdk/wardkey/careid/internal/web"
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
// people in stands at a link-local address, where clouds keep credentials (one of them by IPv6 among the private ones), and
// loopback is this machine. An address of NAT64 is the IPv4 address in it. RFC 6052 §2.1.
func reachable(addr netip.Addr, host string) bool {
	if b := addr.As16(); addr.Is6() && netip.PrefixFrom(netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b}), 96).Contains(addr) {
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case addr == netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54}): // fd00:ec2::254
		return false
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return false
	case addr.IsLoopback():
		return web.Loopback(host)
	}
	return addr.IsValid()
}
