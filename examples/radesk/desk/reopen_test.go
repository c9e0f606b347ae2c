// SPDX-License-Identifier: Apache-2.0

package desk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

// TestReopen is a nurse who left care and comes back.
func TestReopen(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{{Given: "Ola", Family: "Ek"}}})
	agent, sponsor, nurse := s.SignedIn(s.RAAgent), s.SignedIn(s.Sponsor), s.SignedIn(s.Nurse)
	page, reopen := of(s.Nurse), of(s.Nurse)+"/reopen"
	require.NotContains(t, agent.Get(page).Body, reopen)
	require.Equal(t, "profile.open", agent.Refused(http.MethodPost, reopen, nil))
	agent.Submit(page+"/leaving?kind=care", page+"/leave", fields("card", s.Nurse.Card.Serial))

	t.Run("a page of another site reopens nothing", func(t *testing.T) {
		for header, value := range map[string]string{"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Site ": "same-site"} {
			for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+reopen, http.NoBody)
				require.NoError(t, err)
				r.AddCookie(&http.Cookie{Name: "wardkey-session", Value: agent.Token()})
				r.Header.Set("Content-Type", kind)
				r.Header.Set(strings.TrimSpace(header), value)
				got, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				no, err := wardkey.ParseRefusal(got)
				require.NoError(t, err)
				require.NoError(t, got.Body.Close())
				require.Equal(t, "origin.refused", no.Rule)
			}
		}
		require.Equal(t, "page.unknown", agent.Refused(http.MethodGet, reopen, nil), "nor does a link")
		require.Contains(t, agent.Get(page).Body, "This Care Identity has ended.")
	})
	t.Run("threat063", func(t *testing.T) { // nobody does it whom the role table doesn't let, nor another organisation
		theirs := elsewhere(t, s, s.People[0], careid.RAAgent)
		require.Equal(t, "session.none", s.Stranger().Refused(http.MethodPost, reopen, nil))
		require.Equal(t, "session.ended", nurse.Refused(http.MethodPost, reopen, nil))
		require.Equal(t, "role.action", sponsor.Refused(http.MethodPost, reopen, nil))
		require.NotContains(t, sponsor.Get(page).Body, reopen)
		require.Equal(t, "org.scope", theirs.Refused(http.MethodPost, reopen, nil))
		require.Equal(t, "org.scope", theirs.Refused(http.MethodPost, "/desk/people/000000000000/reopen", nil), "as one that isn't there")
	})
	t.Run("what a closed profile refuses is not offered", func(t *testing.T) {
		shown := agent.Get(page)
		for _, form := range []string{`id="issue"`, `id="name"`, `id="leaves"`, page + "/positions"} {
			require.NotContains(t, shown.Body, form)
		}
		require.Contains(t, shown.Body, `id="contacts"`, "the message goes to the contact")
		require.Contains(t, agent.Get("/desk?find="+s.Nurse.Profile.ID).Body, `<span class="state closed">`)
	})
	shown := agent.Submit(page, reopen, nil)
	require.Equal(t, page+"?told=done", shown.Path)
	require.NotContains(t, shown.Body, "has ended")
	require.NotContains(t, shown.Body, reopen)
	require.Contains(t, shown.Body, `id="issue"`)
	require.Contains(t, shown.Body, `<span class="state returned">`, "the card is not given back")
	message, err := s.Inbox.Last(t.Context(), s.Care, s.Nurse.Profile.Email)
	require.NoError(t, err)
	require.Contains(t, message.Body, "open again, under the user id "+s.Nurse.Profile.ID)
	require.Contains(t, s.SignedIn(s.RAManager).Get("/desk/audit").Body, "reopen profile")
}
