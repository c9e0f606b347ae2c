// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// hiddenCopies is step 18: two who are named openly, two who are not.
func hiddenCopies(ctx context.Context, s *story) error {
	if err := holds(len(s.outside) > 1, "two outside addresses from step 16", "%d", len(s.outside)); err != nil {
		return err
	}
	third, err := s.thirdOutsider(ctx)
	if err != nil {
		return must("a third outside address with a certificate", err)
	}
	shown, hidden := s.outside[0], []recipient{s.outside[1], third}
	l := letter{
		from: s.sender.address, subject: "[secure] Review of a complaint", mark: hiddenMark,
		to: []string{shown.address, insider}, bcc: []string{hidden[0].address, hidden[1].address},
	}
	boxes, err := s.post(ctx, l, shown.address, insider, hidden[0].address, hidden[1].address)
	if err != nil {
		return must("the gateway takes a [secure] message with Bcc", err)
	}
	plain, err := asItIs(ctx, boxes[insider], l)
	if err != nil {
		return err
	}
	if err := traceless(insider, plain.Raw, l.bcc...); err != nil {
		return err
	}
	if err := s.ownCopy(ctx, boxes, shown, l, l.bcc...); err != nil {
		return err
	}
	for i, r := range hidden {
		if err := s.ownCopy(ctx, boxes, r, l, hidden[1-i].address); err != nil {
			return err
		}
	}
	return nil
}

// ownCopy fails unless a copy is encrypted for its one recipient alone and tells,
// closed and opened, nothing of the others who are hidden.
func (s *story) ownCopy(ctx context.Context, boxes map[string]*hospital.Mailbox, r recipient, l letter, others ...string) error {
	sent, opened, err := s.encrypted(ctx, boxes[r.address], r, l)
	if err != nil {
		return err
	}
	keys, err := s.contentKeys(ctx, sent)
	if err != nil {
		return must("openssl lists whom the copy is encrypted for", err)
	}
	return first(
		traceless(r.address, sent, others...),
		traceless(r.address+", opened", opened, others...),
		holds(keys == 1, "the copy to "+r.address+" is encrypted for one", "for %d", keys),
	)
}

// traceless fails where a copy has a Bcc field or names somebody.
func traceless(whose string, copied []byte, names ...string) error {
	head, _, _ := bytes.Cut(bytes.ToLower(copied), []byte("\r\n\r\n"))
	if err := holds(!bytes.Contains(append([]byte("\n"), head...), []byte("\nbcc:")), "no Bcc field in the copy to "+whose, "%q", head); err != nil {
		return err
	}
	for _, name := range names {
		if err := holds(!bytes.Contains(copied, []byte(name)), "nothing of "+name+" in the copy to "+whose, "it stands there"); err != nil {
			return err
		}
	}
	return nil
}

// thirdOutsider is another recipient with a certificate that the gateway knows.
func (s *story) thirdOutsider(ctx context.Context) (recipient, error) {
	now, err := s.h.Now(ctx)
	if err != nil {
		return recipient{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return recipient{}, err
	}
	r, err := s.newRecipient("third", "quality@oakhouse.example", key, x509.KeyUsageKeyAgreement, now)
	if err != nil {
		return recipient{}, err
	}
	return r, s.h.TrustRecipient(ctx, r.address, r.certificate)
}
