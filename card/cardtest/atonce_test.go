// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// Cards of many trays come up in one process at once, each with its own
// configuration of SoftHSM, which is read with strtok.
func TestTraysComeUpAtOnce(t *testing.T) {
	for range 8 {
		t.Run("tray", func(t *testing.T) {
			t.Parallel()
			tray := cardtest.New(t, cardtest.Config{})
			serial := ready(t, tray, 0)
			module, err := card.Open(card.Config{Module: tray.Module()})
			require.NoError(t, err)
			defer func() { require.NoError(t, module.Close()) }()
			for range 500 {
				require.NoError(t, tray.Remove(0))
				require.NoError(t, tray.Insert(0, serial))
				c, err := module.Card(t.Context(), card.Selector{Serial: serial})
				require.NoError(t, err)
				info, err := c.Info(t.Context())
				require.NoError(t, err)
				require.True(t, info.Initialised)
			}
		})
	}
}
