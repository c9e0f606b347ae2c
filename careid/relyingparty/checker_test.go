// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

// What the checker plays against anybody's application it plays against this one,
// in each of the ways in which the national service registers one.
func TestTheCheckerFindsNothing(t *testing.T) {
	for name, with := range map[string]func(*relyingparty.Config){
		"as by default": func(*relyingparty.Config) {},
		"asking for a fresh sign-in": func(c *relyingparty.Config) {
			c.Prompt, c.MaxAge, c.ACRValues = "login", 4*time.Minute, []string{"AAL3_ANY"}
		},
		"without PKCE": func(c *relyingparty.Config) { c.NoPKCE, c.MaxAge = true, 5*time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			checker := rptest.New(t, rptest.Config{ClientID: clientID, Secret: secret(), IntLevels: name == "without PKCE"})
			app := protect(t, func(string) relyingparty.Config {
				c := relyingparty.Config{Issuer: checker.Issuer(), ClientID: clientID, Secret: secret()}
				with(&c)
				return c
			})
			report, err := checker.Play(t.Context(), app.application())
			require.NoError(t, err)
			for _, r := range report.Results {
				require.NotEqual(t, rptest.Wrong, r.Verdict, "%+v", r)
			}
			if name != "as by default" {
				for _, r := range report.Results {
					require.Equal(t, rptest.Right, r.Verdict, "%+v", r)
				}
			}
		})
	}
}

// The checker verifies each client assertion by the keys that the application
// publishes, also while they change.
func TestPrivateKeyJWTAndRotation(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512"} {
		t.Run(alg, func(t *testing.T) {
			wall := new(clock)
			keys, err := relyingparty.NewKeys(alg, wall.now)
			require.NoError(t, err)
			_, err = keys.Add(rsaKey(t), time.Time{})
			require.NoError(t, err)
			var checker *rptest.Checker
			app := protect(t, func(address string) relyingparty.Config {
				checker = rptest.New(t, rptest.Config{ClientID: clientID, JWKS: address + "/auth/jwks", Wall: wall.now})
				return relyingparty.Config{Issuer: checker.Issuer(), ClientID: clientID, Keys: keys, Wall: wall.now}
			})
			checker.Check(t, app.application())

			_, err = keys.Add(rsaKey(t), wall.now().Add(2*time.Hour))
			require.NoError(t, err)
			good := app.application()
			good.Only = []string{"good"}
			for range 4 { // before, at, an hour after and long after the change
				checker.Check(t, good)
				wall.add(time.Hour + time.Minute)
			}
		})
	}
}
