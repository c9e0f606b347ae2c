// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestOwnStore(t *testing.T) {
	careidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) careid.Store {
		return careidtest.NewStore(t, careidtest.StoreConfig{Now: now, Wall: wall})
	})
}

func TestOwnStoreThatCannotOpen(t *testing.T) {
	_, err := careidtest.OpenStore(careidtest.StoreConfig{Dir: "/no/such/folder"})
	require.Error(t, err)
}

// A store of your own, held to the contract in your own tests: open returns an empty one each time, on the clocks given.
func ExampleTestStore() {
	var t *testing.T // the test's own
	careidtest.TestStore(t, func(t *testing.T, now, wall func() time.Time) careid.Store {
		return careidtest.NewStore(t, careidtest.StoreConfig{Now: now, Wall: wall}) // yours here
	})
}

// Times are kept as whole seconds, and a transaction has one.
func ExampleOpenStore() {
	store, err := careidtest.OpenStore(careidtest.StoreConfig{Now: func() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 7, time.UTC) }})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	err = store.Read(context.Background(), func(_ context.Context, tx *careid.Tx) error {
		fmt.Println(tx.Now)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2026-01-05 09:00:00 +0000 UTC
	// <nil>
}
