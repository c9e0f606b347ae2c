// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"

	"github.com/wardkey-sdk/wardkey/card"
)

// What a server may have a card do is bounded here: several servers may share a
// card, and none of them may touch what another put there.

// maxKeyID is the longest CKA_ID that every card takes, in bytes.
const maxKeyID = 32

// sound says whether an act has the form that internal/cardprotocol gives it.
func (v *actView) sound() bool {
	if v.Act == "" || !isID(v.Act) || v.Card == "" {
		return false
	}
	if v.Kind == Clear || v.Kind == Unlock {
		return len(v.Keys) == 0
	}
	if len(v.Keys) != 2 || v.Keys[0].Use != "authentication" || v.Keys[1].Use != "signing" {
		return false
	}
	for _, k := range v.Keys {
		if len(k.ID) == 0 || len(k.ID) > maxKeyID {
			return false
		}
	}
	return !bytes.Equal(v.Keys[0].ID, v.Keys[1].ID)
}

// isNonce keeps what a server may put into a proof to 128 bits.
func isNonce(text string) bool { return encodes(text, 16) }

// ours says whether a key that an act's id finds was made for that act: it bears
// no certificate, or the act's own.
func ours(key *card.Key, view *actView, stored []card.Certificate) bool {
	for _, s := range stored {
		isActs := slices.ContainsFunc(view.Certificates, func(der []byte) bool { return bytes.Equal(der, s.X509.Raw) })
		if samePublic(s.X509.PublicKey, key.Public()) && !isActs {
			return false
		}
	}
	return true
}

// oneHolder refuses certificates for another person than the one whom their
// issuer named in what is on the card, or for two.
func (a *Agent) oneHolder(ctx context.Context, c *card.Card, fresh []*x509.Certificate) error {
	stored, err := c.Certificates(ctx)
	if err != nil {
		return err
	}
	holder := fresh[0].Subject.SerialNumber
	for _, f := range fresh {
		if f.Subject.SerialNumber != holder {
			return a.rules.Refuse("act.holder")
		}
	}
	for _, s := range stored {
		if bytes.Equal(s.X509.RawIssuer, fresh[0].RawIssuer) && s.X509.Subject.SerialNumber != holder {
			return a.rules.Refuse("act.holder")
		}
	}
	return nil
}
