// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package pivapplet

import "net"

// acknowledgeAtOnce is for Linux, where pcscd and its virtual reader are.
func acknowledgeAtOnce(net.Conn) {}
