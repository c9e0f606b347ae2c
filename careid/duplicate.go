// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"
)

// Whether an applicant has a profile already is asked as in Apply for Care ID: by their National Insurance number and
// their date of birth. Neither is kept, but what both together come to under Config.AuthenticatorKey.

// oldest bounds a date of birth: nobody was ever known to be older than 122.
const oldest = 130

// personMark is the same for two applications of one person, nil where neither number nor date was told. There are so few
// numbers and dates that all can be tried: it takes the keys of Config to do that, one mark for each of them, the current
// one's first. Refusals: identity.person, identity.unavailable.
func (s *Service) personMark(sub Submission, t time.Time) ([]byte, error) {
	if sub.NINumber == "" && sub.Born.IsZero() {
		return nil, nil
	}
	number := strings.ToUpper(strings.ReplaceAll(sub.NINumber, " ", ""))
	switch {
	case !isNINumber(number) || !sub.Born.Before(t) || sub.Born.Before(t.AddDate(-oldest, 0, 0)):
		return nil, s.no("identity.person")
	case s.sealer == nil:
		return nil, s.no("identity.unavailable")
	}
	return s.sealer.marks(number[:8] + " " + sub.Born.Format(time.DateOnly)), nil
}

// isNINumber knows the form of a National Insurance number: a prefix that is given out, six digits, A to D. The last
// letter tells when it was to be renewed, on cards of stamps, and not whose it is; a person may have left it out.
// HM Revenue and Customs, National Insurance Manual NIM39110.
func isNINumber(number string) bool {
	if len(number) != 8 && len(number) != 9 || len(number) == 9 && !strings.Contains("ABCD", number[8:]) {
		return false
	}
	const letters = "ABCEGHJKLMNOPRSTWXYZ" // none of D, F, I, Q, U, V, in either place
	if !strings.Contains(letters, number[:1]) || !strings.Contains(letters, number[1:2]) || number[1] == 'O' {
		return false
	}
	switch number[:2] {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return false
	}
	return strings.IndexFunc(number[2:8], func(r rune) bool { return !isDigit(r) }) < 0
}

// unknownYet refuses an application of a person who has a profile.
func (s *Service) unknownYet(ctx context.Context, tx *Tx, a Actor, app Application) error {
	for mark := range slices.Chunk(app.Person, sha256.Size) {
		held, err := tx.Applications.IdentityOf(ctx, mark)
		switch {
		case err == nil:
			return s.duplicate(ctx, tx, a, held)
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	return nil
}

// takeIdentity makes a new profile the only one of its person, under each of their marks and in one statement each: of two
// applications that are approved at once one gets it, though one of them knew an earlier key alone.
func (s *Service) takeIdentity(ctx context.Context, tx *Tx, a Actor, app *Application, profile string) error {
	for mark := range slices.Chunk(app.Person, sha256.Size) {
		held, err := tx.Applications.KeepIdentity(ctx, mark, profile)
		if err != nil {
			return err
		}
		if held != profile {
			return s.duplicate(ctx, tx, a, held)
		}
	}
	app.Person = nil
	return nil
}

// duplicate says where a person's profile is: which one, to those in whose care it is, and else only which organisation
// has it.
func (s *Service) duplicate(ctx context.Context, tx *Tx, a Actor, profile string) error {
	p, err := tx.People.Profile(ctx, profile)
	if err != nil {
		return err
	}
	where := "at organisation " + p.Organisation
	if p.Organisation == a.organisation {
		where = "with user id " + p.ID
	}
	return s.no("identity.duplicate", "where", where)
}
