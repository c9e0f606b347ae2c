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

// isOwn says whether a request comes over a connection that a process of the agent's
// own user opened. Who opened it is what the system tells, whoever holds it now: what
// a user's program hands on is as what it forwards. A stranger's connection that was
// closed before this is asked, and whose port one of our own took at that very moment,
// passes; nobody is left to hear the answer, and without one no request reaches more
// than a task that waits for its person.
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
