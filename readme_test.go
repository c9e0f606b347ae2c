// SPDX-License-Identifier: Apache-2.0

package wardkey_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Snippets are the bodies of Examples: what README shows has been compiled and
// run.
func TestREADMEShowsWhatRuns(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var examples strings.Builder
	for _, s := range sources(t) {
		if s.test {
			examples.Write(s.text)
		}
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, snippets, 3, "protect an app, open a card, a locked card in a test")
	for _, snippet := range snippets {
		require.Contains(t, examples.String(), string(snippet[1]))
	}
}

// A link to a file or folder of the repository leads there, and a test or
// target that README tells to run exists.
func TestREADMELeadsSomewhere(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	links := regexp.MustCompile(`\]\(([^)]+)\)`).FindAllSubmatch(readme, -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		_, err := os.Stat(path.Clean(string(link[1])))
		require.NoError(t, err)
	}
	var tests strings.Builder
	for _, s := range sources(t) {
		if s.test {
			tests.Write(s.text)
		}
	}
	for _, name := range regexp.MustCompile(`\b(?:Test|Example)[A-Z]\w+`).FindAllString(string(readme), -1) {
		require.Contains(t, tests.String(), "func "+name+"(")
	}
}
