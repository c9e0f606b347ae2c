// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Claims are what the provider says of the signed-in person: checked, and of the
// ID token and userinfo together.
type Claims struct {
	Issuer string
	// Subject is the person's number, of twelve digits at the national service.
	// It is an account's only key: names and addresses change.
	Subject string
	// SessionID is the provider's (sid), "" where it told none.
	SessionID string
	// AuthTime is when the person signed in there; zero where it wasn't told.
	AuthTime time.Time
	// ACR and AMR are how, verbatim.
	ACR string
	AMR []string
	// IdentityLevel and AuthenticationLevel are 0 to 3, 0 also where they weren't
	// told. Where the provider tells a level twice, it is the lower.
	IdentityLevel       int
	AuthenticationLevel int

	Name, GivenName, FamilyName, Email string
	// UID and UserID are uid and nhsid_useruid, normally Subject again.
	UID, UserID string
	// Roles are the person's (nhsid_nrbac_roles), SelectedRole the RoleID of the
	// one that was selected at sign-in, "" where none was asked for.
	Roles        []Role
	SelectedRole string
	// Organisations are nhsid_user_orgs.
	Organisations []Organisation
	// Professional has the numbers of professional registrations by their claims'
	// names: gmc_id, nmc_id and the like.
	Professional map[string]string
	// Alerts are wardkey_alerts, where Config.WardkeyClaims reads them.
	Alerts []Alert
}

// Role is one assignment of a person. Its members' names are the national
// service's.
type Role struct {
	OrgID          string   `json:"person_orgid"`
	RoleID         string   `json:"person_roleid"`
	OrgCode        string   `json:"org_code"`
	Code           string   `json:"role_code"` // S8000:G8000:R8001
	Name           string   `json:"role_name"`
	Activities     []string `json:"activities,omitempty"`
	ActivityCodes  []string `json:"activity_codes,omitempty"`
	Workgroups     []string `json:"workgroups,omitempty"`
	WorkgroupCodes []string `json:"workgroups_codes,omitempty"`
	AreasOfWork    []string `json:"aow,omitempty"`
	AreaCodes      []string `json:"aow_codes,omitempty"`
}

// Organisation is one that the person belongs to.
type Organisation struct {
	Name string `json:"org_name"`
	Code string `json:"org_code"`
}

// Role is the selected role; false where none was.
func (c Claims) Role() (Role, bool) {
	i := slices.IndexFunc(c.Roles, func(r Role) bool { return c.SelectedRole != "" && r.RoleID == c.SelectedRole })
	if i < 0 {
		return Role{}, false
	}
	return c.Roles[i], true
}

type claimsKey struct{}

// ClaimsOf are those of the person whose request Protect let through.
func ClaimsOf(ctx context.Context) (Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(Claims)
	return c, ok
}

// level is an assurance level as a number or a text, as providers have both.
type level int

// UnmarshalJSON reads 3, "3" and null.
func (l *level) UnmarshalJSON(data []byte) error {
	text := string(bytes.Trim(data, `"`))
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 3 {
		return errors.New("an assurance level is none of 0 to 3")
	}
	*l = level(n)
	return nil
}

// levelClaims may stand in the ID token and in userinfo; identity has two names.
type levelClaims struct {
	Identity       *level `json:"id_assurance_level"`
	IdentityOther  *level `json:"idassurancelevel"`
	Authentication *level `json:"authentication_assurance_level"`
}

// lowest of the levels that were told; 0 where none was.
func lowest(told ...*level) int {
	least, any := 0, false
	for _, l := range told {
		if l != nil && (!any || int(*l) < least) {
			least, any = int(*l), true
		}
	}
	return least
}

// levelOf is what an acr value promises at least: AAL2_OR_AAL3_ANY is 2. 0 is a
// value that says nothing of it.
func levelOf(acr string) int {
	if digits, ours := strings.CutPrefix(acr, "AAL"); ours && digits != "" && digits[0] >= '1' && digits[0] <= '3' {
		return int(digits[0] - '0')
	}
	return 0
}

// tokenClaims are those of an ID token that package oidc doesn't read.
type tokenClaims struct {
	levelClaims
	AuthorizedParty string   `json:"azp"`
	SessionID       string   `json:"sid"`
	ACR             string   `json:"acr"`
	AMR             []string `json:"amr"`
	AuthTime        int64    `json:"auth_time"`
	SelectedRole    string   `json:"selected_roleid"`
	Alerts          []Alert  `json:"wardkey_alerts"`
}

type userinfoClaims struct {
	levelClaims
	Subject       string         `json:"sub"`
	SessionID     string         `json:"sid"`
	Name          string         `json:"name"`
	GivenName     string         `json:"given_name"`
	FamilyName    string         `json:"family_name"`
	Email         string         `json:"email"`
	UID           string         `json:"uid"`
	UserID        string         `json:"nhsid_useruid"`
	Roles         []Role         `json:"nhsid_nrbac_roles"`
	Organisations []Organisation `json:"nhsid_user_orgs"`
	Alerts        []Alert        `json:"wardkey_alerts"`
	professional  map[string]string
}

// professionalNames are the claims of the scope professionalmemberships.
func professionalNames() []string {
	return []string{"gmp_id", "gmc_id", "gdc_id", "gdp_id", "nmc_id", "gphc_id", "rcn_id", "consultant_id"}
}

// UnmarshalJSON reads userinfo. Arrays may be absent, null or empty.
func (u *userinfoClaims) UnmarshalJSON(data []byte) error {
	type plain userinfoClaims
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(data, (*plain)(u)), json.Unmarshal(data, &all)); err != nil {
		return fmt.Errorf("userinfo has another form: %w", err)
	}
	for _, name := range professionalNames() {
		var number string
		if json.Unmarshal(all[name], &number) == nil && number != "" {
			if u.professional == nil {
				u.professional = map[string]string{}
			}
			u.professional[name] = number
		}
	}
	return nil
}

// withUserinfo adds what userinfo says to what the ID token said.
func (c Claims) withUserinfo(id tokenClaims, u userinfoClaims) Claims {
	c.Name, c.GivenName, c.FamilyName, c.Email = u.Name, u.GivenName, u.FamilyName, u.Email
	c.UID, c.UserID, c.Roles, c.Organisations, c.Professional = u.UID, u.UserID, u.Roles, u.Organisations, u.professional
	if c.SessionID == "" {
		c.SessionID = u.SessionID
	}
	c.IdentityLevel = lowest(id.Identity, id.IdentityOther, u.Identity, u.IdentityOther)
	c.AuthenticationLevel = lowest(id.Authentication, u.Authentication)
	if id.ACR != "" {
		acr := level(levelOf(id.ACR))
		c.AuthenticationLevel = lowest(id.Authentication, u.Authentication, &acr)
	}
	return c
}
