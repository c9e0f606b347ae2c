// SPDX-License-Identifier: Apache-2.0

package desk_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
	"github.com/wardkey-sdk/wardkey/examples/radesk/desk"
)

func mount(site *pages.Site, mux *http.ServeMux) error {
	d, err := desk.New(site)
	if err == nil {
		d.Routes(mux)
	}
	return err
}

// of is the page of a person at the desk.
func of(p careidtest.Person) string { return "/desk/people/" + p.Profile.ID }

// fields are what is typed, by name.
func fields(pairs ...string) url.Values {
	typed := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		typed.Set(pairs[i], pairs[i+1])
	}
	return typed
}

// found is what a pattern's group is on a page.
func found(t *testing.T, page pagestest.Page, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(page.Body)
	require.NotNil(t, match, "%s is not on %s, which is %d:\n%s", pattern, page.Path, page.Status, page.Body)
	return match[1]
}

func TestFind(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	agent := s.SignedIn(s.RAAgent)
	nurse := s.Nurse.Profile
	for _, words := range []string{nurse.ID, strings.ToUpper(nurse.Family), nurse.Email, s.Nurse.Card.Serial, nurse.Family + " " + nurse.Given} {
		var told struct{ People []string }
		agent.JSON(http.MethodGet, "/desk?find="+url.QueryEscape(words), &told)
		require.Equal(t, []string{nurse.ID}, told.People, words)
	}
	require.Contains(t, agent.Get("/desk?find=nobody%22%3E").Body, "Nobody in your care is found by “nobody&#34;&gt;”")
	require.Contains(t, s.SignedIn(s.Nurse).Get("/desk").Body, "You hold no role at a desk")
	require.Equal(t, http.StatusUnauthorized, s.Stranger().Get("/desk").Status)
}

// TestApplication takes somebody from the invitation to a profile, page by page.
func TestApplication(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	sponsor, agent := s.SignedIn(s.Sponsor), s.SignedIn(s.RAAgent)
	typed := fields("givenName", "Noah", "familyName", "Frost", "email", "noah@elsewhere.test")
	shown := sponsor.Submit("/desk", "/desk/invitations", typed)
	require.Equal(t, http.StatusUnprocessableEntity, shown.Status)
	require.Contains(t, shown.Body, `value="noah@elsewhere.test"`, "what was typed is there to be mended")
	typed.Set("email", "noah.frost@nhs.net")
	shown = sponsor.Submit("/desk", "/desk/invitations", typed)
	require.Equal(t, "/desk?told=invited", shown.Path)
	require.Contains(t, shown.Body, "Waiting for the person to answer the invitation.")

	apply := invitation(t, s, "noah.frost@nhs.net")
	require.Contains(t, s.Stranger().Submit(apply, apply, nil).Path, "?told=submitted")

	check := found(t, agent.Get("/desk"), `action="(/desk/applications/[0-9a-f]+/check)"`)
	shown = agent.Submit("/desk", check, fields("documents.0.number", "925665416"))
	require.Contains(t, shown.Body, "<code>identity.documents</code>")
	require.Contains(t, shown.Body, `value="925665416"`)
	require.Contains(t, shown.Body, `<details open="">`, "the form is open where it was")
	shown = agent.Submit("/desk", check, seen())
	require.Equal(t, "/desk?told=done", shown.Path, shown.Body)
	require.Contains(t, shown.Body, "Waiting for an RA manager to approve.")

	manager := s.SignedIn(s.RAManager)
	approve := found(t, manager.Get("/desk"), `action="(/desk/applications/[0-9a-f]+/approve)"`)
	shown = manager.Submit("/desk", approve, nil)
	require.Contains(t, shown.Body, "<h1>Noah Frost</h1>")
	require.Contains(t, shown.Body, `id="issue"`)
}

func TestPositions(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	agent, sponsor := s.SignedIn(s.RAAgent), s.SignedIn(s.Sponsor)
	shown := agent.Submit("/desk/positions", "/desk/workgroups", fields("name", "Lister ward"))
	group := found(t, shown, `action="/desk/workgroups/(\d{12})"`)
	typed := fields("name", "Ward nurse", "role", "S8000:G8000:R8001 Nurse Access Role", "activities", "B0278 Perform Prescription Preparation\nB08", "workgroups."+group, "true", "assignable", "true")
	shown = agent.Submit("/desk/positions", "/desk/positions", typed)
	require.Contains(t, shown.Body, "<code>code.invalid</code>")
	for _, kept := range []string{`value="Ward nurse"`, "Preparation\nB08</textarea>", `name="workgroups.` + group + `" value="true" checked=""`} {
		require.Contains(t, shown.Body, kept)
	}
	typed.Set("activities", "B0278 Perform Prescription Preparation\n\nB0825 View Prescription\n")
	shown = agent.Submit("/desk/positions", "/desk/positions", typed)
	require.Equal(t, "/desk/positions?told=done", shown.Path, shown.Body)
	position := found(t, shown, `href="/desk/positions/(\d{12})"`)
	require.Contains(t, shown.Body, "Lister ward<br>")

	shown = agent.Submit("/desk/positions/"+position, "/desk/positions/"+position, fields("name", "Senior ward nurse"))
	require.Contains(t, shown.Body, "Senior ward nurse")
	require.Contains(t, shown.Body, "View Prescription", "what was not changed stays")

	t.Run("is given for a time, by a sponsor too, and ended", func(t *testing.T) {
		shown := sponsor.Submit(of(s.Nurse), of(s.Nurse)+"/positions", fields("from", "2026-02-30", "to", "2026-07-01"))
		require.Contains(t, shown.Body, "<code>date.invalid</code>")
		require.Contains(t, shown.Body, `value="2026-07-01"`)
		shown = sponsor.Submit(of(s.Nurse), of(s.Nurse)+"/positions", fields("from", "2026-04-01", "to", "2026-07-01"))
		require.Contains(t, shown.Body, `<td class="nowrap">1 Apr 2026</td><td class="nowrap">1 Jul 2026</td>`)
		held, err := s.Care.Assignments(t.Context(), careid.Operator("test"), s.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Equal(t, "2026-03-31T23:00:00Z", held[0].From.Format("2006-01-02T15:04:05Z"), "a day begins at midnight in London")
		end := found(t, shown, `action="(/desk/people/\d+/positions/\d+/end)"`)
		require.NotContains(t, sponsor.Submit(of(s.Nurse), end, nil).Body, end)
	})
	t.Run("a workgroup that a position has is not deleted", func(t *testing.T) {
		shown := agent.Submit("/desk/positions", "/desk/workgroups/"+group+"/delete", nil)
		require.Contains(t, shown.Body, "<code>workgroup.used</code>")
		agent.Submit("/desk/positions", "/desk/positions/"+position+"/delete", nil)
		shown = agent.Submit("/desk/positions", "/desk/workgroups/"+group, fields("name", "Lister"))
		require.Contains(t, shown.Body, `value="Lister"`)
		shown = agent.Submit("/desk/positions", "/desk/workgroups/"+group+"/delete", nil)
		require.NotContains(t, shown.Body, group)
	})
	t.Run("who may not change them is not offered it, and refused", func(t *testing.T) {
		require.NotContains(t, sponsor.Get("/desk/positions").Body, `id="edit"`)
		require.Equal(t, "role.action", sponsor.Refused(http.MethodPost, "/desk/workgroups", strings.NewReader(`{"name":"X"}`)))
		require.Equal(t, "org.scope", agent.Refused(http.MethodGet, "/desk/positions/000000000000", nil))
	})
}

// TestLoss is a stolen card: out of use at once, then the two steps of the case.
func TestLoss(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	agent := s.SignedIn(s.RAAgent)
	require.Contains(t, agent.Get("/desk/losses").Body, "No case is open.")
	holder, err := s.Actor(t.Context(), s.Nurse, careid.Holder)
	require.NoError(t, err)
	_, err = s.Care.ReportLoss(t.Context(), holder, careid.LossReport{Profile: s.Nurse.Profile.ID, Stolen: true})
	require.NoError(t, err)
	require.Contains(t, agent.Get("/desk").Body, `id="orders"`, "a card in its place is ordered")
	shown := agent.Get("/desk/losses")
	require.Contains(t, shown.Body, "Stolen: ")
	step := found(t, shown, `action="(/desk/losses/[0-9a-f]+)/handle"`)
	shown = agent.Submit("/desk/losses", step+"/handle", nil)
	require.NotContains(t, shown.Body, step+"/handle")
	require.Contains(t, shown.Body, "0333 200 1133", "whom to tell, by the published number")
	shown = agent.Submit("/desk/losses", step+"/incident", fields("address", "somebody@elsewhere.test"))
	require.Contains(t, shown.Body, "<code>mail.address</code>")
	require.Contains(t, shown.Body, `value="somebody@elsewhere.test"`)
	shown = agent.Submit("/desk/losses", step+"/incident", fields("address", s.Nurse.Profile.Email))
	require.Contains(t, shown.Body, "No case is open.")
	t.Run("reported at the desk, its first step is done", func(t *testing.T) {
		shown := agent.Submit(of(s.Sponsor), "/desk/cards/"+s.Sponsor.Card.Serial+"/lost", fields("stolen", "true"))
		require.Contains(t, shown.Body, `<span class="state lost">`)
		found(t, agent.Get("/desk/losses"), `action="(/desk/losses/[0-9a-f]+/incident)"`)
	})
}

func TestMovesAndLeavers(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{{Given: "Ola", Family: "Ek"}}})
	agent := s.SignedIn(s.RAAgent)
	shown := agent.Submit(of(s.Nurse), of(s.Nurse)+"/release", fields("to", "R"))
	require.Contains(t, shown.Body, "<code>organisation.invalid</code>")
	shown = agent.Submit(of(s.Nurse), of(s.Nurse)+"/release", fields("to", "RX1"))
	require.Contains(t, shown.Path, "?told=released")
	require.Contains(t, agent.Get("/desk/moves").Body, "Nobody waits to be taken over")

	t.Run("the checklist is that of the kind of leaving", func(t *testing.T) {
		ola := s.People[0]
		care, elsewhere := agent.Get(of(ola)+"/leaving?kind=care"), agent.Get(of(ola)+"/leaving?kind=organisation")
		require.Contains(t, care.Body, "End the Care Identity")
		require.NotContains(t, elsewhere.Body, "End the Care Identity")
		require.Contains(t, agent.Get(of(ola)+"/leaving?kind=holiday").Body, "<code>leaving.unknown</code>")
		shown := agent.Submit(of(ola)+"/leaving?kind=care", of(ola)+"/leave", fields("card", ""))
		require.Contains(t, shown.Body, "<code>leaving.card</code>")
		shown = agent.Submit(of(ola)+"/leaving?kind=care", of(ola)+"/leave", fields("card", ola.Card.Serial))
		require.Contains(t, shown.Body, "This Care Identity has ended.")
		require.Contains(t, shown.Body, "returned")
	})
}

// TestTakeOver is the other half of a move, at the desk of the new organisation.
func TestTakeOver(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{{Given: "Ola", Family: "Ek"}}})
	ola := s.People[0]
	elsewhere := elsewhere(t, s, ola, careid.RAAgent)
	require.Equal(t, "org.scope", elsewhere.Refused(http.MethodPost, "/desk/moves/"+s.Nurse.Profile.ID+"/take", strings.NewReader(`{}`)), "who is not released stays")
	elsewhere.Submit("/desk/positions", "/desk/positions", fields("name", "Theatre nurse", "role", "S8000:G8000:R8001 Nurse Access Role"))
	s.SignedIn(s.RAAgent).Submit(of(s.Nurse), of(s.Nurse)+"/release", fields("to", "RX1"))
	require.Equal(t, "org.scope", elsewhere.Refused(http.MethodGet, of(s.Nurse), nil))

	shown := elsewhere.Get("/desk/moves")
	require.Contains(t, shown.Body, s.Nurse.Profile.ID)
	position := found(t, shown, `<option value="(\d{12})">Theatre nurse`)
	shown = elsewhere.Submit("/desk/moves", "/desk/moves/"+s.Nurse.Profile.ID+"/take", fields("position", position, "to", "2026-09-01"))
	require.Contains(t, shown.Path, "told=moved")
	require.Contains(t, shown.Body, "in the care of RX1")
	require.Contains(t, shown.Body, "Theatre nurse")
	require.Contains(t, shown.Body, s.Nurse.Card.Serial, "with the same card")
	require.Equal(t, "org.scope", s.SignedIn(s.RAAgent).Refused(http.MethodGet, of(s.Nurse), nil))
}

func TestPerson(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	agent, manager := s.SignedIn(s.RAAgent), s.SignedIn(s.RAManager)
	t.Run("a new name orders a card in it", func(t *testing.T) {
		shown := agent.Submit(of(s.Nurse), "/desk/profiles/"+s.Nurse.Profile.ID+"/name", fields("familyName", s.Nurse.Profile.Family, "attested", "marriage certificate 4711"))
		require.Contains(t, shown.Body, "<code>name.same</code>")
		require.Contains(t, shown.Body, `value="marriage certificate 4711"`)
		shown = agent.Submit(of(s.Nurse), "/desk/profiles/"+s.Nurse.Profile.ID+"/name", fields("familyName", "Marlow", "attested", "marriage certificate 4711"))
		require.Contains(t, shown.Body, " Marlow</h1>")
		require.Contains(t, shown.Path, "told=renamed")
	})
	t.Run("roles are given and taken", func(t *testing.T) {
		path := "/desk/profiles/" + s.Nurse.Profile.ID + "/roles"
		require.Contains(t, manager.Submit(of(s.Nurse), path, fields("role", "id-checker")).Path, "told=done")
		require.Contains(t, manager.Submit(of(s.Nurse), path, fields("role", "id-checker", "end", "true")).Path, "told=done")
		require.Equal(t, "role.action", agent.Refused(http.MethodPost, path, strings.NewReader(`{"role":"id-checker"}`)))
		require.NotContains(t, agent.Get(of(s.Nurse)).Body, `id="roles"`)
	})
	t.Run("nobody acts on their own record", func(t *testing.T) {
		shown := agent.Get(of(s.RAAgent))
		require.Contains(t, shown.Body, "This is your own record.")
		require.NotContains(t, shown.Body, "/desk/cards/")
		require.Equal(t, "own.record", agent.Refused(http.MethodPost, "/desk/cards/"+s.RAAgent.Card.Serial+"/cancel", nil))
	})
	t.Run("help at the desk hands the agent a ticket that names the act", func(t *testing.T) {
		shown := agent.Submit(of(s.Nurse), "/desk/acts", fields("kind", "unlock", "card", s.Nurse.Card.Serial, "presence.attested", "passport 925665416"))
		require.Contains(t, shown.Body, "<h1>Unlock the card with its holder</h1>")
		require.Regexp(t, `data-ticket="\{&#34;kind&#34;:&#34;unlock&#34;.*&#34;handle&#34;:.*&#34;act&#34;:`, shown.Body)
		giveUp := found(t, agent.Get(of(s.Nurse)), `action="(/desk/acts/[0-9a-f]+/abandon)"`)
		agent.Submit(of(s.Nurse), giveUp, nil)
		shown = agent.Submit(of(s.Nurse), "/desk/acts", fields("kind", "passcode", "card", s.Nurse.Card.Serial))
		require.Regexp(t, `data-ticket="\{&#34;kind&#34;:&#34;passcode&#34;.*&#34;bind&#34;:.*&#34;act&#34;:`, shown.Body)
		require.NotContains(t, shown.Body, "data-presence", "one task does both")
	})
	t.Run("an authenticator is removed for its holder", func(t *testing.T) {
		_, err := s.RegisterApp(t.Context(), s.Sponsor)
		require.NoError(t, err)
		remove := found(t, agent.Get(of(s.Sponsor)), `action="(/desk/authenticators/[0-9a-f]+/remove)"`)
		require.NotContains(t, agent.Submit(of(s.Sponsor), remove, nil).Body, remove)
	})
	t.Run("a card is taken back, and emptied", func(t *testing.T) {
		shown := agent.Submit(of(s.Sponsor), "/desk/cards/"+s.Sponsor.Card.Serial+"/return", nil)
		require.Contains(t, shown.Body, `<span class="state returned">`)
		shown = agent.Submit(of(s.Sponsor), "/desk/acts", fields("kind", "clear", "card", s.Sponsor.Card.Serial))
		require.Contains(t, shown.Body, "<h1>Empty the card</h1>")
	})
}

func TestAudit(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	manager := s.SignedIn(s.RAManager)
	manager.Submit(of(s.Nurse), "/desk/profiles/"+s.Nurse.Profile.ID+"/contacts", fields("mobile", "07700 900456"))
	shown := manager.Get("/desk/audit")
	require.Equal(t, http.StatusOK, shown.Status)
	require.Contains(t, shown.Body, "change contact")
	require.Contains(t, shown.Body, s.Nurse.Profile.ID)
	require.NotContains(t, shown.Body, "07700900456", "the audit says that, and not what")
	var told struct{ Rows, Shown int }
	manager.JSON(http.MethodGet, "/desk/audit", &told)
	require.Positive(t, told.Shown)
	require.GreaterOrEqual(t, told.Rows, told.Shown)
	require.Equal(t, "audit.manager", s.SignedIn(s.RAAgent).Refused(http.MethodGet, "/desk/audit", nil))
}
