// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package cardtest

const withCgo = false
