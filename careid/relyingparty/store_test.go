// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"testing"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

func TestMemoryStore(t *testing.T) {
	rptest.TestStore(t, func(*testing.T) relyingparty.Store { return relyingparty.NewMemoryStore() })
}
