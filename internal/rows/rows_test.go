// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const table = "# comment\nrow001\tFirst.\tpki\nrow002\tSecond.\tcareid\nrow003\tThird.\tpki\nthreat001\tFourth.\tpki\n"

func printed(t *testing.T, events ...string) (string, error) {
	t.Helper()
	rows, err := readTable(strings.NewReader(table))
	require.NoError(t, err)
	results, err := readEvents(strings.NewReader(strings.Join(events, "\n")))
	require.NoError(t, err)
	var out strings.Builder
	err = report(&out, rows, results)
	return out.String(), err
}

func TestOnlyWhatRanAndPassedCounts(t *testing.T) {
	out, err := printed(t,
		`{"Action":"start","Package":"x"}`,
		`{"Action":"run","Test":"TestA/row001"}`,
		`{"Action":"skip","Test":"TestA/row001/part"}`,
		`{"Action":"pass","Test":"TestA/row001"}`,
		`{"Action":"pass","Test":"TestA/group/row002"}`,
		`{"Action":"fail","Test":"TestB/row003"}`,
		`{"Action":"pass","Test":"TestA/row003"}`,
		`{"Action":"pass","Test":"TestA/threat001/part"}`,
		`{"Action":"pass","Test":"TestA/row0021"}`,
		`{"Action":"pass","Test":"row003"}`,
	)
	require.NoError(t, err)
	require.Contains(t, out, "row001     pki                  First. (skipped)\n")
	require.Contains(t, out, "row003     pki                  Third. (failed)\n")
	require.Contains(t, out, "threat001  pki                  Fourth.\n")
	require.NotContains(t, out, "open  row002")
	require.Contains(t, out, "rows: careid                 1 of   1\n")
	require.True(t, strings.HasSuffix(out, "rows: 1 of 4 shown, 3 open\n"), out)
}

// A row that two rooms show is one row, and open as long as one of them fails.
func TestARowOfTwoRooms(t *testing.T) {
	first, second := `{"Action":"pass","Package":"careid","Test":"TestA/row002"}`, `{"Action":"pass","Package":"mailpolicy","Test":"TestB/row002"}`
	out, err := printed(t, first, second)
	require.NoError(t, err)
	require.Contains(t, out, "rows: careid                 1 of   1\n")
	require.True(t, strings.HasSuffix(out, "rows: 1 of 4 shown, 3 open\n"), out)
	for _, events := range [][]string{{first, strings.Replace(second, "pass", "fail", 1)}, {strings.Replace(first, "pass", "fail", 1), second}} {
		out, err := printed(t, events...)
		require.NoError(t, err)
		require.Contains(t, out, "Second. (failed)\n")
		require.True(t, strings.HasSuffix(out, "rows: 0 of 4 shown, 4 open\n"), out)
	}
}

func TestARowThatNobodyListed(t *testing.T) {
	_, err := printed(t, `{"Action":"pass","Test":"TestA/row999"}`)
	require.ErrorContains(t, err, "row999")
}

func TestTableRefuses(t *testing.T) {
	for _, bad := range []string{"row1\ta\tb", "row001\ta", "row001\t\tb", "row001\ta\tb\nrow001\ta\tb"} {
		_, err := readTable(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
	_, err := readEvents(strings.NewReader("ok  	x	0.1s"))
	require.Error(t, err)
}

func TestTheTableIsWhole(t *testing.T) {
	file, err := os.Open("../../rows.tsv")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	rows, err := readTable(file)
	require.NoError(t, err)
	count := map[string]int{}
	for _, r := range rows {
		count[strings.TrimRight(r.name, "0123456789")]++
	}
	require.Equal(t, map[string]int{"row": 177, "threat": 65}, count)
}
