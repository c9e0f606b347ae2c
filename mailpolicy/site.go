// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// ParseODS returns an ODS code in capitals, or a Refusal (mail.site.ods): it
// has 3 to 10 ASCII letters and digits.
func ParseODS(code string) (string, error) {
	if len(code) < 3 || len(code) > 10 {
		return "", Rules().Refuse("mail.site.ods")
	}
	for i := range len(code) {
		if c := lowerASCII(code[i]); (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", Rules().Refuse("mail.site.ods")
		}
	}
	return strings.ToUpper(code), nil
}

// OpenSite registers a site under its ODS code. Refusals: mail.role (an Actor
// without a name or a role), mail.site.ods, mail.site.nocode (it has no code
// and, as it is not registered with the CQC, another desk gives it one),
// mail.site.form, mail.site.exists.
func (a *Accounts) OpenSite(ctx context.Context, by Actor, s Site) (Site, error) {
	if err := by.check(); err != nil {
		return Site{}, err
	}
	s, err := s.canonical()
	if err != nil {
		return Site{}, err
	}
	err = a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		s.Opened, s.MoreAccounts, s.MoreShared = tx.Now(), 0, 0
		if err := tx.InsertSite(ctx, s); err != nil {
			return refuseIf(err, ErrExists, "mail.site.exists")
		}
		return tx.Audit(ctx, by.ID, "mail.site.opened", s.ODS, "")
	})
	if err != nil {
		return Site{}, err
	}
	return s, nil
}

// canonical checks what is known of a site, and writes it in one way.
func (s Site) canonical() (Site, error) {
	refuse := func(why string) (Site, error) { return Site{}, Rules().Refuse("mail.site.form", "why", why) }
	if s.ODS == "" && s.CQCLocation == "" {
		return Site{}, Rules().Refuse("mail.site.nocode")
	}
	var err error
	if s.ODS, err = ParseODS(s.ODS); err != nil {
		return Site{}, err
	}
	for _, text := range []string{s.Name, s.CQCLocation, s.ManagerID} {
		if why := textFault(text); why != "" {
			return refuse(why)
		}
	}
	if s.Postcode != "" {
		if s.Postcode, err = parsePostcode(s.Postcode); err != nil {
			return Site{}, err
		}
	}
	if s.ManagerEmail != "" {
		if s.ManagerEmail, err = CanonicalAddress(s.ManagerEmail); err != nil {
			return Site{}, err
		}
	}
	if s.Landline != "" {
		if s.Landline, err = parseLandline(s.Landline); err != nil {
			return Site{}, err
		}
	}
	return s, nil
}

// Site returns a registered site. Refusals: mail.site.ods, mail.site.unknown.
func (a *Accounts) Site(ctx context.Context, ods string) (Site, error) {
	ods, err := ParseODS(ods)
	if err != nil {
		return Site{}, err
	}
	var s Site
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		s, err = tx.Site(ctx, ods)
		return refuseIf(err, ErrNotFound, "mail.site.unknown")
	})
	return s, err
}

// CorrectSite corrects what is known of a site beside its code: its name, its
// postcode, and what it is registered with at the CQC, such as a manager who has
// changed. Whether it is a pharmacy, which its shared mailbox is named for, and
// what it was granted stay. The audit keeps which of them have changed. Only the
// administration service may. Refusals: mail.role, mail.site.ods,
// mail.site.unknown, mail.site.form, mail.recipient.address.
func (a *Accounts) CorrectSite(ctx context.Context, by Actor, s Site) error {
	if by.Role != AdministrationService || by.check() != nil {
		return Rules().Refuse("mail.role")
	}
	s, err := s.canonical()
	if err != nil {
		return err
	}
	return a.changeSite(ctx, by, s.ODS, "mail.site.corrected", func(known *Site) string {
		var changed []string
		for _, field := range []struct {
			name      string
			into      *string
			corrected string
		}{
			{"name", &known.Name, s.Name},
			{"CQC location", &known.CQCLocation, s.CQCLocation},
			{"postcode", &known.Postcode, s.Postcode},
			{"manager's id", &known.ManagerID, s.ManagerID},
			{"manager's address", &known.ManagerEmail, s.ManagerEmail},
			{"landline", &known.Landline, s.Landline},
		} {
			if *field.into != field.corrected {
				changed = append(changed, field.name)
			}
			*field.into = field.corrected
		}
		return strings.Join(changed, ", ")
	})
}

// GrantAccounts lets a site have so many accounts beyond the usual number, after
// it has applied for them; 0 takes them back and closes none that is open. The
// audit keeps when it was granted, by whom and the reason. Only the administration
// service may. Refusals: mail.role, mail.site.ods, mail.site.unknown,
// mail.grant.form (more is negative or beyond MaxListed, or there is no reason).
func (a *Accounts) GrantAccounts(ctx context.Context, by Actor, ods string, more int, reason string) error {
	return a.grant(ctx, by, ods, "mail.site.granted", more, reason, func(s *Site) { s.MoreAccounts = more })
}

// GrantShared is GrantAccounts for shared mailboxes.
func (a *Accounts) GrantShared(ctx context.Context, by Actor, ods string, more int, reason string) error {
	return a.grant(ctx, by, ods, "mail.site.granted.shared", more, reason, func(s *Site) { s.MoreShared = more })
}

func (a *Accounts) grant(ctx context.Context, by Actor, ods, action string, more int, reason string, give func(*Site)) error {
	if by.Role != AdministrationService || by.check() != nil {
		return Rules().Refuse("mail.role")
	}
	ods, err := ParseODS(ods)
	switch {
	case err != nil:
		return err
	case more < 0 || more > MaxListed:
		return Rules().Refuse("mail.grant.form", "why", fmt.Sprintf("it is not a number from 0 to %d", MaxListed))
	case isBlank(reason) || textFault(reason) != "":
		return Rules().Refuse("mail.grant.form", "why", "the reason is missing or can't be shown")
	}
	return a.changeSite(ctx, by, ods, action, func(s *Site) string {
		give(s)
		return strconv.Itoa(more) + ": " + reason
	})
}

// changeSite changes a site and audits what change says.
func (a *Accounts) changeSite(ctx context.Context, by Actor, ods, action string, change func(*Site) (detail string)) error {
	return a.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		s, err := tx.Site(ctx, ods)
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.site.unknown")
		}
		detail := change(&s)
		if err := tx.UpdateSite(ctx, s); err != nil {
			return err
		}
		return tx.Audit(ctx, by.ID, action, ods, detail)
	})
}

// SitesAt lists the registered sites with a postcode, by their codes, up to
// MaxListed. Where there are several it returns them with the Refusal
// mail.site.ambiguous: which one is meant is not for software to guess, and the
// refusal names who can tell. Other refusals: mail.site.form (no postcode),
// mail.site.nopostcode (no site has it).
func (a *Accounts) SitesAt(ctx context.Context, postcode string) ([]Site, error) {
	postcode, err := parsePostcode(postcode)
	if err != nil {
		return nil, err
	}
	found, err := list(ctx, a, func(ctx context.Context, tx StoreTx) ([]Site, error) { return tx.SitesAt(ctx, postcode, MaxListed) })
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, Rules().Refuse("mail.site.nopostcode", "postcode", postcode)
	case len(found) > 1:
		return found, Rules().Refuse("mail.site.ambiguous", "postcode", postcode)
	}
	return found, nil
}

// parsePostcode returns a UK postcode in capitals with one space. Only its form
// is checked: two to four letters and digits, then a digit and two letters.
func parsePostcode(postcode string) (string, error) {
	code := strings.Map(upperASCII, strings.ReplaceAll(strings.TrimSpace(postcode), " ", ""))
	n := len(code) - 3
	ok := n >= 2 && n <= 4 && isUpper(code[0]) && isDigit(code[n]) && isUpper(code[n+1]) && isUpper(code[n+2])
	for i := 1; ok && i < n; i++ {
		ok = isUpper(code[i]) || isDigit(code[i])
	}
	if !ok {
		return "", Rules().Refuse("mail.site.form", "why", "the postcode has not the form of one")
	}
	return code[:n] + " " + code[n:], nil
}

// upperASCII leaves other letters alone, some of which fold onto ASCII.
func upperASCII(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - 'a' + 'A'
	}
	return r
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
