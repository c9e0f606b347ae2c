// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

func builtIn(t *testing.T) *wardkey.Rulebook {
	t.Helper()
	book, err := careid.Rules()
	require.NoError(t, err)
	return book
}

// london is midnight in London at the beginning of a day.
func london(t *testing.T, day string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	at, err := time.ParseInLocation(time.DateOnly, day, zone)
	require.NoError(t, err)
	return at
}

// overlaid is the book as an organisation has tightened one rule.
func overlaid(t *testing.T, rule string) (*wardkey.Rulebook, error) {
	t.Helper()
	return builtIn(t).Overlay([]byte(`{"sources": {"Trust": {"document": "Trust policy", "date": "2024-01-01"}}, "rules": [` + rule + `], "refusals": []}`))
}

const cimURL = "https://manage-care-identities.care-identity-service2.nhs.uk"

func TestSwitchOff(t *testing.T) {
	book := builtIn(t)
	can := func(service careid.NationalService, action careid.Action, role careid.Role, at time.Time) error {
		_, err := careid.CapabilityAt(book, service, action, role, at)
		return err
	}
	// ends shows that a role may until one second before midnight in London and is refused from midnight on.
	ends := func(t *testing.T, action careid.Action, role careid.Role, day, rule string) *wardkey.Refusal {
		t.Helper()
		midnight := london(t, day)
		g, err := careid.CapabilityAt(book, careid.CIS, action, role, midnight.Add(-time.Second))
		require.NoError(t, err)
		require.NotEmpty(t, g.Source.Document)
		g, err = careid.CapabilityAt(book, careid.CIS, action, role, midnight)
		no := refused(t, err, rule)
		require.Equal(t, day, g.From)
		require.Equal(t, g.Source, no.Source, "the refusal cites the clause that rules")
		require.NotEmpty(t, no.Source.Clause)
		refused(t, can(careid.CIS, action, role, midnight.Add(time.Second)), rule)
		return no
	}
	may := time.Date(2024, 5, 2, 12, 0, 0, 0, time.UTC)

	t.Run("row012", func(t *testing.T) {
		for _, role := range []careid.Role{careid.RAManager, careid.AdvancedRAAgent, careid.RAAgent, careid.Sponsor, careid.LocalSmartcardAdministrator} {
			no := ends(t, careid.ActionUnlock, role, "2024-01-31", "capability.ended")
			require.Equal(t, []string{"Use Care Identity Management: " + cimURL + "/#/service-smartcard"}, no.Next)
		}
		require.NoError(t, can(careid.CIM, careid.ActionUnlock, careid.Sponsor, may), "the page sends sponsors there")
	})
	t.Run("row013", func(t *testing.T) {
		require.Equal(t, time.Date(2024, 4, 30, 23, 0, 0, 0, time.UTC), london(t, "2024-05-01").UTC(), "summer time")
		for _, action := range []careid.Action{careid.ActionCreateProfile, careid.ActionAssignPosition, careid.ActionRunReports} {
			no := ends(t, action, careid.Sponsor, "2024-05-01", "capability.left")
			require.Equal(t, "sponsor can no longer use CIS application.", no.Public)
		}
	})
	t.Run("row014", func(t *testing.T) {
		for _, role := range []careid.Role{careid.RAAgent, careid.AdvancedRAAgent, careid.IDChecker, careid.LocalSmartcardAdministrator, careid.RAManager} {
			ends(t, careid.ActionCreateProfile, role, "2024-05-01", "capability.ended")
		}
		no := ends(t, careid.ActionCreateProfile, careid.Sponsor, "2024-05-01", "capability.left")
		require.Equal(t, []string{"Use Apply for Care ID: https://apply-for-care-identity.care-identity-service2.nhs.uk"}, no.Next)
		no = refused(t, can(careid.CIS, careid.ActionCreateProfile, careid.LocalSmartcardAdministrator, may), "capability.ended")
		require.Equal(t, []string{"Ask one of these, who do it in Apply for Care ID: ra-manager, advanced-ra-agent, ra-agent, sponsor, id-checker."}, no.Next)
	})
	t.Run("row015", func(t *testing.T) {
		rules := map[string]bool{}
		for _, action := range []careid.Action{careid.ActionRunReports, careid.ActionAssignWorkgroups, careid.ActionChangePositions} {
			ends(t, action, careid.RAAgent, "2024-05-01", "capability.ended")
			g, _ := careid.CapabilityAt(book, careid.CIS, action, careid.RAAgent, may)
			rules[g.Rule] = true
		}
		require.Len(t, rules, 3, "each has a rule of its own")
	})
	t.Run("row009", func(t *testing.T) {
		day := london(t, "2024-05-01")
		for _, action := range []careid.Action{careid.ActionRunReports, careid.ActionAssignWorkgroups, careid.ActionAssignPosition, careid.ActionChangePositions} {
			require.NoError(t, can(careid.CIS, action, careid.RAManager, day.Add(-12*time.Hour)))
			no := refused(t, can(careid.CIS, action, careid.RAManager, day), "capability.ended")
			require.Equal(t, []string{"Use Care Identity Management: " + cimURL}, no.Next)
			require.NoError(t, can(careid.CIM, action, careid.RAManager, day))
		}
	})
	t.Run("row008", func(t *testing.T) {
		day := london(t, "2024-05-01")
		require.NoError(t, can(careid.CIS, careid.ActionAssignPosition, careid.Sponsor, day.Add(-time.Second)))
		require.NoError(t, can(careid.CIM, careid.ActionAssignPosition, careid.Sponsor, day.Add(-time.Second)))
		refused(t, can(careid.CIS, careid.ActionAssignPosition, careid.Sponsor, day), "capability.left")
		require.NoError(t, can(careid.CIM, careid.ActionAssignPosition, careid.Sponsor, day))
	})
	t.Run("row016", func(t *testing.T) {
		day := london(t, "2024-05-30")
		require.NoError(t, can(careid.CIS, careid.ActionChangeWorkgroups, careid.RAAgent, day.Add(24*time.Hour-time.Second)))
		ends(t, careid.ActionChangeWorkgroups, careid.RAAgent, "2024-05-31", "capability.ended")
		refused(t, can(careid.CIS, careid.ActionAssignWorkgroups, careid.RAAgent, day), "capability.ended")

		// The other reading of "until" is an organisation's to take.
		strict, err := overlaid(t, `{"id": "cis.can.change-workgroups", "value": [], "unit": "list", "from": "2024-05-30", "zone": "Europe/London", "source": "Trust", "tighter": "subset"}`)
		require.NoError(t, err)
		_, err = careid.CapabilityAt(strict, careid.CIS, careid.ActionChangeWorkgroups, careid.RAAgent, day.Add(-time.Second))
		require.NoError(t, err)
		_, err = careid.CapabilityAt(strict, careid.CIS, careid.ActionChangeWorkgroups, careid.RAAgent, day)
		require.Equal(t, "Trust policy", refused(t, err, "capability.ended").Source.Document)
		_, err = overlaid(t, `{"id": "cis.can.change-workgroups", "value": ["ra-agent"], "unit": "list", "from": "2024-06-01", "zone": "Europe/London", "source": "Trust", "tighter": "subset"}`)
		require.Error(t, err, "nobody switches it on again")
	})
	t.Run("row027", func(t *testing.T) {
		before, after := london(t, "2024-05-01").Add(-time.Second), london(t, "2024-05-01")
		for _, action := range []careid.Action{careid.ActionCreateProfile, careid.ActionAssignPosition, careid.ActionChangePositions} {
			require.NoError(t, can(careid.CIS, action, careid.Sponsor, before))
			refused(t, can(careid.CIS, action, careid.Sponsor, after), "capability.left")
		}
		require.NoError(t, can(careid.ApplyForCareID, careid.ActionCreateProfile, careid.Sponsor, after))
	})
	t.Run("row017", func(t *testing.T) {
		table := func(day string) string {
			var text strings.Builder
			for _, line := range careid.CapabilitiesAt(book, london(t, day).Add(12*time.Hour)) {
				if line.Action == careid.ActionSignIn || line.Action == careid.ActionContact {
					continue
				}
				fmt.Fprintf(&text, "%-18s", line.Action)
				for _, service := range []careid.NationalService{careid.CIS, careid.CIM, careid.ApplyForCareID} {
					cell := "-"
					if roles, published := line.Roles[service]; published {
						cell = fmt.Sprint(len(roles))
					}
					fmt.Fprintf(&text, " %2s", cell)
				}
				text.WriteString("\n")
			}
			return text.String()
		}
		// Roles that may, in CIS, CIM and Apply; - where nothing is published.
		for day, want := range map[string]string{
			"2024-01-30": "unlock card         5  5  -\ncreate profile      6  -  -\nassign position     4  4  -\nchange positions    4  4  -\nrun reports         4  4  -\nassign workgroups   4  4  -\nchange workgroups   3  -  -\n",
			"2024-01-31": "unlock card         0  5  -\ncreate profile      6  -  -\nassign position     4  4  -\nchange positions    4  4  -\nrun reports         4  4  -\nassign workgroups   4  4  -\nchange workgroups   3  -  -\n",
			"2024-05-01": "unlock card         0  5  -\ncreate profile      0  0  5\nassign position     0  4  -\nchange positions    0  4  -\nrun reports         0  4  -\nassign workgroups   0  4  -\nchange workgroups   3  -  -\n",
			"2024-05-31": "unlock card         0  5  -\ncreate profile      0  0  5\nassign position     0  4  -\nchange positions    0  4  -\nrun reports         0  4  -\nassign workgroups   0  4  -\nchange workgroups   0  3  -\n",
		} {
			require.Equal(t, want, table(day), day)
		}
		days := careid.SwitchDays(book)
		for _, day := range days { // the table says what CapabilityAt says
			for _, line := range careid.CapabilitiesAt(book, london(t, day)) {
				for _, service := range careid.NationalServices() {
					for _, role := range careid.Roles() {
						require.Equal(t, can(service, line.Action, role, london(t, day)) == nil, slices.Contains(line.Roles[service], role), "%s %s %s %s", day, service, line.Action, role)
					}
				}
			}
		}
		for _, day := range []string{"2024-01-31", "2024-05-01", "2024-05-31", "2027-03-01"} {
			require.Contains(t, days, day)
		}
		require.True(t, slices.IsSorted(days))
	})
	t.Run("what changed on a day", func(t *testing.T) {
		for day, want := range map[string][]string{
			"2024-01-31": {"cis.can.unlock-card", "route.unlock-staff-card"},
			"2024-05-01": {
				"apply.can.create-profile", "cim.can.create-profile", "cis.can.assign-position", "cis.can.assign-workgroups",
				"cis.can.change-positions", "cis.can.create-profile", "cis.can.run-reports", "cis.users",
			},
			"2024-05-31": {"cim.can.change-workgroups", "cis.can.change-workgroups"},
		} {
			var ids []string
			for _, c := range book.Diff(london(t, day).Add(-time.Second), london(t, day)) {
				ids = append(ids, c.ID)
			}
			require.Equal(t, want, ids)
		}
	})
	t.Run("the next entry of the timeline", func(t *testing.T) {
		day := london(t, "2027-03-01")
		require.NoError(t, can(careid.CIS1, careid.ActionSignIn, careid.Holder, day.Add(-time.Second)))
		no := refused(t, can(careid.CIS1, careid.ActionSignIn, careid.Holder, day), "capability.ended")
		require.Contains(t, no.Next[0], "Care Identity Authentication")
	})
	t.Run("row018", func(t *testing.T) {
		must := london(t, "2024-05-01")
		require.NoError(t, careid.Ready(book, must.Add(-time.Second), must))
		for _, first := range []time.Time{{}, must, must.Add(time.Hour)} {
			no := refused(t, careid.Ready(book, first, must), "readiness.untried")
			require.Contains(t, no.Next[0], cimURL)
		}
		refused(t, careid.Ready(book, must, london(t, "2020-01-01")), "service.unknown")
	})
	t.Run("row019", func(t *testing.T) {
		day := london(t, "2025-04-02")
		old, g, err := careid.Route(book, careid.AddEmail, day.Add(-time.Second))
		require.NoError(t, err)
		require.Len(t, old, 5)
		require.Contains(t, old[0], "https://portal.national.ncrs.nhs.uk/portal/dt")
		require.Equal(t, "2025-04-02", g.Until)
		steps, g, err := careid.Route(book, careid.AddEmail, day)
		require.NoError(t, err)
		require.Contains(t, steps[0], cimURL)
		require.Empty(t, g.Until)
		history := book.History("route.add-email")
		require.Len(t, history, 2, "what was superseded is still told")
		require.Equal(t, "the route through the old service", history[1].Supersedes)
		require.NoError(t, can(careid.CIS, careid.ActionContact, careid.Holder, day), "no source says that the old way was switched off")

		_, _, err = careid.Route(book, careid.UnlockStaffCard, london(t, "2024-01-30"))
		refused(t, err, "route.unknown")
		_, _, err = careid.Route(book, "make tea", day)
		refused(t, err, "route.unknown")
	})
	t.Run("what is unknown is refused", func(t *testing.T) {
		refused(t, can("", careid.ActionUnlock, careid.RAAgent, may), "service.unknown")
		refused(t, can("cis.can", careid.ActionUnlock, careid.RAAgent, may), "service.unknown")
		refused(t, can(careid.CIM, careid.ActionUnlock, careid.RAAgent, london(t, "2023-04-01").Add(-time.Second)), "service.unknown")
		for _, role := range []careid.Role{"", "surgeon", "RA-AGENT"} {
			refused(t, can(careid.CIM, careid.ActionUnlock, role, may), "role.unknown")
		}
		for _, action := range []careid.Action{"", "use", "juggle", careid.ActionIssue} {
			refused(t, can(careid.CIM, action, careid.RAManager, may), "capability.unpublished")
			refused(t, can(careid.CIS, action, careid.RAManager, may), "capability.unpublished")
		}
		require.Equal(t, []string{"Ask one of these: ra-manager, advanced-ra-agent, ra-agent."},
			refused(t, can(careid.CIM, careid.ActionChangeWorkgroups, careid.Sponsor, london(t, "2024-06-01")), "capability.role").Next)
	})
	t.Run("Apply lets in those who may invite here", func(t *testing.T) {
		for _, row := range careid.Permissions() {
			if row.Action == careid.ActionInvite {
				for _, role := range careid.Roles() {
					require.Equal(t, slices.Contains(row.Roles, role), can(careid.ApplyForCareID, careid.ActionCreateProfile, role, may) == nil, role)
				}
			}
		}
	})
}

func TestNationalServices(t *testing.T) {
	book := builtIn(t)
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	find := func(name string, at time.Time) careid.NationalService {
		service, _, err := careid.FindService(book, name, at)
		require.NoError(t, err, name)
		return service
	}
	t.Run("row070", func(t *testing.T) {
		for _, name := range []string{"NHS Care Identity Service", "Care Identity Service", "NHS Identity", "nhs identity", " Care Identity Authentication "} {
			require.Equal(t, careid.CareIdentityAuthentication, find(name, now), name)
		}
		require.Equal(t, careid.CIS, find("Care Identity Service application", now))
		_, _, err := careid.FindService(book, "NHS Idendity", now)
		refused(t, err, "service.unknown")
		_, _, err = careid.FindService(book, "", now)
		refused(t, err, "service.unknown")
	})
	t.Run("row006", func(t *testing.T) {
		url, err := careid.ServiceURL(book, careid.CIM, now)
		require.NoError(t, err)
		require.Equal(t, cimURL, url)
		// Each address that a refusal prints is one of the book's.
		known := ""
		for _, service := range careid.NationalServices() {
			for _, id := range []string{".url", ".url.unlock-card"} {
				for _, rule := range book.History("service." + string(service) + id) {
					known += string(rule.Value)
				}
			}
		}
		for _, id := range book.IDs() {
			for _, step := range book.Refuse(id).Next {
				if _, after, found := strings.Cut(step, "https://"); found {
					require.Contains(t, known, `"https://`+strings.Fields(after)[0]+`"`, id)
				}
			}
		}
		requireNoAddressInCode(t)
	})
}

// The switch-off as a page would show it.
func ExampleCapabilityAt() {
	book, err := careid.Rules()
	if err != nil {
		fmt.Println(err)
		return
	}
	midnight := time.Date(2024, 4, 30, 23, 0, 0, 0, time.UTC) // 1 May in London
	for _, at := range []time.Time{midnight.Add(-time.Second), midnight} {
		g, err := careid.CapabilityAt(book, careid.CIS, careid.ActionRunReports, careid.RAAgent, at)
		fmt.Println(g.Source.Clause, g.Until, err)
	}
	// Output:
	// Reporting, Workgroup Assignment and Position Management 2024-05-01 <nil>
	// Reporting, Workgroup Assignment and Position Management  capability.ended: CIS application no longer does this: run reports.
}

// requireNoAddressInCode shows that the addresses of national services stand in the rulebook alone.
func requireNoAddressInCode(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotRegexp(t, `https?://[a-z0-9.-]*nhs\.(uk|net)`, string(source), name)
	}
}
