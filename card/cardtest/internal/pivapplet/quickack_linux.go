// SPDX-License-Identifier: Apache-2.0

package pivapplet

import (
	"net"
	"syscall"
)

// acknowledgeAtOnce sets TCP_QUICKACK. Where it fails the card is slow.
func acknowledgeAtOnce(line net.Conn) {
	tcp, ok := line.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
