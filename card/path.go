// SPDX-License-Identifier: Apache-2.0

package card

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Permission bits that let others write, and the bit that takes renaming and
// deleting away from them again in a folder such as /tmp.
const (
	othersWrite = 0o022
	worldWrite  = 0o002
)

// trusted is the real path of a module, if nobody but this user and root can
// replace it: the path is absolute, the file and its folders belong to either,
// the file and its folder can't be written by group or world, and no folder
// above can be written by the world unless it is sticky.
// The same holds for the path as given when it is a symbolic link. On Windows,
// where this is a matter of access lists, only the path's form is checked: it is
// on a drive, and not on another machine's share.
func trusted(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%w: the path must be absolute", ErrUntrusted)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrModule, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrModule, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s is not a file", ErrModule, real)
	}
	if runtime.GOOS == "windows" {
		if len(filepath.VolumeName(real)) != len("C:") {
			return "", fmt.Errorf("%w: %s is not on a drive of this machine", ErrUntrusted, real)
		}
		return real, nil
	}
	if info.Mode().Perm()&othersWrite != 0 {
		return "", fmt.Errorf("%w: group or world may write %s", ErrUntrusted, real)
	}
	if !ownedByUs(info) {
		return "", fmt.Errorf("%w: %s belongs to another user", ErrUntrusted, real)
	}
	for _, p := range []string{filepath.Clean(path), real} {
		if err := trustedFolders(filepath.Dir(p)); err != nil {
			return "", err
		}
	}
	return real, nil
}

// trustedFolders looks at the folder and at all above it.
func trustedFolders(dir string) error {
	for forbidden := fs.FileMode(othersWrite); ; dir, forbidden = filepath.Dir(dir), worldWrite {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrModule, err)
		}
		sticky := forbidden == worldWrite && info.Mode()&fs.ModeSticky != 0
		if info.Mode().Perm()&forbidden != 0 && !sticky {
			return fmt.Errorf("%w: others may write the folder %s", ErrUntrusted, dir)
		}
		if !ownedByUs(info) {
			return fmt.Errorf("%w: the folder %s belongs to another user", ErrUntrusted, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
