// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"os"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// suite is as much of JUnit's form as its readers need.
type suite struct {
	XMLName  xml.Name   `xml:"testsuite"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *message `xml:"failure"`
	Skipped *message `xml:"skipped"`
}

type message struct {
	Text string `xml:"message,attr"`
}

// writeJUnit writes what departed or wasn't asked as skipped, with the reason.
func writeJUnit(path string, results []cardtest.Result) error {
	s := suite{Name: "cardcheck", Tests: len(results)}
	for _, r := range results {
		c := testCase{Class: "PKCS#11 " + r.Clause, Name: r.Name}
		switch r.Outcome {
		case cardtest.Failed:
			s.Failures++
			c.Failure = &message{r.Detail}
		case cardtest.Departed, cardtest.NotAsked:
			s.Skipped++
			c.Skipped = &message{r.Outcome.String() + ": " + r.Detail}
		}
		s.Cases = append(s.Cases, c)
	}
	text, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(xml.Header), text...), 0o644)
}
