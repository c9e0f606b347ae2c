// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package agent

import (
	"errors"
	"net/netip"
)

// errUsers is why an agent doesn't start where it can't keep other users out.
var errUsers = errors.New("on this system it can't be told whose connection one is")

func thisUser() (int, error) { return 0, errUsers }

func userOf(netip.AddrPort, netip.AddrPort) (int, error) { return 0, errPeer }
