// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// The tables of TCP sockets of this network namespace (proc(5)). A connection
// from 127.0.0.1 may stand in the second too, as ::ffff:127.0.0.1.
var socketTables = [...]string{"/proc/net/tcp", "/proc/net/tcp6"}

// established is the state of a socket that both ends hold open. In any other the
// table may not say whose it was.
const established = "01"

// thisUser is whom the agent serves; an error says that connections can't be told
// apart here.
func thisUser() (int, error) {
	if _, err := os.ReadFile(socketTables[0]); err != nil {
		return 0, err
	}
	return os.Geteuid(), nil
}

// userOf is whose socket is at the other end of a connection: the one that has our
// remote address as its own.
func userOf(peer, ours netip.AddrPort) (int, error) {
	// The table is read in pieces while others open and close sockets, so that a
	// line of it can be missed; not again and again.
	for range 5 {
		for _, path := range socketTables {
			table, err := os.ReadFile(path)
			if err != nil {
				continue // a machine without IPv6 has no second table
			}
			for line := range strings.Lines(string(table)) {
				if user, ok := lineOf(line, peer, ours); ok {
					return user, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("%w: the system doesn't know it", errPeer)
}

// lineOf reads one line of a table: the number, the local and the remote address,
// the state, four more, the user, the timeout and the inode, which is 0 for a socket that
// no process holds.
func lineOf(line string, local, remote netip.AddrPort) (user int, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != established || f[9] == "0" || addressOf(f[1]) != plain(local) || addressOf(f[2]) != plain(remote) {
		return 0, false
	}
	user, err := strconv.Atoi(f[7])
	return user, err == nil
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// addressOf reads an address of the table: 32-bit words in the machine's order,
// and the port.
func addressOf(text string) netip.AddrPort {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, _ := netip.AddrFromSlice(raw) // of any other length it equals no peer's
	return netip.AddrPortFrom(ip.Unmap(), uint16(number))
}
