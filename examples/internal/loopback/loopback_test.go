// SPDX-License-Identifier: Apache-2.0

package loopback_test

import (
	"fmt"
	"net"

	"github.com/wardkey-sdk/wardkey/examples/internal/loopback"
)

func ExampleBase() {
	fmt.Println(loopback.Base(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8460}))
	// Output: http://localhost:8460
}
