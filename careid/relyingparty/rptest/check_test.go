// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

func open(t *testing.T) *rptest.Checker {
	return rptest.New(t, rptest.Config{ClientID: "ward-app", Secret: []byte("a secret of the tests")})
}

// An application that does everything right passes everything, and one on
// coreos/go-oidc does so when its author adds what the library leaves open.
func TestARightApplicationPasses(t *testing.T) {
	checker := open(t)
	app := newApplication(t, checker, "")
	report, err := checker.Play(t.Context(), rptest.Application{Login: app.URL + "/ward", BackChannel: app.URL + "/logout", MinIdentity: 3})
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, report.Print(&text))
	require.True(t, report.Passed(), text.String())
	require.Contains(t, text.String(), " played, 0 wrong, 0 not played\n")
	bad := 0
	for _, r := range report.Results {
		if r.Bad {
			require.NotEmpty(t, r.Clause, r.Name)
			bad++
		}
	}
	require.GreaterOrEqual(t, bad, 14)
}

// Each bad sign-in finds the application that lacks its one check: what nobody
// can fail would show nothing.
func TestEachPlayFindsItsApplication(t *testing.T) {
	checker := open(t)
	for _, name := range rptest.Names() {
		if name == "good" || name == "good-again" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			app := newApplication(t, checker, name)
			report, err := checker.Play(t.Context(), rptest.Application{
				Login: app.URL + "/ward", BackChannel: app.URL + "/logout", MinIdentity: 3, Only: []string{name},
			})
			require.NoError(t, err)
			require.False(t, report.Passed())
			for _, r := range report.Results {
				switch {
				case r.Name == name:
					require.Equal(t, rptest.Wrong, r.Verdict, "%+v", r)
				case name != "logout-good":
					require.Equal(t, rptest.Right, r.Verdict, "%+v", r)
				}
			}
			if name != "logout-good" {
				require.Equal(t, []string{name}, report.Accepted())
			}
		})
	}
}
