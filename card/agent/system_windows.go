// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// windows11 is the first build of Windows 11, whose version still says 10.0.
const windows11 = 22000

// thisSystem is the system's name, "" for a Windows of another version, and its
// version with the build.
func thisSystem() (name, build string) {
	v := windows.RtlGetVersion()
	build = fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
	switch {
	case v.MajorVersion == 10 && v.BuildNumber >= windows11:
		return "windows-11", build
	case v.MajorVersion == 10:
		return "windows-10", build
	case v.MajorVersion == 6 && v.MinorVersion == 3:
		return "windows-8.1", build
	case v.MajorVersion == 6 && v.MinorVersion == 1:
		return "windows-7", build
	}
	return "", build
}
