// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"
)

// Whether an applicant has a profile already is asked as in Apply for Care ID: by their National Insurance number and
// their date of birth. Neither is kept, but what both together come to.

// oldest bounds a date of birth: nobody was ever known to be older than 122.
const oldest = 130

// personMark is the same for two applications of one person, nil where neither number nor date was told. It spares the
// store the two; who knows the one finds the other by trying. Refusal: identity.person.
func (s *Service) personMark(sub Submission, t time.Time) ([]byte, error) {
	if sub.NINumber == "" && sub.Born.IsZero() {
		return nil, nil
	}
	number := strings.ToUpper(strings.ReplaceAll(sub.NINumber, " ", ""))
	if !isNINumber(number) || !sub.Born.Before(t) || sub.Born.Before(t.AddDate(-oldest, 0, 0)) {
		return nil, s.no("identity.person")
	}
	sum := sha256.Sum256([]byte("wardkey/person " + number[:8] + " " + sub.Born.Format(time.DateOnly)))
	return sum[:], nil
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
	if app.Person == nil {
		return nil
	}
	held, err := tx.Applications.IdentityOf(ctx, app.Person)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.duplicate(ctx, tx, a, held)
}

// takeIdentity makes a new profile the only one of its person, in one statement: of two applications that are approved
// at once one gets it.
func (s *Service) takeIdentity(ctx context.Context, tx *Tx, a Actor, app Application, profile string) error {
	if app.Person == nil {
		return nil
	}
	held, err := tx.Applications.KeepIdentity(ctx, app.Person, profile)
	if err != nil || held == profile {
		return err
	}
	return s.duplicate(ctx, tx, a, held)
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
