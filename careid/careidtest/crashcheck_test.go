// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// generations are what the server takes the card's SO PIN for.
func (s *site) generations(t *testing.T) (first, second int64) {
	t.Helper()
	require.NoError(t, s.DB.QueryRowContext(t.Context(),
		"SELECT so_first, so_second FROM careid_card WHERE serial = $1", siteSerial).Scan(&first, &second))
	return first, second
}

// knows says whether the server has the SO PIN of the card as one of its two at most.
func (s *site) knows(t *testing.T) bool {
	t.Helper()
	first, second := s.generations(t)
	for _, generation := range []int64{first, second} {
		pin, err := siteMaster().SOPIN(t.Context(), siteSerial, generation)
		require.NoError(t, err)
		if generation != 0 && bytes.Equal(pin, s.card.SOPIN) {
			return true
		}
	}
	return false
}

func (s *site) afterUnlock(t *testing.T, k int) string {
	a := s.agent
	resets := s.number(t, "SELECT COUNT(*) FROM careid_reset")
	confirmed := s.number(t, "SELECT COUNT(*) FROM careid_reset WHERE state = 'confirmed'")
	require.LessOrEqual(t, resets, 1)
	require.True(t, s.knows(t), "the card has an SO PIN that the server lost")
	left := "no code yet"
	if a.Request != "" {
		tries := s.number(t, "SELECT tries FROM careid_code WHERE request = $1", a.Request)
		require.GreaterOrEqual(t, tries, a.Answered, "a try was given back")
		require.LessOrEqual(t, tries, a.Asked)
		used := s.number(t, "SELECT COUNT(*) FROM careid_code WHERE state = 'used'")
		require.Equal(t, used, resets, "a code is used when its reset is open, and not before")
		require.Equal(t, resets, s.number(t, "SELECT COUNT(*) FROM careid_audit WHERE detail LIKE 'reset opened%'"))
		left = fmt.Sprintf("code open, %d tried", tries)
		if used == 1 {
			left = "code used"
			_, err := s.redeem(t.Context(), a.Code)
			require.Equal(t, "unlock.code", wardkey.RuleOf(err), "a code was used twice")
			require.Equal(t, 1, s.number(t, "SELECT COUNT(*) FROM careid_reset"))
		}
	}
	switch {
	case confirmed == 1:
		left = "unlocked"
		first, second := s.generations(t)
		require.False(t, s.card.Locked, "held as open, and its holder has no passcode")
		require.True(t, s.knows(t) && first != 0 && second == 0, "the new generation stands alone")
	case a.Next != nil:
		left = "opened"
	}
	if a.Done {
		left = "done"
	}
	s.unlockAgain(t, k)
	return left
}

// unlockAgain brings the card to its holder after a kill: the agent goes on, or it died too, or somebody first tries
// what is left of the code.
func (s *site) unlockAgain(t *testing.T, k int) {
	t.Helper()
	a := s.agent
	if k%3 == 2 && a.Request != "" && a.Token == "" {
		tries := s.number(t, "SELECT tries FROM careid_code WHERE request = $1", a.Request)
		open := s.number(t, "SELECT COUNT(*) FROM careid_code WHERE request = $1 AND state = 'open'", a.Request)
		for range open * (5 - tries) {
			_, err := s.redeem(t.Context(), s.wrongCode())
			require.Equal(t, "unlock.code", wardkey.RuleOf(err))
		}
		_, err := s.redeem(t.Context(), a.Code)
		require.Equal(t, "unlock.code", wardkey.RuleOf(err), "a sixth try")
		a.Token = ""
	}
	if k%3 == 0 && s.unlock(t.Context()) == nil {
		a.Done = true
	} else {
		s.Clock.Add(24 * time.Hour)
		*a = memory{Now: s.Clock.Now()}
		require.NoError(t, s.unlock(t.Context()))
	}
	require.LessOrEqual(t, s.card.WrongSOPIN, 1)
	require.False(t, s.card.Locked)
	_, second := s.generations(t)
	require.Zero(t, second)
	require.True(t, s.knows(t))
	_, err := s.SignIn(t.Context(), s.person.Card)
	require.NoError(t, err)
}

func (s *site) afterRenewal(t *testing.T, k int) string {
	left := s.pairs(t)
	if s.agent.Done {
		require.Equal(t, "swapped", left, "confirmed, and forgotten")
		left = "done"
	}
	_, err := s.SignIn(t.Context(), s.person.Card)
	if left == "swapped" || left == "done" {
		require.Equal(t, "cert.superseded", wardkey.RuleOf(err))
	} else {
		require.NoError(t, err, "the old pair is the card's until the new one is confirmed")
		if k%2 == 1 { // the workstation died too
			in, err := s.SignIn(t.Context(), s.person.Card)
			require.NoError(t, err)
			*s.agent = memory{Now: s.agent.Now, Session: in.Token}
		}
	}
	if left != "swapped" || s.agent.Handle != "" {
		require.NoError(t, s.renew(t.Context()))
	}
	require.Equal(t, "swapped", s.pairs(t))
	require.Equal(t, 4, s.number(t, "SELECT COUNT(*) FROM pki_certificates"), "one new pair, whatever was asked again")
	renewed := &careidtest.Card{Serial: siteSerial, Passcode: s.person.Card.Passcode}
	renewed.Keys, renewed.Certificates, err = pairOf(s.card.NewKeys, s.card.NewCerts)
	require.NoError(t, err)
	in, err := s.SignIn(t.Context(), renewed)
	require.NoError(t, err)
	require.Empty(t, in.Session.OpenAct)
	return left
}

// pairs says how the certificates of the card stand, which never go one by one.
func (s *site) pairs(t *testing.T) string {
	t.Helper()
	certs, err := s.Service.Certificates(t.Context(), careid.Operator("test"), siteSerial)
	require.NoError(t, err)
	acts := map[careid.CertificateState][]string{}
	for _, c := range certs {
		acts[c.State] = append(acts[c.State], c.Act)
	}
	for state, of := range acts {
		require.Len(t, of, 2, state)
		require.Equal(t, of[0], of[1], "half a pair is %s", state)
	}
	switch {
	case len(acts[careid.CertificateReplaced]) == 2:
		require.Len(t, certs, 4)
		require.Len(t, acts[careid.CertificateCurrent], 2)
		return "swapped"
	case len(acts[careid.CertificatePending]) == 2:
		require.Len(t, certs, 4)
		return "both"
	case s.number(t, "SELECT COUNT(*) FROM careid_act WHERE kind = 'renew'") == 1:
		return "act open"
	}
	return "old alone"
}

func (s *site) afterLink(t *testing.T, _ int) string {
	links, err := s.Service.Links(t.Context(), careid.Operator("test"), s.card.Profile.ID)
	require.NoError(t, err)
	var active []string
	for _, l := range links {
		require.NotEqual(t, careid.LinkSuspended, l.State)
		if l.State == careid.LinkActive {
			require.Equal(t, siteSerial, l.Card)
			active = append(active, l.Address)
		}
	}
	told := s.number(t, "SELECT COUNT(*) FROM careid_audit WHERE action IN ('link mail account', 'relink mail account', 'unlink mail account')")
	require.GreaterOrEqual(t, told, s.agent.Step, "what was answered is in the audit")
	require.LessOrEqual(t, told, s.agent.Step+1)
	require.Equal(t, linkStates[told], strings.Join(active, " and "), "after %d steps", told)
	left := fmt.Sprintf("%d steps", told)
	if s.agent.Step == len(linkStates)-1 {
		left = "done"
	}
	s.agent.Step = told // the person looks first
	require.NoError(t, s.relink(t.Context()))
	address, err := s.Service.MailAccount(t.Context(), s.agent.Session)
	require.NoError(t, err)
	require.Equal(t, firstMail, address)
	return left
}
