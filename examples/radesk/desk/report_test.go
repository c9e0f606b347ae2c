// SPDX-License-Identifier: Apache-2.0

package desk_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

// told is the report as a program gets it.
type told struct {
	Organisation string
	People       []struct {
		UserID, State, Stands string
		Roles, Positions      []string
		Cards                 []struct {
			Serial, Stands string
			DaysLeft       int
		}
		Authenticators int
	}
}

func (r told) of(t *testing.T, p careidtest.Person) (at int) {
	t.Helper()
	for i, line := range r.People {
		if line.UserID == p.Profile.ID {
			return i
		}
	}
	require.Fail(t, "not in the report", p.Profile.Name())
	return -1
}

// reported are the people of TestReport: due, expired, with a position, without a card, and locked.
func reported(t *testing.T) (*pagestest.Site, careidtest.Person) {
	t.Helper()
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{
		careidtest.RenewalDue(), careidtest.Expired(), careidtest.LeaverMidMove(), careidtest.Starter(),
	}})
	manager, err := s.Actor(t.Context(), s.RAManager, careid.RAManager)
	require.NoError(t, err)
	profile, err := s.Enrol(t.Context(), "Nadia", "Rahman")
	require.NoError(t, err)
	card := s.Blank()
	act, err := s.Service.OpenAct(t.Context(), manager, careid.ActRequest{
		Kind: careid.Issue, Card: card.Serial, Profile: profile.ID, Locked: true, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"},
	})
	require.NoError(t, err)
	require.NoError(t, s.Personalise(t.Context(), card, act.Handle))
	return s, careidtest.Person{Profile: profile, Card: card}
}

func TestReport(t *testing.T) {
	s, locked := reported(t)
	due, expired, moving, starter := s.People[0], s.People[1], s.People[2], s.People[3]
	sponsor, agent := s.SignedIn(s.Sponsor), s.SignedIn(s.RAAgent)
	agent.Submit(of(moving)+"/leaving?kind=care", of(moving)+"/leave", fields("card", moving.Card.Serial))
	_, err := s.RegisterApp(t.Context(), s.Nurse)
	require.NoError(t, err)

	shown := sponsor.Get("/desk/report")
	require.Equal(t, http.StatusOK, shown.Status)
	require.Contains(t, shown.Body, `<a href="/desk/report" aria-current="page">Report</a>`)
	for _, word := range []string{`<a href="` + of(due) + `">Leila Haddad</a>`, due.Card.Serial, "30 days left", "since", `<span class="state expired">`, `<span class="state ends-soon">`, `<span class="state locked">`, "RA manager"} {
		require.Contains(t, shown.Body, word)
	}
	for _, private := range []string{due.Profile.Email, s.Nurse.Profile.Email} {
		require.NotContains(t, shown.Body, private, "contacts are no part of it")
	}
	var r told
	sponsor.JSON(http.MethodGet, "/desk/report", &r)
	require.Equal(t, careidtest.Organisation, r.Organisation)
	require.Equal(t, "closed", r.People[r.of(t, moving)].State)
	require.Equal(t, 1, r.People[r.of(t, s.Nurse)].Authenticators)
	require.Equal(t, []string{"ra-agent"}, r.People[r.of(t, s.RAAgent)].Roles)
	require.Equal(t, 30, r.People[r.of(t, due)].Cards[0].DaysLeft)
	t.Run("who needs something comes first", func(t *testing.T) {
		order := []careidtest.Person{expired, locked, due, starter, s.Nurse, moving}
		stands := []string{"expired", "locked", "ends-soon", "none", "active", "closed"}
		for i, p := range order {
			require.Equal(t, stands[i], r.People[r.of(t, p)].Stands)
			require.True(t, i == 0 || r.of(t, order[i-1]) < r.of(t, p), stands[i])
		}
	})
	t.Run("nobody is left out of many", func(t *testing.T) {
		require.NoError(t, s.Store.Write(t.Context(), func(ctx context.Context, tx *careid.Tx) error {
			for i := range 410 {
				p := careid.Profile{ID: fmt.Sprintf("%012d", i), Given: "One", Family: "More", Organisation: careidtest.Organisation, State: careid.ProfileOpen, OpenedAt: tx.Now}
				if err := tx.People.AddProfile(ctx, p); err != nil {
					return err
				}
			}
			return nil
		}))
		var many told
		sponsor.JSON(http.MethodGet, "/desk/report", &many)
		require.Len(t, many.People, len(r.People)+410)
		ids := map[string]bool{}
		for _, line := range many.People {
			ids[line.UserID] = true
		}
		require.Len(t, ids, len(many.People))
	})
	t.Run("a position is there under its name", func(t *testing.T) {
		made := agent.Submit("/desk/positions", "/desk/positions", fields("name", "Theatre <nurse>", "role", "S8000:G8000:R8001 Nurse Access Role"))
		position := found(t, made, `<th scope="row">Theatre &lt;nurse&gt;</th>[\s\S]*?href="/desk/positions/(\d{12})"`)
		agent.Submit(of(s.Nurse), of(s.Nurse)+"/positions", fields("position", position))
		require.Contains(t, sponsor.Get("/desk/report").Body, "Theatre &lt;nurse&gt;")
	})
}

// TestReportAttacked is who asks for what is not theirs.
func TestReportAttacked(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{{Given: "Ola", Family: "Ek"}, careidtest.IDChecker(), careidtest.LocalSmartcardAdministrator()}})
	require.NoError(t, s.Store.Write(t.Context(), func(ctx context.Context, tx *careid.Tx) error {
		moved, err := tx.People.Profile(ctx, s.Nurse.Profile.ID)
		if err != nil {
			return err
		}
		moved.Organisation = "RX1"
		return tx.People.UpdateProfile(ctx, moved)
	}))
	here, theirs := s.SignedIn(s.Sponsor), elsewhere(t, s, s.People[0], careid.Sponsor)
	t.Run("threat063", func(t *testing.T) { // a sponsor gets the report of their own organisation, whichever they ask for
		for _, query := range []string{"", "?organisation=RX1", "?organisation=" + careidtest.Organisation} {
			shown := here.Get("/desk/report" + query)
			require.Contains(t, shown.Body, "<h1>Report of "+careidtest.Organisation+"</h1>")
			require.Contains(t, shown.Body, s.RAAgent.Card.Serial)
			require.NotContains(t, shown.Body, s.Nurse.Profile.ID)
			require.NotContains(t, shown.Body, s.Nurse.Card.Serial)
			var r told
			theirs.JSON(http.MethodGet, "/desk/report"+query, &r)
			require.Equal(t, "RX1", r.Organisation)
			require.Len(t, r.People, 1)
			require.Equal(t, s.Nurse.Profile.ID, r.People[0].UserID)
		}
		for _, body := range []string{`{"organisation":"RX1"}`, ``} {
			require.Equal(t, "page.unknown", here.Refused(http.MethodPost, "/desk/report", strings.NewReader(body)))
		}
	})
	t.Run("who has no report is not offered one, and refused", func(t *testing.T) {
		for _, p := range s.People[1:] {
			b := s.SignedIn(p)
			require.Equal(t, "role.action", b.Refused(http.MethodGet, "/desk/report", nil))
			require.NotContains(t, b.Get("/desk").Body, "/desk/report")
		}
		require.Equal(t, "session.none", s.Stranger().Refused(http.MethodGet, "/desk/report", nil))
		require.Equal(t, "org.scope", s.SignedIn(s.Nurse).Refused(http.MethodGet, "/desk/report", nil), "nor a holder")
	})
}
