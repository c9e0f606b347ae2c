// SPDX-License-Identifier: Apache-2.0

// Package mailtest helps tests that deal with mail: a CA that issues
// certificates in every state a recipient's can be in (CA), a mail server that
// keeps what it gets (Inbox), a phone that does (Phone), and the suite that
// every mailpolicy.Store passes (TestStore).
package mailtest
