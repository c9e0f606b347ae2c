// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey/careid"
)

// People tells who somebody is.
type People interface {
	Person(ctx context.Context, profile string) (*Person, error)
}

// Person is what can be said of somebody. Its JSON has the members of userinfo, but for those that the provider adds
// itself; userinfo leaves out what the scopes don't ask for and what is empty. Lists are always lists.
type Person struct {
	ID          string `json:"sub"` // the user id; also uid and nhsid_useruid
	Name        string `json:"name,omitempty"`
	Given       string `json:"given_name,omitempty"`
	Family      string `json:"family_name,omitempty"`
	Title       string `json:"title,omitempty"`
	Initials    string `json:"initials,omitempty"`
	MiddleNames string `json:"middle_names,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Email       string `json:"email,omitempty"`

	// IdentityLevel is 0 to 3: how well the identity was proven.
	IdentityLevel int `json:"idassurancelevel"`

	Roles         []Role         `json:"nhsid_nrbac_roles"`
	Organisations []Organisation `json:"nhsid_user_orgs"`

	OrganisationMemberships []OrganisationRole `json:"nhsid_org_memberships,omitempty"`
	OrganisationRoles       []OrganisationRole `json:"nhsid_org_roles,omitempty"`

	// Professional numbers, as the national service names them.
	GMP        string `json:"gmp_id,omitempty"`
	GMC        string `json:"gmc_id,omitempty"`
	GDC        string `json:"gdc_id,omitempty"`
	GDP        string `json:"gdp_id,omitempty"`
	NMC        string `json:"nmc_id,omitempty"`
	GPhC       string `json:"gphc_id,omitempty"`
	RCN        string `json:"rcn_id,omitempty"`
	Consultant string `json:"consultant_id,omitempty"`
}

// Role is a position that a person holds, as in nhsid_nrbac_roles. Names and codes are parallel.
type Role struct {
	OrganisationID string   `json:"person_orgid"`  // 12 digits: this person at this organisation
	ID             string   `json:"person_roleid"` // 12 digits
	Organisation   string   `json:"org_code"`
	Name           string   `json:"role_name"`
	Code           string   `json:"role_code"` // S8000:G8000:R8001
	Activities     []string `json:"activities"`
	ActivityCodes  []string `json:"activity_codes"`
	Workgroups     []string `json:"workgroups"`
	WorkgroupCodes []string `json:"workgroups_codes"`
	Areas          []string `json:"aow"`
	AreaCodes      []string `json:"aow_codes"`
}

// Organisation is one that a person works at.
type Organisation struct {
	Name string `json:"org_name"`
	Code string `json:"org_code"`
}

// OrganisationRole is a membership of or a role in an organisation that the national directory keeps.
type OrganisationRole struct {
	ID   string `json:"person_orgid,omitempty"`
	Name string `json:"org_name,omitempty"`
	Code string `json:"org_code,omitempty"`
	GNC  string `json:"gnc,omitempty"`
}

// complete is the person with every list of a role there, empty or not.
func (p *Person) complete() *Person {
	whole := *p
	whole.Roles = slices.Clone(p.Roles)
	for i := range whole.Roles {
		r := &whole.Roles[i]
		for _, list := range []*[]string{&r.Activities, &r.ActivityCodes, &r.Workgroups, &r.WorkgroupCodes, &r.Areas, &r.AreaCodes} {
			if *list == nil {
				*list = []string{}
			}
		}
	}
	return &whole
}

// Directory is the people of a careid store.
type Directory struct {
	Records Records
	// Organisation is the name of an organisation by its ODS code. Default: the code.
	Organisation func(code string) string
}

// provenIdentity is the level of everybody with a profile: careid opens one only after the Registration Authority has
// checked documents by its rule identity.documents, which is the national service's highest.
const provenIdentity = 3

// Person implements People: the profile, and the positions that are in force now.
func (d *Directory) Person(ctx context.Context, profile string) (*Person, error) {
	var person Person
	err := d.Records.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		p, err := tx.People.Profile(ctx, profile)
		if err != nil {
			return err
		}
		person = Person{
			ID: p.ID, Name: strings.ToUpper(p.Family) + " " + p.Given, Given: p.Given, Family: p.Family,
			DisplayName: p.Name(), Email: p.Email, IdentityLevel: provenIdentity,
		}
		codes := []string{p.Organisation}
		held, err := tx.Assignments.AssignmentsOf(ctx, profile)
		if err != nil {
			return err
		}
		for _, v := range held {
			if !v.In(tx.Now) {
				continue
			}
			role, err := roleOf(ctx, tx, v)
			if err != nil {
				return err
			}
			person.Roles, codes = append(person.Roles, role), append(codes, role.Organisation)
		}
		slices.Sort(codes)
		for _, code := range slices.Compact(codes) {
			person.Organisations = append(person.Organisations, Organisation{Name: d.organisation(code), Code: code})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("openid: the person of a session: %w", err)
	}
	return &person, nil
}

func (d *Directory) organisation(code string) string {
	if d.Organisation == nil {
		return code
	}
	return d.Organisation(code)
}

// roleOf is a position in the words of the claims.
func roleOf(ctx context.Context, tx *careid.Tx, v careid.Assignment) (Role, error) {
	position, err := tx.Positions.Position(ctx, v.Position)
	if err != nil {
		return Role{}, err
	}
	role := Role{
		OrganisationID: personAt(v.Profile, position.Organisation), ID: v.ID, Organisation: position.Organisation,
		Name: position.Role.Name, Code: position.Role.Code,
	}
	role.Activities, role.ActivityCodes = apart(position.Activities)
	role.Areas, role.AreaCodes = apart(position.AreasOfWork)
	for _, id := range position.Workgroups {
		w, err := tx.Positions.Workgroup(ctx, id)
		if err != nil {
			return Role{}, err
		}
		role.Workgroups, role.WorkgroupCodes = append(role.Workgroups, w.Name), append(role.WorkgroupCodes, w.ID)
	}
	return role, nil
}

func apart(list []careid.Coded) (names, codes []string) {
	for _, c := range list {
		names, codes = append(names, c.Name), append(codes, c.Code)
	}
	return names, codes
}

// personAt is the number of a person at an organisation. careid keeps none, so it is derived: always the same for the
// two, and one in 10^12 that two are alike.
func personAt(profile, organisation string) string {
	sum := sha256.Sum256([]byte("wardkey/person-org " + profile + " " + organisation))
	return fmt.Sprintf("%012d", binary.BigEndian.Uint64(sum[:8])%1_000_000_000_000)
}
