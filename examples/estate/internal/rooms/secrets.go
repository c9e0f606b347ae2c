// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// secretText returns the secret of that name in the folder, in hexadecimal,
// and makes one of n random bytes where there is none. A deployment keeps its
// secrets in a vault or an HSM; a demonstration that starts by itself keeps
// them in files that only its user can read.
func secretText(dir, name string, n int) ([]byte, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw := make([]byte, n)
		_, _ = rand.Read(raw) // crypto/rand.Read never fails
		text = hex.AppendEncode(nil, raw)
		clear(raw)
		return text, replaceFile(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("estate: %w", err)
	}
	if len(text) != 2*n {
		return nil, fmt.Errorf("estate: %s is damaged", path)
	}
	return text, nil
}

// secretBytes is secretText decoded.
func secretBytes(dir, name string, n int) ([]byte, error) {
	text, err := secretText(dir, name, n)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	raw := make([]byte, n)
	if _, err := hex.Decode(raw, text); err != nil {
		return nil, fmt.Errorf("estate: %s is damaged", filepath.Join(dir, name))
	}
	return raw, nil
}
