// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// reach fills in the Contact of a refusal: whom its fixer resolves to for the people of an organisation. "" leads to the
// published desks. One that names somebody already keeps them, and what is no refusal stays as it is.
func (s *Service) reach(err error, organisation string) error {
	var no *wardkey.Refusal
	if !errors.As(err, &no) || error(no) != err || no.Contact != "" {
		return err
	}
	return s.desks.Resolve(s.book, no, organisation, Workstation{}, s.now())
}

// reachFrom is reach for who a line of the audit has as its actor: somebody in a role at an organisation, or a person.
func (s *Service) reachFrom(ctx context.Context, actor string, err error) error {
	var no *wardkey.Refusal
	if !errors.As(err, &no) || no.Contact != "" {
		return err
	}
	words := strings.Fields(actor)
	switch {
	case len(words) == 3 && isUserID(words[0]):
		return s.reach(err, words[2])
	case len(words) == 1 && isUserID(actor):
		return s.reach(err, s.organisationOf(ctx, actor))
	}
	return s.reach(err, "")
}

// organisationOf is in whose care a person is, "" where that can't be told: then the refusal names who is published.
func (s *Service) organisationOf(ctx context.Context, profile string) string {
	var p Profile
	err := s.read(context.WithoutCancel(ctx), func(ctx context.Context, tx *Tx) (err error) {
		p, err = tx.People.Profile(ctx, profile)
		return err
	})
	if err != nil {
		return ""
	}
	return p.Organisation
}

func isUserID(text string) bool { return len(text) == 12 && strings.Trim(text, "0123456789") == "" }
