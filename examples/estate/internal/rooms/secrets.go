// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

// secretText returns the secret of that name in the folder, in hexadecimal,
// and makes one of n random bytes where there is none. A deployment keeps its
// secrets in a vault or an HSM; a demonstration that starts by itself keeps
// them in files that only its user can read.
func secretText(dir, name string, n int) ([]byte, error) {
	path := filepath.Join(dir, name)
	fresh := kept.FreshHex(n)
	defer clear(fresh)
	text, err := kept.First(path, fresh)
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
