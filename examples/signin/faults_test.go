// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each fault is what it says and nothing else, and ends when it is told to.
func TestFaults(t *testing.T) {
	p := newParty(t)
	s := test(t, p)
	var listed struct {
		InForce string
		Faults  []struct{ Name, What string }
	}
	s.tells(t, "/faults", &listed)

	// signIn is what the client gets to see of a sign-in under a fault.
	signIn := func(t *testing.T, sub string) (id, info map[string]any) {
		s.says(t, "/persona", `{"sub":"`+sub+`"}`)
		tokens := s.redeems(t, p, goes(t, visitor(t), s.asking(p, "scope", "openid profile nationalrbacaccess")))
		_, info = s.info(t, tokens)
		return claims(t, tokens["id_token"]), info
	}
	denied := func(t *testing.T, sub string) {
		s.says(t, "/persona", `{"sub":"`+sub+`"}`)
		at := goes(t, visitor(t), s.asking(p, "scope", "openid selectedrole"))
		require.Equal(t, "access_denied", at.Query().Get("error"), at.String())
	}
	now := float64(time.Now().Unix())
	for name, see := range map[string]func(*testing.T){
		"wrong-aud":    func(t *testing.T) { id, _ := signIn(t, nurse); require.Equal(t, "another-client", id["aud"]) },
		"wrong-issuer": func(t *testing.T) { id, _ := signIn(t, nurse); require.NotEqual(t, s.issuer, id["iss"]) },
		"wrong-nonce":  func(t *testing.T) { id, _ := signIn(t, nurse); require.NotEqual(t, "no", id["nonce"]) },
		"wrong-sub": func(t *testing.T) {
			id, info := signIn(t, nurse)
			require.Equal(t, nurse, id["sub"])
			require.NotEqual(t, nurse, info["sub"])
		},
		"missing-acr": func(t *testing.T) { id, _ := signIn(t, nurse); require.NotContains(t, id, "acr") },
		"low-level": func(t *testing.T) {
			id, _ := signIn(t, nurse)
			require.Equal(t, "AAL1_USERPASS", id["acr"])
			require.Equal(t, "1", id["authentication_assurance_level"])
		},
		"int-levels": func(t *testing.T) {
			id, info := signIn(t, nurse)
			require.EqualValues(t, 3, id["authentication_assurance_level"])
			require.EqualValues(t, 3, info["idassurancelevel"])
		},
		"stale-auth-time": func(t *testing.T) {
			id, _ := signIn(t, nurse)
			require.InDelta(t, now-24*3600, id["auth_time"], 300)
			require.InDelta(t, now, id["iat"], 300)
		},
		"expired": func(t *testing.T) { id, _ := signIn(t, nurse); require.Less(t, id["exp"], now) },
		"skewed-clock": func(t *testing.T) {
			id, _ := signIn(t, nurse)
			require.InDelta(t, now+600, id["iat"], 300)
			require.InDelta(t, now+600, id["auth_time"], 300)
		},
		"role-less": func(t *testing.T) {
			_, info := signIn(t, nurse)
			require.Equal(t, []any{}, info["nhsid_nrbac_roles"])
			denied(t, nurse)
		},
		"closed-profile": func(t *testing.T) { denied(t, "900000000106") },
	} {
		t.Run(name, func(t *testing.T) {
			s.says(t, "/fault", `{"name":"`+name+`"}`)
			defer s.says(t, "/fault", `{"name":""}`)
			see(t)
		})
		found := false
		for _, f := range listed.Faults {
			found = found || f.Name == name && f.What != ""
		}
		require.True(t, found, name)
	}
	require.Len(t, listed.Faults, 12)

	t.Run("and then all is well", func(t *testing.T) {
		id, info := signIn(t, nurse)
		require.Equal(t, "ward", id["aud"])
		require.Equal(t, "3", id["authentication_assurance_level"])
		require.Equal(t, "3", info["idassurancelevel"])
		require.Len(t, info["nhsid_nrbac_roles"], 1)
	})
	t.Run("a closed profile is open after a reset, and all else as it began", func(t *testing.T) {
		const gone = "900000000106"
		denied(t, gone)
		s.says(t, "/persona", `{"sub":"`+doctor+`"}`)
		require.Empty(t, s.says(t, "/reset", `{}`)["rule"])
		require.Equal(t, "/login", goes(t, visitor(t), s.asking(p)).Path, "nobody waits")
		var logouts []any
		s.tells(t, "/logouts", &logouts)
		require.Empty(t, logouts)
		id, _ := signIn(t, gone)
		require.Equal(t, "1", id["idassurancelevel"])
	})
}

// What becomes of cards.
func TestCards(t *testing.T) {
	p := newParty(t)
	s := test(t, p)
	at := func(t *testing.T, sub string) string {
		s.says(t, "/persona", `{"sub":"`+sub+`"}`)
		to := goes(t, visitor(t), s.asking(p))
		require.Equal(t, "/callback", to.Path)
		return to.Query().Get("error")
	}
	t.Run("threat034/pulled, and put back", func(t *testing.T) {
		require.Empty(t, at(t, nurse))
		s.says(t, "/card", `{"do":"pull"}`)
		require.Equal(t, "access_denied", at(t, nurse))
		s.says(t, "/card", `{"do":"insert"}`)
		require.Empty(t, at(t, nurse))
		require.Len(t, p.tokens(), 1, "the client that had a code is told of the end")
	})
	t.Run("locked for good", func(t *testing.T) {
		require.Empty(t, s.says(t, "/card", `{"do":"lock","sub":"`+doctor+`"}`)["rule"])
		require.Equal(t, "access_denied", at(t, doctor))
		s.says(t, "/card", `{"do":"insert","sub":"`+doctor+`"}`)
		require.Equal(t, "access_denied", at(t, doctor))
	})
	t.Run("lost, which ends what it holds up", func(t *testing.T) {
		const pharmacist = "900000000103"
		s.says(t, "/persona", `{"sub":"`+pharmacist+`"}`)
		tokens := s.redeems(t, p, goes(t, visitor(t), s.asking(p)))
		told := len(p.tokens())
		require.Empty(t, s.says(t, "/card", `{"do":"lose"}`)["rule"])
		require.Empty(t, s.says(t, "/card", `{"do":"lose"}`)["rule"], "a second report changes nothing")
		status, _ := s.info(t, tokens)
		require.Equal(t, 401, status)
		require.Len(t, p.tokens(), told+1)
		require.Equal(t, "access_denied", at(t, pharmacist))
	})
	t.Run("years later", func(t *testing.T) {
		require.Empty(t, s.says(t, "/clock", `{"add":"26400h"}`)["rule"]) // three years and four days
		require.Equal(t, "access_denied", at(t, nurse), "the certificates have ended")
		const receptionist = "900000000104"
		require.Empty(t, at(t, receptionist), "whose card is made when it is first used")
	})
}
