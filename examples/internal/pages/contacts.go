// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"context"

	"github.com/wardkey-sdk/wardkey/careid"
)

// Contacts replaces those that are named; an empty one is taken away.
type Contacts struct{ Email, Mobile *string }

// SetContacts changes a person's contacts, at their own page or at the desk.
func (s *Site) SetContacts(ctx context.Context, a careid.Actor, id string, in Contacts) error {
	p, err := s.Care.Profile(ctx, a, id)
	if err != nil {
		return err
	}
	c := careid.Contact{Email: p.Email, Mobile: p.Mobile}
	if in.Email != nil {
		c.Email = *in.Email
	}
	if in.Mobile != nil {
		c.Mobile = *in.Mobile
	}
	return s.Care.SetContact(ctx, a, id, c)
}
