// SPDX-License-Identifier: Apache-2.0

package desk_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

// invited has somebody invited at the desk, and returns where their invitation
// leads and the application's id.
func invited(t *testing.T, s *pagestest.Site, by *pagestest.Browser, given, family, email string) (apply, id string) {
	t.Helper()
	shown := by.Submit("/desk", "/desk/invitations", fields("givenName", given, "familyName", family, "email", email))
	require.Equal(t, "/desk?told=invited", shown.Path, shown.Body)
	apps, err := s.Care.Applications(t.Context(), careid.Operator("test"))
	require.NoError(t, err)
	i := slices.IndexFunc(apps, func(a careid.Application) bool { return a.Email == email })
	require.GreaterOrEqual(t, i, 0)
	return invitation(t, s, email), apps[i].ID
}

// invitation is where the newest invitation to an address leads.
func invitation(t *testing.T, s *pagestest.Site, email string) string {
	t.Helper()
	m, err := s.Inbox.Last(t.Context(), s.Care, email)
	require.NoError(t, err)
	return "/apply/" + m.Token()[strings.LastIndex(m.Token(), "/")+1:]
}

// submitted is the whole answer to an application, but for its date.
func submitted(t *testing.T, s *pagestest.Site, apply string, typed url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+apply, strings.NewReader(typed.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	got, err := http.DefaultTransport.RoundTrip(r) // a client would go on to the next page
	require.NoError(t, err)
	got.Header.Del("Date")
	var answer strings.Builder
	require.NoError(t, got.Write(&answer))
	return answer.String()
}

// seen are documents that do for an identity check.
func seen() url.Values {
	return fields("documents.0.number", "925665416", "documents.2.kind", "bank-statement")
}

// elsewhere is the browser of somebody with a role at another organisation.
func elsewhere(t *testing.T, s *pagestest.Site, p careidtest.Person, role careid.Role) *pagestest.Browser {
	t.Helper()
	require.NoError(t, s.Store.Write(t.Context(), func(ctx context.Context, tx *careid.Tx) error {
		return tx.People.AddGrant(ctx, careid.Grant{Profile: p.Profile.ID, Role: role, Organisation: "RX1", From: tx.Now, By: "test"})
	}))
	return s.SignedIn(p)
}

// TestDuplicate is one person who applies twice: the second application ends at the
// desk, and the applicant is told nothing of it.
func TestDuplicate(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{{Given: "Ola", Family: "Ek"}}})
	agent, manager := s.SignedIn(s.RAAgent), s.SignedIn(s.RAManager)
	noah := fields("niNumber", "AB 12 34 56 C", "born", "1990-02-28")
	apply, first := invited(t, s, agent, "Noah", "Frost", "noah.frost@nhs.net")

	t.Run("the form says why it asks, and a number that can't be right comes back", func(t *testing.T) {
		require.Contains(t, s.Stranger().Get(apply).Body, "whether you have a Care Identity already")
		for _, wrong := range []url.Values{
			fields("niNumber", "AB 12 34 56 C", "born", ""),
			fields("niNumber", "", "born", "1990-02-28"),
			fields("niNumber", "12 AB 34 56", "born", "1990-02-28"),
			fields("niNumber", "AB 12 34 56 C", "born", "28.2.1990"),
			fields("niNumber", "AB 12 34 56 C", "born", "1990-02-30"),
			fields("niNumber", "AB 12 34 56 C", "born", "2990-02-28"),
		} {
			shown := s.Stranger().Submit(apply, apply, wrong)
			require.Equal(t, http.StatusUnprocessableEntity, shown.Status, wrong)
			require.Contains(t, shown.Body, "<code>identity.person</code>", wrong)
			require.Contains(t, shown.Body, `value="`+wrong.Get("niNumber")+`"`)
			require.Contains(t, shown.Body, `value="`+wrong.Get("born")+`"`)
		}
	})
	require.Contains(t, s.Stranger().Submit(apply, apply, noah).Path, "?told=submitted")
	require.Contains(t, agent.Submit("/desk", "/desk/applications/"+first+"/check", seen()).Path, "?told=done")
	id := found(t, manager.Submit("/desk", "/desk/applications/"+first+"/approve", nil), `<span class="mono">(\d{12})</span>`)

	again, second := invited(t, s, agent, "Rosa", "Lund", "rosa.lund@nhs.net")
	other, third := invited(t, s, agent, "Ivo", "Marsh", "ivo.marsh@nhs.net")
	t.Run("threat008", func(t *testing.T) { // a stranger with somebody's number doesn't learn whether they are known
		known := submitted(t, s, again, noah)
		unknown := submitted(t, s, other, fields("niNumber", "AB 12 34 57 C", "born", "1990-02-28"))
		require.Equal(t, unknown, known)
		require.Contains(t, known, "/?told=submitted")
	})
	t.Run("the desk is told whose profile it is, and keeps what was typed", func(t *testing.T) {
		shown := agent.Submit("/desk", "/desk/applications/"+second+"/check", seen())
		require.Equal(t, http.StatusConflict, shown.Status)
		require.Contains(t, shown.Body, "<code>identity.duplicate</code>")
		require.Contains(t, shown.Body, "has a Care Identity profile already, with user id "+id)
		require.Contains(t, shown.Body, "reopen the profile: nobody has a second one.")
		require.Contains(t, shown.Body, `value="925665416"`)
		require.Contains(t, shown.Body, "leave this one unchecked: it can’t be taken back, and opens nothing.", "the application stays where it is")
		require.Contains(t, agent.Submit("/desk", "/desk/applications/"+third+"/check", seen()).Path, "?told=done", "another person is not kept waiting")
	})
	t.Run("of two that were checked, one is approved", func(t *testing.T) {
		var ids [2]string
		for i, email := range []string{"a.hale@nhs.net", "b.hale@nhs.net"} {
			var apply string
			apply, ids[i] = invited(t, s, agent, "Uma", "Hale", email)
			s.Stranger().Submit(apply, apply, fields("niNumber", "AB123459C", "born", "1990-02-28"))
			require.Contains(t, agent.Submit("/desk", "/desk/applications/"+ids[i]+"/check", seen()).Path, "?told=done")
		}
		require.Contains(t, manager.Submit("/desk", "/desk/applications/"+ids[0]+"/approve", nil).Body, "<h1>Uma Hale</h1>")
		shown := manager.Submit("/desk", "/desk/applications/"+ids[1]+"/approve", nil)
		require.Equal(t, http.StatusConflict, shown.Status)
		require.Contains(t, shown.Body, "<code>identity.duplicate</code>")
		require.Contains(t, shown.Body, "<h1>Registration desk</h1>")
	})
	t.Run("threat063", func(t *testing.T) { // another organisation is told where, and not whom
		theirs := elsewhere(t, s, s.People[0], careid.RAAgent)
		apply, application := invited(t, s, theirs, "Rosa", "Lund", "r.lund@nhs.net")
		require.Contains(t, s.Stranger().Submit(apply, apply, noah).Path, "?told=submitted")
		shown := theirs.Submit("/desk", "/desk/applications/"+application+"/check", seen())
		require.Contains(t, shown.Body, "has a Care Identity profile already, at organisation "+careidtest.Organisation)
		for _, private := range []string{id, "Noah", "Frost", "noah.frost", "123456", "1990"} {
			require.NotContains(t, shown.Body, private)
		}
	})
	t.Run("without a number it is for who checks to look", func(t *testing.T) {
		const look = "look first whether they have a profile"
		apply, application := invited(t, s, agent, "Noah", "Frost", "n.frost@nhs.net")
		require.Contains(t, s.Stranger().Submit(apply, apply, nil).Path, "?told=submitted")
		shown := agent.Get("/desk")
		require.Contains(t, shown.Body, look)
		require.Contains(t, agent.Get(found(t, shown, `href="(/desk\?find=Noah[^"]+)"`)).Body, id)
		require.NotContains(t, s.SignedIn(s.Sponsor).Get("/desk").Body, look, "who may not check is not asked to")
		require.Contains(t, agent.Submit("/desk", "/desk/applications/"+application+"/check", seen()).Path, "?told=done")
	})
}
