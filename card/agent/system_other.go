// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !windows

package agent

import "runtime"

// thisSystem is the system's name; its build is not asked for here.
func thisSystem() (name, build string) {
	if runtime.GOOS == "darwin" {
		return "macos", ""
	}
	return runtime.GOOS, ""
}
