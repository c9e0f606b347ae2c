// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki"
)

func TestPublish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "www")
	h := newHouse(t)
	cert := h.issue("first")[0]
	publish := func(h *house) map[string]string {
		t.Helper()
		require.NoError(t, h.Publish(t.Context(), dir))
		found := map[string]string{}
		require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			found[filepath.ToSlash(name)] = string(data)
			return err
		}))
		require.Len(t, found, 16+2, "and nothing half-made")
		return found
	}
	number := func(der string) int64 {
		list, err := x509.ParseRevocationList([]byte(der))
		require.NoError(t, err)
		return list.Number.Int64()
	}
	s, err := h.Status(t.Context(), cert.SerialNumber)
	require.NoError(t, err)
	own := fmt.Sprintf("crl/%d.crl", s.Shard)

	before := publish(h)
	require.Equal(t, string(h.Chain()[0].Raw), before["aia/issuing.cer"])
	require.Equal(t, string(h.Chain()[1].Raw), before["aia/root.cer"])
	require.Equal(t, before, publish(h))
	require.NoError(t, h.Revoke(t.Context(), cert, pki.KeyCompromise, time.Time{}))
	after := publish(h)
	for name := range before {
		if name != own {
			require.Equal(t, before[name], after[name], name)
		}
	}
	require.Equal(t, number(before[own])+1, number(after[own]))

	t.Run("a later list of another server stays", func(t *testing.T) {
		require.NoError(t, h.Revoke(t.Context(), h.issue("second")[0], pki.KeyCompromise, time.Time{}))
		slow := newHouse(t, func(c *pki.Config) { c.Signer, c.Chain = h.authority, h.Chain() }) // an older ledger
		require.Equal(t, after[own], publish(slow)[own])
	})
	t.Run("what is no list of ours is replaced", func(t *testing.T) {
		for _, bad := range []string{"", "<html>", string(newHouse(t).list(0).Raw)} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, own), []byte(bad), 0o600))
			require.GreaterOrEqual(t, number(publish(h)[own]), number(after[own]))
		}
	})
	t.Run("many servers into one folder", func(t *testing.T) {
		servers := []*house{h, h.reopen(), h.reopen()}
		held := h.issue("held")[0]
		s, err := h.Status(t.Context(), held.SerialNumber)
		require.NoError(t, err)
		path := filepath.Join(dir, fmt.Sprintf("crl/%d.crl", s.Shard))
		for range 10 {
			var wg sync.WaitGroup
			for _, reason := range []int{pki.CertificateHold, pki.RemoveFromCRL} {
				for _, server := range servers {
					wg.Go(func() {
						assert.NoError(t, server.Revoke(t.Context(), held, reason, time.Time{}))
						assert.NoError(t, server.Publish(t.Context(), dir))
					})
				}
			}
			wg.Wait()
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			newest, err := h.ledger.CRL(t.Context(), h.KeyID(), s.Shard)
			require.NoError(t, err)
			require.Equal(t, newest.Number, number(string(data)))
		}
		publish(h)
	})
	t.Run("lists that can't be signed stay", func(t *testing.T) {
		kept := publish(h)
		dead := h.reopen(func(c *pki.Config) { c.Signer = h.failing(0) })
		h.clock.Add(48 * time.Hour)
		require.ErrorIs(t, dead.Publish(t.Context(), dir), pki.ErrSignerUnavailable)
		data, err := os.ReadFile(filepath.Join(dir, own))
		require.NoError(t, err)
		require.Equal(t, kept[own], string(data))
	})
}

// What a published file is renamed to was flushed before, and its folder is after:
// when the power fails, there is the old list or the new one, whole.
func TestPublishFlushes(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	out, err := exec.Command(need.Tool(t, "strace"), "-f", "-qq", "-y", "-o", trace, "-e", "trace=fsync,rename,renameat,renameat2",
		os.Args[0], "-test.run=^TestPublish$").CombinedOutput()
	require.NoError(t, err, "%s", out)
	calls, err := os.ReadFile(trace)
	require.NoError(t, err)
	flushed, owed, renames := map[string]bool{}, map[string]int{}, 0
	call := regexp.MustCompile(`(?m)^\d+ +(?:fsync\(\d+<([^>]+)>|rename\w*\((?:AT_FDCWD[^"]*)?"([^"]+)")`)
	for _, found := range call.FindAllStringSubmatch(string(calls), -1) {
		if path := found[1]; path != "" {
			flushed[path] = true
			owed[path]-- // where it is a folder
			continue
		}
		require.True(t, flushed[found[2]], "%s was not flushed", found[2])
		owed[filepath.Dir(found[2])]++
		renames++
	}
	require.Greater(t, renames, 18)
	for folder, more := range owed {
		require.LessOrEqual(t, more, 0, "%s was not flushed after each rename", folder)
	}
}
