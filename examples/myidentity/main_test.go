// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
)

// TestAlone starts the program on a hospital of its own, looks at its pages, and
// stops it.
func TestAlone(t *testing.T) {
	r := alonetest.Start(t, program(), "-dir", t.TempDir())
	require.NotEmpty(t, r.First, "a fresh hospital has nobody")
	r.Shows("/", "Your own care identity")
	r.Shows("/my", "You are not signed in.")
	r.Shows("/my/switch-off", "switched off step by step")
	require.Zero(t, r.Stop())
	r.Gone()
}
