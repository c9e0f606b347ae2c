// SPDX-License-Identifier: Apache-2.0

package agent

import "runtime/debug"

// module is where this package comes from.
const module = "github.com/wardkey-sdk/wardkey"

// version is the release of this package in the program that runs, "" where the
// build doesn't tell.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return ""
}
