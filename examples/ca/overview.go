// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
)

// months is how many the page looks ahead: the three years that a pair is good
// for, and the month that has begun.
const months = 37

// soonest is how many pairs the page names.
const soonest = 12

// overview is what ends when. A pair counts once, by its authentication
// certificate; one that has a successor is replaced already, and nobody need do
// anything about it.
type overview struct {
	Now       time.Time
	InForce   int // pairs that are neither replaced, revoked nor on hold
	Open      int // of those, how many can be renewed now
	Held      int
	Replaced  int
	Months    []month
	Soonest   []ending
	IssueEnds time.Time // the last instant at which a pair can be issued
}

// month is one month, UTC.
type month struct {
	Begins   time.Time
	Ends     int // pairs that end in it and have no successor
	Replaced int // pairs that end in it and have one
	Open     int // pairs whose renewal window is open at some time in it
}

// All is every pair that ends in the month.
func (m month) All() int { return m.Ends + m.Replaced }

// ending is a pair that ends soon.
type ending struct {
	Name, UserID, Serial string
	NotAfter, Opens      time.Time
	Days                 int // to the end, whole days
	Open, Held           bool
}

// look counts the records that are in force or on hold and end from now on, the
// first to end first, as pki's Expiring gives them.
func look(now time.Time, profile pki.Profile, issuer *x509.Certificate, records iter.Seq2[pki.Record, error]) (*overview, error) {
	o := &overview{Now: now, Months: make([]month, months), IssueEnds: lastIssue(profile, issuer.NotAfter)}
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for i := range o.Months {
		o.Months[i].Begins = first.AddDate(0, i, 0)
	}
	var pairs []pki.Record
	newest := map[string]int64{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		if r.Use == pki.Authentication {
			pairs = append(pairs, r)
			newest[r.Lineage] = max(newest[r.Lineage], r.Generation)
		}
	}
	for _, r := range pairs {
		opens, _ := profile.Window(r.NotAfter)
		o.count(r, newest[r.Lineage] > r.Generation, opens)
		if newest[r.Lineage] == r.Generation && len(o.Soonest) < soonest {
			e, err := o.ending(r, opens)
			if err != nil {
				return nil, err
			}
			o.Soonest = append(o.Soonest, e)
		}
	}
	return o, nil
}

// count adds one pair to the numbers.
func (o *overview) count(r pki.Record, replaced bool, opens time.Time) {
	at := monthsBetween(o.Months[0].Begins, r.NotAfter)
	switch {
	case replaced:
		o.Replaced++
		if at < months {
			o.Months[at].Replaced++
		}
		return
	case r.State == pki.Held:
		o.Held++
	default:
		o.InForce++
		if !opens.After(o.Now) {
			o.Open++
		}
	}
	if at < months {
		o.Months[at].Ends++
	}
	for i := max(0, monthsBetween(o.Months[0].Begins, opens)); i <= at && i < months; i++ {
		o.Months[i].Open++
	}
}

func (o *overview) ending(r pki.Record, opens time.Time) (ending, error) {
	cert, err := x509.ParseCertificate(r.DER)
	if err != nil {
		return ending{}, fmt.Errorf("certificate %x: %w", r.Serial, err)
	}
	return ending{
		Name: strings.TrimPrefix(cert.Subject.CommonName, r.UserID+" "), UserID: r.UserID, Serial: fmt.Sprintf("%032x", r.Serial),
		NotAfter: r.NotAfter, Opens: opens, Days: int(r.NotAfter.Sub(o.Now).Hours() / 24),
		Open: !opens.After(o.Now), Held: r.State == pki.Held,
	}, nil
}

func monthsBetween(first, t time.Time) int {
	t = t.UTC()
	return (t.Year()-first.Year())*12 + int(t.Month()-first.Month())
}

// lastIssue is the last day on which a pair issued still ends before its issuer:
// the profile's own arithmetic, searched day by day, since it clamps months.
func lastIssue(profile pki.Profile, issuerEnds time.Time) time.Time {
	at := issuerEnds.AddDate(-4, 0, 0)
	for {
		next := at.AddDate(0, 0, 1)
		if _, ends := profile.Validity(next); ends.After(issuerEnds) {
			return at
		}
		at = next
	}
}
