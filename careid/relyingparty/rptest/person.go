// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
)

// Person is who signs in: made up, with the claims of the national service's
// people. The zero value is a nurse at level 3 with one role.
type Person struct {
	// Subject has twelve digits. Default 555000000017.
	Subject string
	// Role and Activities are codes, such as S8000:G8000:R8001 (the default) and
	// B0401. Organisation is an ODS code, by default RBA.
	Role         string
	Activities   []string
	Organisation string
	// Email is by default an address that leads nowhere.
	Email string
	// Claims are put over those of userinfo, by their names.
	Claims map[string]any
}

// The one role's number, and one that this person doesn't have.
const (
	roleID    = "555254240100"
	noRolesID = "555999999103"
)

func (p Person) withDefaults() Person {
	if p.Subject == "" {
		p.Subject = "555000000017"
	}
	if p.Role == "" {
		p.Role = "S8000:G8000:R8001"
	}
	if p.Organisation == "" {
		p.Organisation = "RBA"
	}
	if p.Email == "" {
		p.Email = "amina.osei@ward.example"
	}
	return p
}

func (p Person) userinfo() object {
	role := object{
		"person_orgid": "555254239107", "person_roleid": roleID, "org_code": p.Organisation,
		"role_code": p.Role, "role_name": `"Clinical":"Clinical Provision":"Nurse Access Role"`,
	}
	if len(p.Activities) > 0 {
		role["activity_codes"] = p.Activities
	}
	claims := object{
		"sub": p.Subject, "uid": p.Subject, "nhsid_useruid": p.Subject,
		"name": "OSEI Amina Mrs", "given_name": "Amina", "family_name": "OSEI", "email": p.Email,
		"idassurancelevel": "3", "id_assurance_level": "3",
		"nhsid_nrbac_roles": []object{role},
		"nhsid_user_orgs":   []object{{"org_name": "A made-up trust", "org_code": p.Organisation}},
	}
	maps.Copy(claims, p.Claims)
	return claims
}

// idClaims are those of a right ID token for a request, but for at_hash.
func (c *Checker) idClaims(request url.Values) object {
	now := c.config.Wall()
	acr, level := "AAL3_ANY", 3
	if asked := strings.Fields(request.Get("acr_values")); len(asked) > 0 && !strings.HasSuffix(asked[0], "_ANY") {
		acr = asked[0] // one way of signing in, and no other, was asked for
		if digit, err := strconv.Atoi(strings.TrimPrefix(acr, "AAL")[:min(1, len(strings.TrimPrefix(acr, "AAL")))]); err == nil {
			level = digit
		}
	}
	claims := object{
		"iss": c.issuer, "sub": c.config.Person.Subject, "aud": c.config.ClientID, "azp": c.config.ClientID,
		"iat": now.Unix(), "exp": now.Add(life).Unix(), "auth_time": now.Unix(), "jti": random(),
		"sid": random(), "acr": acr, "amr": []string{"N3_SMARTCARD"},
		"tokenName": "id_token", "realm": "/NHSIdentity/Healthcare", "subname": c.config.Person.Subject,
	}
	levels := object{"id_assurance_level": 3, "idassurancelevel": 3, "authentication_assurance_level": level}
	for name, n := range levels {
		claims[name] = strconv.Itoa(n.(int))
		if c.config.IntLevels {
			claims[name] = n
		}
	}
	if nonce := request.Get("nonce"); nonce != "" {
		claims["nonce"] = nonce
	}
	if asks(request, "selectedrole") {
		claims["selected_roleid"] = roleID
	}
	return claims
}

func asks(request url.Values, scope string) bool {
	for _, s := range strings.Fields(request.Get("scope")) {
		if s == scope {
			return true
		}
	}
	return false
}
