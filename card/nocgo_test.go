// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package card_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
)

func TestWithoutCgo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "module.so")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := card.Open(card.Config{Module: path})
	require.ErrorIs(t, err, card.ErrUnsupported)
}
