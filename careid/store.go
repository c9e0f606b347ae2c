// SPDX-License-Identifier: Apache-2.0

package careid

import "context"

// Store keeps everything. (The contract follows with the nouns.)
type Store interface {
	Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
	Read(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error
}

// Tx is one transaction.
type Tx struct{}
