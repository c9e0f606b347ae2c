// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package cardtest

import (
	"os"
	"syscall"
)

// lockFile is the lock that the shim takes too.
func lockFile(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

func unlockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
