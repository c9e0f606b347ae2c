// SPDX-License-Identifier: Apache-2.0

package stepca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// createDurably writes a file that must not exist yet. It appears under its name
// whole and on disk, or not at all; if someone else made it meanwhile, theirs
// stays and there is no error.
func createDurably(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("stepca: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // the file stands under its own name then, or not at all
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("stepca: %w", err)
	}
	// A link, unlike a rename, fails when the name is taken.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("stepca: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("stepca: %w", err)
	}
	defer func() { _ = d.Close() }() // only read
	if err := d.Sync(); err != nil {
		return fmt.Errorf("stepca: %w", err)
	}
	return nil
}
