// SPDX-License-Identifier: Apache-2.0

// Package careid is the domain of care identities: people, their roles, their cards, how they sign in and how a
// locked card is opened again. (The manual follows with the code.)
package careid
