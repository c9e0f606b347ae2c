// SPDX-License-Identifier: Apache-2.0

package virtualkeys_test

import (
	"fmt"
	"log"

	"github.com/wardkey-sdk/wardkey/examples/internal/virtualkeys"
)

func ExampleModels() {
	models, err := virtualkeys.Models()
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range models {
		fmt.Println(m.Name, "-", m.Kind)
	}
	// Output: Virtual key of Chromium - security-key
}
