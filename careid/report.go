// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"slices"
)

// ReportLine is one person of a report, as things stand.
type ReportLine struct {
	Profile        Profile
	Roles          []Role       // held at the organisation
	Positions      []Assignment // in force
	Cards          []ReportCard // in use: active or locked
	Authenticators int          // active ones beside the cards
}

// ReportCard is a card in use and how its certificates stand to their end. DaysLeft counts begun days, as alerts do: 0
// at the very end, and below for whole days since.
type ReportCard struct {
	Card     Card
	Term     Term
	DaysLeft int
}

// Report lists the people in the care of the actor's organisation, closed profiles too, by user id, with what they hold:
// whose card is due for renewal, locked or missing, who holds which role and position. after is the user id of the last
// line of the page before, or ""; limit is 1 to 200, for the store is asked about each of them. A page is one snapshot.
// Refusals: those of the role table.
func (s *Service) Report(ctx context.Context, a Actor, after string, limit int) ([]ReportLine, error) {
	limit = min(max(limit, 1), 200)
	var lines []ReportLine
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		lines = nil
		if _, err := s.authorize(ctx, tx, a, ActionRunReports, AnyTerm, Profile{Organisation: a.organisation}); err != nil {
			return err
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		people, err := tx.People.ProfilesOf(ctx, a.organisation)
		if err != nil {
			return err
		}
		from, found := slices.BinarySearchFunc(people, after, func(p Profile, id string) int { return cmp.Compare(p.ID, id) })
		if found {
			from++
		}
		for _, p := range people[from:min(from+limit, len(people))] {
			line, err := reportLine(ctx, tx, policy, a.organisation, p)
			if err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return nil
	})
	return lines, err
}

func reportLine(ctx context.Context, tx *Tx, policy Policy, organisation string, p Profile) (ReportLine, error) {
	line := ReportLine{Profile: p}
	grants, err := tx.People.Grants(ctx, p.ID, tx.Now)
	if err != nil {
		return line, err
	}
	for _, g := range grants {
		if g.Organisation == organisation {
			line.Roles = append(line.Roles, g.Role)
		}
	}
	slices.SortFunc(line.Roles, func(a, b Role) int { return cmp.Compare(a, b) })
	held, err := tx.Assignments.AssignmentsOf(ctx, p.ID)
	if err != nil {
		return line, err
	}
	for _, v := range held {
		if v.In(tx.Now) {
			line.Positions = append(line.Positions, v)
		}
	}
	cards, err := tx.Cards.CardsOf(ctx, p.ID)
	if err != nil {
		return line, err
	}
	for _, c := range cards {
		if c.State == CardActive || c.State == CardLocked {
			line.Cards = append(line.Cards, ReportCard{Card: c, Term: term(policy, c.NotAfter, tx.Now), DaysLeft: daysLeft(c.NotAfter.Sub(tx.Now))})
		}
	}
	active, err := activeOf(ctx, tx, p.ID)
	line.Authenticators = len(active)
	return line, err
}
