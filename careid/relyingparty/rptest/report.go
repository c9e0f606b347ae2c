// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Verdict is what a play showed of the application.
type Verdict string

// Right is a good sign-in accepted or a bad one refused, Wrong the other way.
const (
	Right     Verdict = "right"
	Wrong     Verdict = "wrong"
	NotPlayed Verdict = "not played"
)

// Result is one play. Names are stable.
type Result struct {
	Name string
	// Bad says that it was to be refused.
	Bad     bool
	Verdict Verdict
	// What was wrong in it, and the Clause of the standard that forbids it.
	What, Clause string
	// Detail is what was seen.
	Detail string
}

// Report is all plays in order.
type Report struct{ Results []Result }

// Passed says that everything bad was refused and everything good accepted.
func (r Report) Passed() bool {
	return len(r.Results) > 0 && len(r.named(Wrong)) == 0
}

// Accepted are the names of bad sign-ins that the application wrongly accepts.
func (r Report) Accepted() []string {
	var names []string
	for _, one := range r.named(Wrong) {
		if one.Bad {
			names = append(names, one.Name)
		}
	}
	return names
}

func (r Report) named(v Verdict) []Result {
	var some []Result
	for _, one := range r.Results {
		if one.Verdict == v {
			some = append(some, one)
		}
	}
	return some
}

// Print writes a line for each play, and what is wrong last.
func (r Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, one := range r.Results {
		fmt.Fprintf(table, "%s\t%s\t%s\n", one.Name, one.happened(), one.What)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	wrong, not := r.named(Wrong), r.named(NotPlayed)
	for _, one := range not {
		fmt.Fprintf(w, "\nnot played: %s: %s", one.Name, one.Detail)
	}
	for _, one := range wrong {
		fmt.Fprintf(w, "\n%s: %s: %s", one.happened(), one.Name, one.What)
		if one.Clause != "" {
			fmt.Fprintf(w, " (%s)", one.Clause)
		}
		if one.Detail != "" {
			fmt.Fprintf(w, "; %s", one.Detail)
		}
	}
	_, err := fmt.Fprintf(w, "\nrpcheck: %d played, %d wrong, %d not played\n", len(r.Results)-len(not), len(wrong), len(not))
	return err
}

func (r Result) happened() string {
	switch {
	case r.Verdict == NotPlayed:
		return "not played"
	case r.Verdict == Wrong && r.Bad:
		return "WRONGLY ACCEPTED"
	case r.Verdict == Wrong:
		return "WRONGLY REFUSED"
	case r.Bad:
		return "refused"
	}
	return "accepted"
}
