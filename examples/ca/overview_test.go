// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"iter"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// ofOne is one pair's records, with a certificate that can be read.
func ofOne(t *testing.T, der []byte, lineage string, generation int64, state pki.State, notAfter time.Time) []pki.Record {
	t.Helper()
	r := pki.Record{
		Serial: big.NewInt(generation), Use: pki.Authentication, State: state, NotAfter: notAfter, DER: der, Lineage: lineage, Generation: generation,
	}
	signing := r
	signing.Use = pki.Signing
	return []pki.Record{r, signing}
}

// all gives them as Expiring does.
func all(pairs ...[]pki.Record) iter.Seq2[pki.Record, error] {
	records := slices.Concat(pairs...)
	slices.SortStableFunc(records, func(a, b pki.Record) int { return a.NotAfter.Compare(b.NotAfter) })
	return func(yield func(pki.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestOverview(t *testing.T) {
	ca := pkitest.New(t, pkitest.Config{Now: func() time.Time { return noon }})
	issuer, profile := ca.Chain()[0], ca.Profile()
	der := ca.Pair(pkitest.Good).Certificates[0].Raw
	window := 90 * 24 * time.Hour
	one := func(lineage string, generation int64, state pki.State, notAfter time.Time) []pki.Record {
		return ofOne(t, der, lineage, generation, state, notAfter)
	}

	o, err := look(noon, profile, issuer, all(
		one("ends this second", 1, pki.Good, noon),
		one("window opens now", 1, pki.Good, noon.Add(window)),
		one("window opens in a second", 1, pki.Good, noon.Add(window+time.Second)),
		one("renewed", 1, pki.Good, noon.AddDate(0, 1, 0)),
		one("renewed", 2, pki.Good, noon.AddDate(3, 0, -1)),
		one("held", 1, pki.Held, noon.AddDate(1, 0, 0)),
		one("renewal given up", 1, pki.Good, noon.AddDate(0, 2, 0)),
		one("last month's last second", 1, pki.Good, time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)),
		one("next month's first", 1, pki.Good, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)),
		one("as late as can be", 1, pki.Good, noon.AddDate(3, 0, 0).Add(-time.Second)),
	))
	require.NoError(t, err)
	require.Equal(t, 1, o.Held)
	require.Equal(t, 1, o.Replaced)
	require.Equal(t, 8, o.InForce)
	require.Equal(t, 5, o.Open) // this second, window opens now, given up, and the two of the months' edges
	ends := map[string]int{}
	total := 0
	for _, m := range o.Months {
		ends[m.Begins.Format("2006-01")] = m.Ends
		total += m.All()
	}
	require.Len(t, o.Months, months)
	require.Equal(t, 10, total, "every pair stands in a month")
	require.Equal(t, 2, ends["2026-11"])
	require.Equal(t, 1, ends["2026-12"])
	require.Equal(t, 2, ends["2027-02"])
	require.Equal(t, 2, ends["2029-11"])
	require.Equal(t, month{Begins: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Ends: 1, Replaced: 1, Open: 4}, o.Months[1])

	require.Equal(t, noon, o.Soonest[0].NotAfter)
	require.Zero(t, o.Soonest[0].Days)
	var open []bool
	for _, e := range o.Soonest {
		open = append(open, e.Open)
		require.NotEmpty(t, e.Name)
	}
	require.Equal(t, []bool{true, true, true, true, true, false, false, false, false}, open)
	require.True(t, o.Soonest[6].Held)

	// The last day to issue is the last: a second later would be too late.
	_, last := profile.Validity(o.IssueEnds)
	require.False(t, last.After(issuer.NotAfter))
	_, late := profile.Validity(o.IssueEnds.AddDate(0, 0, 1))
	require.True(t, late.After(issuer.NotAfter))

	broken := errors.New("the ledger is away")
	_, err = look(noon, profile, issuer, func(yield func(pki.Record, error) bool) { yield(pki.Record{}, broken) })
	require.ErrorIs(t, err, broken)
}

func TestOverviewOfNothing(t *testing.T) {
	ca := pkitest.New(t, pkitest.Config{})
	o, err := look(noon, ca.Profile(), ca.Chain()[0], all())
	require.NoError(t, err)
	require.Zero(t, o.InForce+o.Held+o.Replaced+len(o.Soonest))
	p := draw(o, 90*24*time.Hour)
	require.Empty(t, p.Bars)
	require.NotEmpty(t, p.Lines)
}

func TestPlot(t *testing.T) {
	for _, c := range []struct{ most, step, top int }{{1, 1, 1}, {5, 1, 5}, {6, 2, 6}, {7, 2, 8}, {11, 5, 15}, {25, 5, 25}, {26, 10, 30}, {4321, 1000, 5000}, {36000, 10000, 40000}} {
		step, top := scale(c.most)
		require.Equal(t, []int{c.step, c.top}, []int{step, top}, c.most)
	}
	o := &overview{Now: noon, Months: make([]month, months)}
	for i := range o.Months {
		o.Months[i] = month{Begins: time.Date(2026, 11+time.Month(i), 1, 0, 0, 0, 0, time.UTC), Ends: i, Replaced: 1, Open: 2 * i}
	}
	p := draw(o, 90*24*time.Hour)
	require.Len(t, p.Bars, months)
	for _, b := range p.Bars {
		require.GreaterOrEqual(t, b.X, plotLeft)
		require.LessOrEqual(t, b.X+b.Width, plotRight)
		require.GreaterOrEqual(t, b.ReplacedY, barsTop)
		require.InDelta(t, barsBottom, b.Y+b.Height, 0.01)
		require.InDelta(t, b.Y, b.ReplacedY+b.ReplacedHeight, 0.01, "one stands on the other")
	}
	require.InDelta(t, 8.0, p.Bars[36].Height/p.Bars[36].ReplacedHeight/4.5, 0.01) // 36 of the one, 1 of the other
	require.InDelta(t, plotLeft+columnWidth*(21.5/30), p.Now, 0.01)
	require.InDelta(t, plotLeft+columnWidth*(3+19.5/28), p.WindowEnds, 0.01) // 20 February, noon
	require.Equal(t, 72, p.MostOpen)
	require.Equal(t, "Jan 2027", p.Ticks[0].Label)
}
