// SPDX-License-Identifier: Apache-2.0

// Package benchline prints how a benchmark stands against its baseline and
// its goal, in a line that a script can read:
//
//	bench: pki.ocsp ours=5210 answers/s baseline=2150 answers/s ratio=2.42 goal=2.00 ok
//
// A benchmark that loops with b.Loop measures its baseline in the same run and
// calls [Report] once at its end; `make bench` repeats all lines together
// after go test's own. Names are room.thing, such as pki.issue.
package benchline

import (
	"fmt"
	"strconv"
	"testing"
)

// Report prints the line of a benchmark. ours and baseline are in unit. The
// ratio says how many times better ours is: ours/baseline where more is better
// (a rate), baseline/ours where less is (a time, a size). It is ok at the goal
// or above: "at most a tenth of the baseline's time" is a goal of 10. Report
// also adds the ratio to the benchmark's own line.
func Report(b testing.TB, name string, ours, baseline float64, unit string, higherIsBetter bool, goal float64) {
	b.Helper()
	if ours <= 0 || baseline <= 0 {
		b.Fatalf("benchline: %s measured ours=%g and baseline=%g %s", name, ours, baseline, unit)
	}
	ratio := ours / baseline
	if !higherIsBetter {
		ratio = baseline / ours
	}
	if bench, ok := b.(*testing.B); ok {
		bench.ReportMetric(ratio, "ratio")
	}
	fmt.Println("\n" + Line(name, ours, baseline, unit, ratio, goal)) // go test has begun a line of its own
}

// Line is what Report prints.
func Line(name string, ours, baseline float64, unit string, ratio, goal float64) string {
	verdict := "short"
	if ratio >= goal {
		verdict = "ok"
	}
	return fmt.Sprintf("bench: %s ours=%s %s baseline=%s %s ratio=%.2f goal=%.2f %s",
		name, number(ours), unit, number(baseline), unit, ratio, goal, verdict)
}

// number prints four significant digits, and all digits before the point.
func number(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
