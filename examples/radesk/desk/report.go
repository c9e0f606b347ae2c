// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// reportPage is who is in the care of the actor's organisation and what they hold,
// as things stand. There is no report of another one to be asked for.
type reportPage struct {
	frame
	People []reportRow
	Counts map[string]int // of people, by how they stand
}

func (*reportPage) Template() string { return "report.html" }

// reportRow is one person. Contact details are no part of it.
type reportRow struct {
	UserID         string              `json:"userID"`
	Name           string              `json:"name"`
	State          careid.ProfileState `json:"state"`
	Stands         string              `json:"stands"` // one of standings
	Roles          []careid.Role       `json:"roles"`
	Positions      []string            `json:"positions"` // their names
	Cards          []reportCard        `json:"cards"`
	Authenticators int                 `json:"authenticators"`
}

// reportCard is a card in use. DaysLeft counts as careid.ReportCard does.
type reportCard struct {
	Serial   string    `json:"serial"`
	Stands   string    `json:"stands"`
	NotAfter time.Time `json:"notAfter"`
	DaysLeft int       `json:"daysLeft"`
}

// standings are the words for how people stand, first those for whom a desk has
// most to do: who has several cards stands as the gravest of them.
func standings() []string {
	return []string{"expired", "locked", "ends-soon", "none", "active", "closed"}
}

// cardStands is the word for a card in use. An expired one can't be unlocked, so
// that it is locked too matters less.
func cardStands(c careid.ReportCard) string {
	switch {
	case c.Term == careid.Ended:
		return "expired"
	case c.Card.State == careid.CardLocked:
		return "locked"
	case c.Term == careid.InTime:
		return "ends-soon"
	}
	return "active"
}

// reportOf is one line of the report with the names of its positions.
func reportOf(l careid.ReportLine, positions map[string]string) reportRow {
	row := reportRow{
		UserID: l.Profile.ID, Name: l.Profile.Name(), State: l.Profile.State, Stands: "none",
		Roles: append([]careid.Role{}, l.Roles...), Positions: []string{}, Cards: []reportCard{}, Authenticators: l.Authenticators,
	}
	for _, v := range l.Positions {
		row.Positions = append(row.Positions, cmp.Or(positions[v.Position], v.Position))
	}
	gravest := len(standings())
	for _, c := range l.Cards {
		card := reportCard{Serial: c.Card.Serial, Stands: cardStands(c), NotAfter: c.Card.NotAfter, DaysLeft: c.DaysLeft}
		row.Cards = append(row.Cards, card)
		if i := slices.Index(standings(), card.Stands); i < gravest {
			gravest, row.Stands = i, card.Stands
		}
	}
	if row.State == careid.ProfileClosed {
		row.Stands = "closed"
	}
	return row
}

// wholeReport is the report to its end. It comes in pages, each as things stand at
// its moment.
func (d *Desk) wholeReport(ctx context.Context, a careid.Actor) ([]careid.ReportLine, error) {
	const most = 200 // that careid gives at once
	var lines []careid.ReportLine
	for after := ""; ; after = lines[len(lines)-1].Profile.ID {
		page, err := d.Care.Report(ctx, a, after, most)
		if err != nil || len(page) == 0 {
			return lines, err
		}
		lines = append(lines, page...)
	}
}

func (d *Desk) report(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	f, actor, err := d.frame(r, "Report")
	if err != nil {
		return pages.Answer{}, err
	}
	lines, err := d.wholeReport(r.Context(), actor)
	if err != nil {
		return pages.Answer{}, err
	}
	positions, err := d.Care.Positions(r.Context(), actor)
	if err != nil {
		return pages.Answer{}, err
	}
	names := map[string]string{}
	for _, p := range positions {
		names[p.ID] = p.Name
	}
	page := &reportPage{frame: f, People: []reportRow{}, Counts: map[string]int{}}
	for _, l := range lines {
		row := reportOf(l, names)
		page.People = append(page.People, row)
		page.Counts[row.Stands]++
	}
	order := standings()
	slices.SortStableFunc(page.People, func(a, b reportRow) int {
		return cmp.Compare(slices.Index(order, a.Stands), slices.Index(order, b.Stands))
	})
	return pages.Answer{View: page, Body: map[string]any{"organisation": f.Organisation, "people": page.People}}, nil
}
