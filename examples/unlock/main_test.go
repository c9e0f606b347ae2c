// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAlone starts the program on a hospital of its own, looks at its pages, and
// stops it.
func TestAlone(t *testing.T) {
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	out, told := io.Pipe()
	var errs bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- program().Run(ctx, []string{"-listen", "127.0.0.1:0", "-dir", t.TempDir()}, told, &errs)
		_ = told.Close()
	}()
	address := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ready := strings.CutPrefix(lines.Text(), "ready "); ready {
			address = url
			break
		}
	}
	require.NotEmpty(t, address)
	for path, says := range map[string]string{"/": "Unlock your card", "/unlock": "data-ask=", "/unlock/help": "No code came?"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Contains(t, string(page), says, path)
		require.Contains(t, string(page), "Not affiliated with or approved by the NHS")
	}
	interrupt()
	require.Zero(t, <-status, errs.String())
	_, err := http.Get(address)
	require.Error(t, err)
}
