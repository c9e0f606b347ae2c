// SPDX-License-Identifier: Apache-2.0

// Command rows tells which rows of the requirements are shown by tests.
//
//	go test -json ./... | go run ./internal/rows -table rows.tsv
//
// A row is shown when a subtest of its name (row058, threat034) ran and
// passed, and no subtest of that name failed or was skipped, nor any within
// it. It prints what each room has shown and lists the rows that are open. It
// fails on a table or a test that names a row which is not in the other's
// numbering, and never because rows are open.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	table := flag.String("table", "rows.tsv", "the list of rows")
	flag.Parse()
	if err := run(*table, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string, events io.Reader, out io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	rows, err := readTable(file)
	if err != nil {
		return err
	}
	results, err := readEvents(events)
	if err != nil {
		return err
	}
	return report(out, rows, results)
}
