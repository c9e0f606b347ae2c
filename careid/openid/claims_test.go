// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// known is one person, whoever is asked for.
type known struct{ person openid.Person }

func (k known) Person(_ context.Context, profile string) (*openid.Person, error) {
	p := k.person
	p.ID = profile
	return &p, nil
}

// person has every member there is.
const person = `{
	"sub": "910000000001", "name": "USERQ RANDOM Mr", "given_name": "Random", "family_name": "Userq", "title": "Mr", "initials": "R",
	"middle_names": "Q", "display_name": "Random Userq", "email": "random.userq@nhs.net", "idassurancelevel": 2,
	"nhsid_nrbac_roles": [{"person_orgid": "093895563513", "person_roleid": "093895563514", "org_code": "RBA", "role_name": "\"Clinical\":\"Clinical Provision\":\"Nurse Access Role\"",
		"role_code": "S8000:G8000:R8001", "activities": ["Receive Self Claimed LR Alerts"], "activity_codes": ["B0016"]}],
	"nhsid_user_orgs": [{"org_name": "TAUNTON AND SOMERSET NHS FOUNDATION TRUST", "org_code": "RBA"}],
	"nhsid_org_memberships": [{"person_orgid": "093895563513", "org_name": "A", "org_code": "RBA", "gnc": "x"}], "nhsid_org_roles": [{"org_code": "RBA"}],
	"gmp_id": "G1", "gmc_id": "C1", "gdc_id": "D1", "gdp_id": "P1", "nmc_id": "N1", "gphc_id": "PH1", "rcn_id": "RC1", "consultant_id": "CO1"}`

func TestScopesAndTheirClaims(t *testing.T) {
	var p openid.Person
	require.NoError(t, json.Unmarshal([]byte(person), &p))
	s := open(t, func(c *openid.Config) { c.People = known{p} })
	in := s.signIn(s.Nurse)
	info := func(scope string) map[string]any {
		return s.userinfo(s.tokens(in.Token, "scope", "openid "+scope)["access_token"].(string)).members(t)
	}
	for scope, names := range map[string][]string{
		"":                          {},
		"profile":                   {"name", "given_name", "family_name", "title", "initials", "middle_names", "display_name", "uid", "nhsid_useruid", "idassurancelevel"},
		"email":                     {"email"},
		"nhsperson":                 {"title", "initials", "middle_names", "display_name", "idassurancelevel", "nhsid_useruid"},
		"associatedorgs":            {"nhsid_user_orgs"},
		"nationalrbacaccess":        {"nhsid_nrbac_roles", "nhsid_useruid"},
		"professionalmemberships":   {"gmp_id", "gmc_id", "gdc_id", "gdp_id", "nmc_id", "gphc_id", "rcn_id", "consultant_id"},
		"organisationalmemberships": {"nhsid_org_memberships", "nhsid_org_roles"},
		"selectedrole":              {},
	} {
		require.ElementsMatch(t, append(names, "sub", "sid"), slices.Collect(maps.Keys(info(scope))), scope)
		require.Contains(t, s.discovery()["scopes_supported"], "openid")
	}
	all := info("profile nationalrbacaccess")
	require.Equal(t, s.Nurse.Profile.ID, all["sub"])
	require.Equal(t, all["sub"], all["uid"])
	require.Equal(t, "USERQ RANDOM Mr", all["name"])
	require.Equal(t, "2", all["idassurancelevel"])
	role := all["nhsid_nrbac_roles"].([]any)[0].(map[string]any)
	require.Equal(t, "093895563514", role["person_roleid"], "a leading zero stays")
	require.Equal(t, []any{}, role["workgroups_codes"], "lists are lists")

	empty := open(t, func(c *openid.Config) { c.People = known{openid.Person{}} })
	in = empty.signIn(empty.Nurse)
	all = empty.userinfo(empty.tokens(in.Token, "scope", "openid profile nationalrbacaccess associatedorgs organisationalmemberships")["access_token"].(string)).members(t)
	for _, list := range []string{"nhsid_nrbac_roles", "nhsid_user_orgs", "nhsid_org_memberships", "nhsid_org_roles"} {
		require.Equal(t, []any{}, all[list], list)
	}
	require.NotContains(t, all, "title")
}

func TestDirectory(t *testing.T) {
	s := open(t, nil)
	s.positions(s.Nurse, "Ward nurse", "Bank nurse")
	directory := &openid.Directory{Records: s.Store, Organisation: func(code string) string { return "Trust " + code }}
	p, err := directory.Person(t.Context(), s.Nurse.Profile.ID)
	require.NoError(t, err)
	require.Equal(t, "PATEL Asha", p.Name)
	require.Equal(t, 3, p.IdentityLevel)
	require.Equal(t, []openid.Organisation{{Name: "Trust RBA", Code: "RBA"}}, p.Organisations)
	require.Len(t, p.Roles, 2)
	slices.SortFunc(p.Roles, func(a, b openid.Role) int { return strings.Compare(a.Code, b.Code) }) // both begin at once
	role := p.Roles[0]
	require.Regexp(t, `^[0-9]{12}$`, role.ID)
	require.Equal(t, p.Roles[1].OrganisationID, role.OrganisationID, "of the person and the organisation")
	require.Equal(t, openid.Role{
		OrganisationID: role.OrganisationID, ID: role.ID, Organisation: "RBA", Name: `"Clinical":"Clinical Provision":"Ward nurse"`, Code: "S8000:G8000:R8000",
		Activities: []string{"Read"}, ActivityCodes: []string{"B0058"}, Areas: []string{"Ward"}, AreaCodes: []string{"P0020:Q0300:T0640"},
		Workgroups: []string{"Team Ward nurse"}, WorkgroupCodes: role.WorkgroupCodes,
	}, role)
	require.NoError(t, s.Service.EndPosition(t.Context(), s.manager(), role.ID))
	p, err = directory.Person(t.Context(), s.Nurse.Profile.ID)
	require.NoError(t, err)
	require.Len(t, p.Roles, 1, "what is over is not told")
	_, err = directory.Person(t.Context(), "000000000000")
	require.Error(t, err)
}
