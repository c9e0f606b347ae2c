// SPDX-License-Identifier: Apache-2.0

// Package loopback is where a demonstration is whose pages browsers find by a name:
// they bind security keys to names and never to the numbers of an address.
//
//	listeners, err := loopback.Listen("127.0.0.1:8460") // and [::1]:8460
//	base := loopback.Base(listeners[0].Addr())          // http://localhost:8460
package loopback

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Name is what browsers bind the keys of a demonstration to. Its programs are at
// ports of one name, so that a key that one has registered signs in at another.
// WebAuthn Level 2 §5.1.3.
const Name = "localhost"

// Listen takes a loopback address, and at its port the other address that browsers
// find by the name: whoever else answered there would be this site to them, with its
// keys and its cookies. The address itself is the first. RFC 6761 §6.3.
func Listen(address string) ([]net.Listener, error) {
	first, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(first.Addr().String())
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	other := "::1"
	if host == other {
		other = "127.0.0.1"
	}
	second, err := net.Listen("tcp", net.JoinHostPort(other, port))
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT): // this machine has one of the two alone
		return []net.Listener{first}, nil
	case err != nil:
		return nil, errors.Join(err, first.Close())
	}
	return []net.Listener{first, second}, nil
}

// Base is the address of the pages at a listener's port, by the name.
func Base(at net.Addr) string {
	_, port, _ := net.SplitHostPort(at.String()) // a TCP address always has one
	return fmt.Sprintf("http://%s:%s", Name, port)
}
