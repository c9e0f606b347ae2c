// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"crypto/x509"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

const (
	day    = 24 * time.Hour
	window = 90 * day
)

// renewal is step 7. The staff renew their cards in the same days, whatever
// becomes of the nurse's.
func renewal(ctx context.Context, s *story) error {
	old, err := s.pair(ctx, s.nurse)
	if err != nil {
		return must("the nurse's certificates", err)
	}
	opens := old[0].NotAfter.Add(-window)
	early := s.tooEarly(ctx, old[0].NotAfter)
	if err := must("the clock moves to 90 days before the end", s.until(ctx, opens)); err != nil {
		return err
	}
	return first(early, s.alerted(ctx, old[0].NotAfter), s.renewNurse(ctx, old), s.renewStaff(ctx))
}

// until moves the clock to an instant that an earlier step may have passed.
func (s *story) until(ctx context.Context, at time.Time) error {
	now, err := s.h.Now(ctx)
	if err != nil || !now.Before(at) {
		return err
	}
	_, err = s.h.AdvanceTo(ctx, at)
	return err
}

// alerted signs in twice: each sign-in must tell of the end.
func (s *story) alerted(ctx context.Context, end time.Time) error {
	for _, which := range []string{"first", "second"} {
		_, session, err := s.signedIn(ctx, s.nurse, ward)
		if err != nil {
			return must("the nurse signs in 90 days before the end", err)
		}
		alerts := session.Alerts
		if err := holds(len(alerts) == 1 && alerts[0].DaysLeft == 90 && alerts[0].NotAfter.Equal(end),
			"an alert of 90 days at the "+which+" sign-in", "%v", alerts); err != nil {
			return err
		}
	}
	return nil
}

// tooEarly looks at the nurse's card 91 days before its end.
func (s *story) tooEarly(ctx context.Context, end time.Time) error {
	if _, err := s.h.AdvanceTo(ctx, end.Add(-window-day)); err != nil {
		return must("the clock moves to 91 days before the end", err)
	}
	b, session, err := s.signedIn(ctx, s.nurse, ward)
	if err != nil {
		return must("the nurse signs in 91 days before the end", err)
	}
	if err := holds(len(session.Alerts) == 0, "no alert 91 days before the end", "%v", session.Alerts); err != nil {
		return err
	}
	no := b.Renew(ctx, ward, s.nurse.passcode)
	if err := refused(no, "renewal 91 days before the end", "renewal.early"); err != nil {
		return err
	}
	opens := end.Add(-window)
	return holds(why(no).RetryAt.Equal(opens), "the refusal says that renewal opens at "+stamp(opens), "%s", stamp(why(no).RetryAt))
}

// renewNurse renews the nurse's own card and compares the pairs.
func (s *story) renewNurse(ctx context.Context, old []*x509.Certificate) error {
	before, err := s.h.Now(ctx)
	if err != nil {
		return must("the clock is read", err)
	}
	b, _, err := s.signedIn(ctx, s.nurse, ward)
	if err != nil {
		return must("the nurse signs in", err)
	}
	if err := must("the nurse renews the card", b.Renew(ctx, ward, s.nurse.passcode)); err != nil {
		return err
	}
	after, err := s.h.Now(ctx)
	if err != nil {
		return must("the clock is read", err)
	}
	pair, err := s.pair(ctx, s.nurse)
	if err != nil {
		return must("two new certificates", err)
	}
	if err := s.checkPair(ctx, pair, s.nurse, before, after); err != nil {
		return err
	}
	for i, name := range []string{"authentication", "signing"} {
		if err := first(
			holds(pair[i].SerialNumber.Cmp(old[i].SerialNumber) != 0, "another "+name+" certificate", "the same"),
			holds(!bytes.Equal(pair[i].RawSubjectPublicKeyInfo, old[i].RawSubjectPublicKeyInfo), "another "+name+" key", "the same"),
		); err != nil {
			return err
		}
	}
	_, session, err := s.signedIn(ctx, s.nurse, ward)
	if err != nil {
		return must("the renewed card signs in", err)
	}
	return holds(len(session.Alerts) == 0, "no alert on the renewed card", "%v", session.Alerts)
}

// expiry is step 8.
func expiry(ctx context.Context, s *story) error {
	pair, err := s.pair(ctx, s.leaver)
	if err != nil {
		return must("the second nurse's certificates", err)
	}
	if err := must("the clock moves past the end of the second nurse's card", s.until(ctx, pair[0].NotAfter.Add(time.Second))); err != nil {
		return err
	}
	_, _, err = s.signedIn(ctx, s.leaver, ward)
	if err := refused(err, "sign-in with an expired card", "cert.expired"); err != nil {
		return err
	}
	_, err = s.h.StartUnlock(ctx, ward, "email")
	if err := refused(err, "self-unlock of an expired card", "cert.expired"); err != nil {
		return err
	}
	if err := s.renewExpired(ctx, pair); err != nil {
		return err
	}
	_, session, err := s.signedIn(ctx, s.leaver, ward)
	if err != nil {
		return must("the renewed card signs in", err)
	}
	return holds(len(session.Alerts) == 0, "no alert on the renewed card", "%v", session.Alerts)
}

// renewExpired has a sponsor try what only the Registration Authority may, and
// the RA agent do it: first without the holder, then with the holder's card in
// the other reader.
func (s *story) renewExpired(ctx context.Context, old []*x509.Certificate) error {
	present := hospital.Presence{HolderReader: counter, Passcode: s.leaver.passcode}
	if err := must("the expired card goes into the reader before the desk", s.h.Insert(ctx, counter, s.leaver.card)); err != nil {
		return err
	}
	b, err := s.atDesk(ctx, sponsor)
	if err != nil {
		return err
	}
	no := b.RenewFor(ctx, s.leaver.card, present)
	if err := refused(no, "renewal of an expired card by a sponsor", "role.action"); err != nil {
		return err
	}
	if err := holds(strings.Contains(strings.Join(why(no).Next, " "), raAgent), "the refusal names who may: "+raAgent, "%v", why(no).Next); err != nil {
		return err
	}
	if b, err = s.atDesk(ctx, raAgent); err != nil {
		return err
	}
	if err := refused(b.RenewFor(ctx, s.leaver.card, hospital.Presence{}), "renewal without the holder", "evidence.missing"); err != nil {
		return err
	}
	if err := must("the RA agent renews the expired card with its holder present", b.RenewFor(ctx, s.leaver.card, present)); err != nil {
		return err
	}
	pair, err := s.pair(ctx, s.leaver)
	if err != nil {
		return must("two new certificates", err)
	}
	for i := range pair {
		if err := holds(pair[i].SerialNumber.Cmp(old[i].SerialNumber) != 0, "new certificates", "the expired ones"); err != nil {
			return err
		}
	}
	return nil
}
