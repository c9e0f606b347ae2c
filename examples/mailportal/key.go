// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"

	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
)

const keyVariable = "WARDKEY_MAILPORTAL_KEY"

// deskKey is what the help desk's questions are kept under: nil for a database on
// a server where the environment has none.
func deskKey(db string) ([]byte, error) {
	if strings.Contains(db, "://") && os.Getenv(keyVariable) == "" {
		return nil, nil
	}
	return kept.Key(keyVariable, db+".key", db)
}
