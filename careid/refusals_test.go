// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

var update = flag.Bool("update", false, "write docs/refusals.md anew")

// TestRefusalsPage holds docs/refusals.md against the rulebook, whose refusals are an interface: an id is never
// reused, and a status never changes unseen.
func TestRefusalsPage(t *testing.T) {
	const page = "../docs/refusals.md"
	book, err := careid.Rules()
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(refusalsPage(book)), 0o644))
	}
	golden, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, string(golden), refusalsPage(book), "after a change that is meant: go test ./careid -run TestRefusalsPage -update")
}

func refusalsPage(book *wardkey.Rulebook) string {
	var page strings.Builder
	page.WriteString(`# The refusals of careid

Written by ` + "`go test ./careid -run TestRefusalsPage -update`" + ` from careid/rules.json: change it there.
A word in braces is filled in. Who can fix it is a role; where it says "in person", the holder must be there. A
refusal travels with its status as ` + "`application/problem+json`" + `, of type ` + "`urn:wardkey:rule:`" + ` and the rule.

| Rule | Status | The person is told | Who can fix it | Next step | Source |
|---|---|---|---|---|---|
`)
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	for _, id := range book.IDs() {
		no := book.Refuse(id)
		fixer := no.Fixer
		if no.InPerson {
			fixer += ", in person"
		}
		source := no.Source.Document
		for _, more := range []string{no.Source.Date, no.Source.Clause} {
			if more != "" {
				source += ", " + more
			}
		}
		fmt.Fprintf(&page, "| %s | %d | %s | %s | %s | %s |\n", id, no.Status, cell.Replace(no.Public), fixer,
			cell.Replace(strings.Join(no.Next, " Then: ")), cell.Replace(source))
	}
	return page.String()
}
