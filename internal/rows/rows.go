// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// row is a line of rows.tsv: the name of its subtest, one sentence, the room.
type row struct{ name, sentence, room string }

var rowName = regexp.MustCompile(`^(row|threat)\d{3}$`)

func readTable(r io.Reader) ([]row, error) {
	var rows []row
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 3 || !rowName.MatchString(f[0]) || f[1] == "" || f[2] == "" || seen[f[0]] {
			return nil, fmt.Errorf("rows: line %d of the table is not a new name, a sentence and a room", n)
		}
		seen[f[0]] = true
		rows = append(rows, row{f[0], f[1], f[2]})
	}
	return rows, lines.Err()
}

// result is what became of the subtests of one name.
type result struct{ passed, failed, skipped bool }

func (r result) shown() bool { return r.passed && !r.failed && !r.skipped }

// readEvents reads what `go test -json` prints (go doc test2json).
func readEvents(r io.Reader) (map[string]result, error) {
	results := map[string]result{}
	decoder := json.NewDecoder(r)
	for {
		var event struct{ Action, Test string }
		err := decoder.Decode(&event)
		if errors.Is(err, io.EOF) {
			return results, nil
		}
		if err != nil {
			return nil, fmt.Errorf("rows: not the output of go test -json: %w", err)
		}
		parts := strings.Split(event.Test, "/")
		for i, part := range parts[1:] {
			if !rowName.MatchString(part) {
				continue
			}
			own := i == len(parts)-2 // and not a subtest within it
			result := results[part]
			result.passed = result.passed || own && event.Action == "pass"
			result.failed = result.failed || event.Action == "fail"
			result.skipped = result.skipped || event.Action == "skip"
			results[part] = result
		}
	}
}

// report prints one line a room, the open rows, and the sums last.
func report(out io.Writer, rows []row, results map[string]result) error {
	known := map[string]bool{}
	shown, all := map[string]int{}, map[string]int{}
	var open []row
	for _, r := range rows {
		known[r.name] = true
		all[r.room]++
		if results[r.name].shown() {
			shown[r.room]++
		} else {
			open = append(open, r)
		}
	}
	for name := range results {
		if !known[name] {
			return fmt.Errorf("rows: a test shows %s, which is not in the table", name)
		}
	}
	p := &printer{out: out}
	for _, r := range open {
		p.printf("open  %-10s %-20s %s%s\n", r.name, r.room, r.sentence, why(results[r.name]))
	}
	for _, room := range slices.Sorted(maps.Keys(all)) {
		p.printf("rows: %-20s %3d of %3d\n", room, shown[room], all[room])
	}
	p.printf("rows: %d of %d shown, %d open\n", len(rows)-len(open), len(rows), len(open))
	return p.err
}

func why(r result) string {
	switch {
	case r.failed:
		return " (failed)"
	case r.skipped:
		return " (skipped)"
	}
	return ""
}

// printer keeps the first error of several prints.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}
