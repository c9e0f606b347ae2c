// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
)

// errPeer is a connection of which the system doesn't say that it belongs to the
// agent's own user.
var errPeer = errors.New("agent: not a connection of this user")

// isOwn says whether a request comes from a process of the agent's own user. It is
// asked for each request and not kept with the connection: a process may hand a
// connection on.
func (a *Agent) isOwn(r *http.Request) error {
	if a.config.OneUser {
		return nil
	}
	listener, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return errPeer
	}
	ours, err := netip.ParseAddrPort(listener.String())
	if err != nil {
		return errPeer
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return errPeer
	}
	user, err := userOf(peer, ours)
	if err != nil {
		return err
	}
	if user != a.user {
		return errPeer
	}
	return nil
}
