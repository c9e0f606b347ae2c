// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
)

// A "no" of pki reaches a person through careid, and one of card through the agent: each id has its row there.
func TestEveryRuleHasARow(t *testing.T) {
	server, err := careid.Rules()
	require.NoError(t, err)
	workstation, err := agent.Rulebook()
	require.NoError(t, err)
	for _, room := range []struct {
		source  string
		book    *wardkey.Rulebook
		atLeast int
	}{
		{"../../pki/errors.go", server, 10},
		{"../../pki/verifiererrors.go", server, 3},
		{"../../card/errors.go", workstation, 10},
	} {
		text, err := os.ReadFile(room.source)
		require.NoError(t, err)
		found := regexp.MustCompile(`&(?:ruled|sentinel)\{"([a-z.]+)"`).FindAllSubmatch(text, -1)
		require.GreaterOrEqual(t, len(found), room.atLeast, room.source)
		for _, id := range found {
			require.True(t, slices.Contains(room.book.IDs(), string(id[1])), "%s of %s has no row", id[1], room.source)
		}
	}
}
