// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxAuthenticatorName is a line of a list of them.
const maxAuthenticatorName = 64

// RenameAuthenticator gives an authenticator the name by which its holder tells it from their others, at most 64
// characters, "" for its kind's own. It is for whoever may remove it: a name tells which one is to be removed. So its
// holder has shown within the last minutes who they are, by something as strong as the strongest on the profile.
// Refusals: authenticator.name, authenticator.none, session.stale, signin.weaker, and those of the role table.
func (s *Service) RenameAuthenticator(ctx context.Context, a Actor, id, name string) error {
	return s.change(ctx, a.name(), "rename authenticator", id, func(ctx context.Context, tx *Tx, rec *record) error {
		one, _, err := s.authenticatorOf(ctx, tx, a, id)
		if err != nil {
			return err
		}
		if a.role == Holder {
			if err := s.reauthenticated(ctx, tx, a, 0); err != nil {
				return err
			}
		}
		if one.Name, err = s.authenticatorName(one.Kind, name, tx.Now); err != nil {
			return err
		}
		rec.Detail = authenticatorDetail(one)
		done, err := tx.Authenticators.RenameAuthenticator(ctx, id, one.Name)
		if err == nil && !done {
			return s.no("authenticator.none")
		}
		return err
	})
}

// authenticatorName puts a name into its form, or refuses it.
func (s *Service) authenticatorName(kind AuthenticatorKind, name string, t time.Time) (string, error) {
	if name == "" {
		return kindNames(s.book, []AuthenticatorKind{kind}, t), nil
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxAuthenticatorName || strings.TrimSpace(name) != name ||
		strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || invisible(r) }) >= 0 {
		return "", s.no("authenticator.name")
	}
	return name, nil
}
