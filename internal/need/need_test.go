// SPDX-License-Identifier: Apache-2.0

package need_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// recorder is a test that is skipped or failed without ending this one.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) { r.skipped = format }

func (r *recorder) Fatalf(format string, args ...any) { r.failed = format }

func (r *recorder) Fatal(args ...any) { r.failed = args[0].(error).Error() }

func TestTool(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	t.Setenv("REQUIRE", "")

	absent := &recorder{TB: t}
	require.Empty(t, need.Tool(absent, "openssl"))
	require.NotEmpty(t, absent.skipped, "absent: skipped")
	require.Empty(t, absent.failed)

	for _, list := range []string{"openssl", "cc, openssl", "cc openssl strace", "cc,openssl"} {
		t.Setenv("REQUIRE", list)
		required := &recorder{TB: t}
		need.Tool(required, "openssl")
		require.NotEmpty(t, required.failed, "absent and required by %q: failed", list)
		require.Empty(t, required.skipped)
	}
	t.Setenv("REQUIRE", "openssl-fips")
	other := &recorder{TB: t}
	need.Tool(other, "openssl")
	require.NotEmpty(t, other.skipped, "another name is not this one")

	path := filepath.Join(bin, "openssl")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700))
	require.Equal(t, path, need.Tool(t, "openssl"))
}

func TestANameThatNobodyKnowsFails(t *testing.T) {
	r := &recorder{TB: t}
	need.Tool(r, "opensll")
	require.True(t, strings.Contains(r.failed, "opensll"), r.failed)
}

func TestAVariableThatPointsNowhereIsNotPassedOver(t *testing.T) {
	t.Setenv("SOFTHSM2_MODULE", filepath.Join(t.TempDir(), "absent.so"))
	_, err := need.Find("softhsm")
	require.ErrorContains(t, err, "SOFTHSM2_MODULE")
}

// A tool that is there and can't be used here is as good as absent.
func TestMet(t *testing.T) {
	t.Setenv("REQUIRE", "opensc")
	need.Met(t, "opensc", nil)
	other := &recorder{TB: t}
	need.Met(other, "nss", errors.New("no namespaces"))
	require.NotEmpty(t, other.skipped)
	require.Empty(t, other.failed)
	required := &recorder{TB: t}
	need.Met(required, "opensc", errors.New("no namespaces"))
	require.NotEmpty(t, required.failed)
	require.Empty(t, required.skipped)
}

func TestPKITSIsWhereTheVariableSays(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PKITS", folder)
	_, err := need.Find("pkits")
	require.ErrorContains(t, err, folder)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "certs"), 0o700))
	require.Equal(t, folder, need.Tool(t, "pkits"))
}

func TestNodeIsWhereTheVariableSays(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("NODE_MODULES", folder)
	_, err := need.Find("node")
	require.ErrorContains(t, err, folder)
	require.NoError(t, os.Mkdir(filepath.Join(folder, ".bin"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".bin", "node"), nil, 0o700))
	require.Equal(t, folder, need.Tool(t, "node"))
}

func TestNames(t *testing.T) {
	for _, name := range strings.Fields("cc softhsm p11-kit pkcs11-tool nss opencryptoki opensc openssl gnutls postgres strace node python3-authlib pkits browser") {
		path, err := need.Find(name)
		if err != nil {
			require.NotContains(t, err.Error(), "not a tool that tests know")
		}
		t.Logf("%-16s %s%v", name, path, err)
	}
}
