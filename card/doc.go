// SPDX-License-Identifier: Apache-2.0

// Package card works with one smartcard on one desk through its PKCS#11 module.
package card
