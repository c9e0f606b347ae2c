// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"strings"
)

// thisSystem is the system's name and its build, here the kernel's release (uname
// -r); "" where it can't be read.
func thisSystem() (name, build string) {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "linux", ""
	}
	return "linux", strings.TrimSpace(string(text))
}
