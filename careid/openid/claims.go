// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// The scopes of the national service.
const (
	scopeOpenID        = "openid"
	scopeProfile       = "profile"
	scopeEmail         = "email"
	scopePerson        = "nhsperson"
	scopeOrganisations = "associatedorgs"
	scopeRoles         = "nationalrbacaccess"
	scopeProfessional  = "professionalmemberships"
	scopeMemberships   = "organisationalmemberships"
	scopeSelectedRole  = "selectedrole"
	scopeChangedRole   = "changedrole"
)

func allScopes() []string {
	return []string{
		scopeOpenID, scopeProfile, scopeEmail, scopePerson, scopeOrganisations, scopeRoles, scopeProfessional,
		scopeMemberships, scopeSelectedRole, scopeChangedRole,
	}
}

// disclosed is which members of a Person a scope gives.
func disclosed(scope string) []string {
	switch scope {
	case scopeProfile:
		return []string{"name", "given_name", "family_name", "title", "initials", "middle_names", "display_name", "uid", "nhsid_useruid", "idassurancelevel"}
	case scopeEmail:
		return []string{"email"}
	case scopePerson:
		return []string{"title", "initials", "middle_names", "display_name", "idassurancelevel", "nhsid_useruid"}
	case scopeOrganisations:
		return []string{"nhsid_user_orgs"}
	case scopeRoles:
		return []string{"nhsid_nrbac_roles", "nhsid_useruid"}
	case scopeProfessional:
		return []string{"gmp_id", "gmc_id", "gdc_id", "gdp_id", "nmc_id", "gphc_id", "rcn_id", "consultant_id"}
	case scopeMemberships:
		return []string{"nhsid_org_memberships", "nhsid_org_roles"}
	}
	return nil
}

// userInfo are the claims of a person that the scopes ask for. Lists that are asked for are there, empty or not.
func (p *Provider) userInfo(c *client, person *Person, scopes []string) (map[string]any, error) {
	text, err := json.Marshal(person.complete())
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	all["uid"], all["nhsid_useruid"] = person.ID, person.ID
	all["idassurancelevel"] = c.level(person.IdentityLevel)
	for _, list := range []string{"nhsid_nrbac_roles", "nhsid_user_orgs", "nhsid_org_memberships", "nhsid_org_roles"} {
		if all[list] == nil {
			all[list] = []any{}
		}
	}
	claims := map[string]any{"sub": person.ID}
	for _, scope := range scopes {
		for _, name := range disclosed(scope) {
			if value, ok := all[name]; ok {
				claims[name] = value
			}
		}
	}
	return claims, nil
}

// level is a level as a client wants it: as a string, like the national service, or as a number.
func (c *client) level(n int) any {
	if c.IntegerLevels {
		return n
	}
	return strconv.Itoa(n)
}

// idToken are the claims of an ID token. Identity and authentication levels stand under all names that clients read.
func (p *Provider) idToken(c *client, g GrantRow, s *careid.Session, person *Person, access string) map[string]any {
	now := p.seconds()
	claims := map[string]any{
		"iss": p.at.issuer, "sub": g.Granted.Profile, "aud": c.ID, "azp": c.ID,
		"iat": now.Unix(), "exp": now.Add(p.config.IDTokenFor).Unix(), "auth_time": g.Granted.AuthTime.Unix(),
		"jti": newID(), "sid": g.Session, "acr": g.Granted.ACR, "amr": g.Granted.AMR, "at_hash": halfHash(access, c.algorithm),
		"authentication_assurance_level": c.level(g.Granted.AAL),
		"id_assurance_level":             c.level(person.IdentityLevel), "idassurancelevel": c.level(person.IdentityLevel),
	}
	if g.Granted.Nonce != "" {
		claims["nonce"] = g.Granted.Nonce
	}
	if person.holds(g.Granted.Role) { // it may have ended since it was chosen
		claims["selected_roleid"] = g.Granted.Role
	}
	if c.Alerts && len(s.Alerts) > 0 {
		claims["wardkey_alerts"] = told(s.Alerts)
	}
	return claims
}

// alert is a careid.Alert as a client may know it: without the number of the card.
type alert struct {
	Rule     string    `json:"rule"`
	DaysLeft int       `json:"daysLeft"`
	NotAfter time.Time `json:"notAfter"`
}

func told(alerts []careid.Alert) []alert {
	all := make([]alert, len(alerts))
	for i, a := range alerts {
		all[i] = alert{a.Rule, a.DaysLeft, a.NotAfter}
	}
	return all
}

// mark is the last word on a message's claims: a test's say that they are.
func (p *Provider) mark(m Message, client string, claims map[string]any) map[string]any {
	if p.config.Test == nil {
		return claims
	}
	if p.config.Test.Alter != nil {
		p.config.Test.Alter(m, client, claims)
	}
	claims["wardkey_test"] = true
	return claims
}

// halfHash is at_hash: the left half of the token's hash by the hash of the signature. OpenID Connect Core §3.1.3.6.
func halfHash(token, algorithm string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(algorithm, "512"):
		whole := sha512.Sum512([]byte(token))
		sum = whole[:]
	case strings.HasSuffix(algorithm, "384"):
		whole := sha512.Sum384([]byte(token))
		sum = whole[:]
	default:
		sum = digest(token)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// authTime is when the session's person signed in, in the time of messages. What passed on the calendar since is what
// passed on the wire: a calendar that was moved on makes a sign-in as old as it says.
func (p *Provider) authTime(at time.Time) time.Time {
	age := p.config.Now().UTC().Truncate(time.Second).Sub(at)
	return p.seconds().Add(-age)
}

// picksRole reports whether a request is for one of the person's roles.
func picksRole(scopes []string) bool {
	return slices.Contains(scopes, scopeSelectedRole) || slices.Contains(scopes, scopeChangedRole)
}
