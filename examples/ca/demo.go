// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// The people of the demonstration are invented, and their keys thrown away as
// soon as they have signed a request: nobody can sign in as one of them.

var (
	givenNames = []string{
		"Amina", "Björn", "Chidi", "Dilys", "Eun-ji", "Farah", "Giovanni", "Hana", "Ifeoma", "Jórunn",
		"Kofi", "Liesl", "Mairi", "Nikhil", "Oksana", "Priya", "Quentin", "Roisin", "Samir", "Tomasz",
	}
	familyNames = []string{
		"Osei", "Lindqvist", "Adeyemi", "Pritchard", "Park", "Rahman", "Bianchi", "Kovář", "Nwosu", "Sigurðsson",
		"Mensah", "Gruber", "MacLeod", "Sharma", "Bondarenko", "Nair", "Whitlock", "Byrne", "Haddad", "Zieliński",
	}
)

const demoPeople = 60

// demoBegins is a little more than three years ago, so that some have ended.
func demoBegins(now time.Time) time.Time { return now.AddDate(-3, -2, 0) }

// step is one thing that is done at a time of the past.
type step struct {
	at  time.Time
	act string
	do  func(context.Context, *pki.CA, string) error
}

// demo is the story of the invented people, told once.
type demo struct {
	ledger pki.Ledger
	pairs  map[int][]*x509.Certificate // of each person, the newest
}

// populate plays the three years before now, the moment of the first start. What
// an earlier start has done of it stays and isn't done again. The authority that
// does it lives by a calendar of its own.
func populate(ctx context.Context, c pki.Config, now time.Time) error {
	if now.IsZero() {
		return errors.New("-demo makes the past of a new CA, and this one began without: choose another -dir")
	}
	at := now // so that all that an earlier start left unfinished is finished first
	c.Now = func() time.Time { return at }
	ca, err := pki.New(c)
	if err != nil {
		return err
	}
	d := &demo{ledger: c.Ledger, pairs: map[int][]*x509.Certificate{}}
	for _, s := range d.story(now) {
		at = s.at
		switch err := s.do(ctx, ca, s.act); {
		case errors.Is(err, pki.ErrClock):
			return fmt.Errorf("-demo: the ledger holds certificates already: %w", err)
		case err != nil:
			return fmt.Errorf("-demo: %s: %w", s.act, err)
		}
	}
	return nil
}

// story is what happens, in order: people join, most of them in working hours and
// many in August; most of those whose pair ends soon renew it; a few lose a card,
// leave, or are away. The same now tells the same story.
func (d *demo) story(now time.Time) []step {
	draw := mathrand.New(mathrand.NewPCG(3, 90)) // #nosec G404 -- dates of a demonstration
	begins := demoBegins(now).AddDate(0, 0, 1)
	days := int(now.Sub(begins).Hours()/24) - 1
	var steps []step
	for person := range demoPeople {
		joined := begins.AddDate(0, 0, draw.IntN(days))
		if person%4 == 0 && joined.Year() < now.Year() {
			joined = time.Date(joined.Year(), time.August, 1+draw.IntN(14), 0, 0, 0, 0, time.UTC)
		}
		if person%20 == 13 { // they have renewed, and the old pair is still good
			joined = now.AddDate(-3, 0, 20+person)
		}
		if joined.Before(begins) {
			joined = begins
		}
		joined = joined.Truncate(24 * time.Hour).Add(time.Duration(8*3600+draw.IntN(9*3600)) * time.Second)
		steps = append(steps, step{joined, fmt.Sprintf("demo-%d", person), d.join(person)})
		renews := joined.AddDate(3, 0, -5-draw.IntN(80))
		if person%20 == 13 {
			renews = now.AddDate(0, 0, -3-person/10)
		}
		if renews.Before(now) && (draw.IntN(6) > 0 || person%20 == 13) {
			steps = append(steps, step{renews, fmt.Sprintf("demo-%d-renewed", person), d.renew(person)})
		}
		reason := map[int]int{5: 1, 11: 5, 17: 6}[person%20] // lost, left, on hold
		if at := joined.AddDate(0, 0, 1+draw.IntN(days)); reason != 0 && at.Before(now) {
			steps = append(steps, step{at, fmt.Sprintf("demo-%d-revoked", person), d.revoke(person, reason)})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	return steps
}

func (d *demo) join(person int) func(context.Context, *pki.CA, string) error {
	return d.once(person, func(ctx context.Context, ca *pki.CA, act string, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
		name := givenNames[person%20] + " " + familyNames[(person*7+person/20)%20]
		return ca.Issue(ctx, act, pkix.Name{CommonName: name, SerialNumber: fmt.Sprintf("%012d", 555000000000+person)}, csrs)
	})
}

// renew does nothing for a pair that was revoked meanwhile.
func (d *demo) renew(person int) func(context.Context, *pki.CA, string) error {
	return d.once(person, func(ctx context.Context, ca *pki.CA, act string, csrs []*x509.CertificateRequest) ([]*x509.Certificate, error) {
		if d.pairs[person] == nil {
			return nil, nil
		}
		certs, err := ca.Renew(ctx, act, d.pairs[person], csrs)
		if errors.Is(err, pki.ErrRevoked) || errors.Is(err, pki.ErrHeld) {
			return d.pairs[person], nil
		}
		return certs, err
	})
}

// once makes a pair unless an earlier start has.
func (d *demo) once(person int, pair func(context.Context, *pki.CA, string, []*x509.CertificateRequest) ([]*x509.Certificate, error)) func(context.Context, *pki.CA, string) error {
	return func(ctx context.Context, ca *pki.CA, act string) error {
		done, err := d.ledger.Act(ctx, act)
		if err == nil && done.State == pki.Good {
			d.pairs[person], err = parse(done)
			return err
		}
		if err == nil || !errors.Is(err, pki.ErrUnknownAct) {
			return err // closed: this person goes without
		}
		csrs, err := thrownAway()
		if err != nil {
			return err
		}
		d.pairs[person], err = pair(ctx, ca, act, csrs)
		return err
	}
}

func (d *demo) revoke(person, reason int) func(context.Context, *pki.CA, string) error {
	return func(ctx context.Context, ca *pki.CA, _ string) error {
		for _, cert := range d.pairs[person] {
			if err := ca.Revoke(ctx, cert, reason, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	}
}

func parse(act pki.Act) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, r := range act.Records {
		cert, err := x509.ParseCertificate(r.DER)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// thrownAway are requests whose keys nobody keeps.
func thrownAway() ([]*x509.CertificateRequest, error) {
	var csrs []*x509.CertificateRequest
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			return nil, err
		}
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return nil, err
		}
		csrs = append(csrs, csr)
	}
	return csrs, nil
}
