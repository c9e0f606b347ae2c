// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Listen opens a port on 127.0.0.1, and on ::1 where the machine has it, so that a
// page finds the agent by either and by localhost. Port 0 takes a free one. The
// caller serves each with Agent.Handler, and closes them. An error: the port is
// taken, on one of the two.
func Listen(port uint16) ([]net.Listener, error) {
	for range 10 {
		all, err := listen(port)
		if port == 0 && errors.Is(err, syscall.EADDRINUSE) {
			continue // what is free on one address may be taken on the other
		}
		return all, err
	}
	return nil, errors.New("agent: no port is free on both loopback addresses")
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
	six, err := net.Listen("tcp", net.JoinHostPort("::1", number))
	switch {
	case err == nil:
		return []net.Listener{four, six}, nil
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return []net.Listener{four}, nil
	}
	return nil, errors.Join(fmt.Errorf("agent: %w", err), four.Close())
}
