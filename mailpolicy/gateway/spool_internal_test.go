// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is being written while the store is asked counts all the time.
func TestSpoolCountsWhatIsWritten(t *testing.T) {
	s := spool{max: 100}
	require.True(t, s.take(60))
	written, _ := s.asking()
	s.answered(0, written)
	require.False(t, s.take(60), "under way")
	written, _ = s.asking()
	s.landed(60)
	s.answered(0, written)
	require.False(t, s.take(60), "perhaps after the store was asked")
	written, refused := s.asking()
	require.True(t, refused)
	s.answered(60, written)
	require.True(t, s.take(40))
	s.landed(40)
	written, _ = s.asking()
	s.answered(60, written) // it was not written after all
	require.True(t, s.fits(40))
}
