// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
)

// Listen opens a port on 127.0.0.1, and on ::1 where the machine has it, so that a
// page finds the agent by either and by localhost. Port 0 takes a free one. The
// caller serves each with Agent.Handler, and closes them. An error: the port is
// taken, on one of the two.
func Listen(port uint16) ([]net.Listener, error) {
	all, err := listen(port)
	for try := 0; port == 0 && err != nil && try < 10; try++ {
		all, err = listen(port) // what was free on one address was taken on the other
	}
	return all, err
}

func listen(port uint16) ([]net.Listener, error) {
	four, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	_, number, err := net.SplitHostPort(four.Addr().String())
	if err != nil {
		return nil, errors.Join(err, four.Close())
	}
	if !hasIPv6() {
		return []net.Listener{four}, nil
	}
	six, err := net.Listen("tcp", net.JoinHostPort("::1", number))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("agent: %w", err), four.Close())
	}
	return []net.Listener{four, six}, nil
}

// hasIPv6 says whether this machine has ::1.
func hasIPv6() bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(net.IPv6loopback)
	})
}
