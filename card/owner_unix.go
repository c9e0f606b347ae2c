// SPDX-License-Identifier: Apache-2.0

//go:build unix

package card

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs says whether a file belongs to root or to the user that this process
// acts for: its owner may always change it.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}
