// SPDX-License-Identifier: Apache-2.0

// Command notice writes NOTICE: whose work is linked into programs that import
// this module, and under which licences.
//
//	go run ./internal/notice >NOTICE         # make notice
//	go run ./internal/notice -check NOTICE   # make lint
//
// It asks go list for the modules of all packages that are not tests, on the
// systems that the module supports, with and without cgo, and copies the
// licences out of the module cache. A module without a licence file is an
// error.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	check := flag.String("check", "", "compare with this file instead of printing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(check string) error {
	modules, err := linked()
	if err != nil {
		return err
	}
	text, err := notice(modules)
	if err != nil {
		return err
	}
	if check == "" {
		_, err = os.Stdout.Write(text)
		return err
	}
	have, err := os.ReadFile(check)
	if err != nil {
		return fmt.Errorf("notice: %w", err)
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("notice: %s does not list what is linked (%s): run make notice", check, difference(string(have), modules))
	}
	return nil
}

// module is one that is linked, and the folder of its source.
type module struct{ path, version, folder string }

func (m module) heading() string { return m.path + " " + m.version }

// linked asks for the modules of each system that a program may be built for.
func linked() ([]module, error) {
	var modules []module
	for _, build := range [][]string{
		{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1"},
		{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"},
		{"GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=1"},
		{"GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=1"},
	} {
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./...")
		list.Env = append(os.Environ(), build...)
		out, err := list.Output()
		if err != nil {
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				err = fmt.Errorf("%w: %s", err, exit.Stderr)
			}
			return nil, fmt.Errorf("notice: go list for %s: %w", strings.Join(build, " "), err)
		}
		for line := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(f) == 3 {
				modules = append(modules, module{f[0], f[1], f[2]})
			}
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return slices.Compact(modules), nil
}

// difference names the modules that stand on one side only.
func difference(have string, modules []module) string {
	listed := map[string]bool{}
	for line := range strings.Lines(have) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "*" && strings.HasPrefix(f[2], "v") {
			listed[f[1]+" "+f[2]] = true
		}
	}
	var diff []string
	for _, m := range modules {
		if !listed[m.heading()] {
			diff = append(diff, "missing "+m.heading())
		}
		delete(listed, m.heading())
	}
	for name := range listed {
		diff = append(diff, "no longer "+name)
	}
	if len(diff) == 0 {
		return "a licence differs"
	}
	slices.Sort(diff)
	return strings.Join(diff, ", ")
}
