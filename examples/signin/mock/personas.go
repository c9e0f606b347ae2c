// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

//go:embed personas.json
var personasJSON []byte

// Personas are the built-in people: one for each case that an application should have seen.
func Personas() ([]openid.Person, error) { return ParsePersonas(personasJSON) }

// person is one of the file, in the members of userinfo.
type person struct {
	openid.Person
	Level *level `json:"idassurancelevel"`
	// What userinfo repeats.
	UID    string `json:"uid"`
	UserID string `json:"nhsid_useruid"`
}

// level is an identity level, as a number or, as the national service has it, as a string.
type level int

// UnmarshalJSON takes 0 to 3.
func (l *level) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(text) == 3 && text[0] == '"' {
		text = text[1:2]
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 3 || len(text) != 1 {
		return fmt.Errorf("idassurancelevel is %s, not 0 to 3", data)
	}
	*l = level(n)
	return nil
}

// ParsePersonas reads a JSON array of people in the members of userinfo, strictly: a member that userinfo doesn't have
// is an error. sub, given_name and family_name are needed; the identity level is 3 by default.
func ParsePersonas(data []byte) ([]openid.Person, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var list []person
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("personas: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("personas: something follows the list")
	}
	if len(list) == 0 {
		return nil, errors.New("personas: the list is empty")
	}
	people := make([]openid.Person, len(list))
	seen := map[string]bool{}
	for i, p := range list {
		if err := p.check(seen); err != nil {
			return nil, fmt.Errorf("personas: number %d, sub %q: %w", i+1, p.ID, err)
		}
		people[i] = p.whole()
	}
	return people, nil
}

// check holds somebody to the forms of the national service. seen has the ids that are taken.
func (p person) check(seen map[string]bool) error {
	if !digits(p.ID) {
		return errors.New("sub is a user id of 12 digits")
	}
	if p.UID != "" && p.UID != p.ID || p.UserID != "" && p.UserID != p.ID {
		return errors.New("uid and nhsid_useruid repeat sub")
	}
	if strings.TrimSpace(p.Given) == "" || strings.TrimSpace(p.Family) == "" {
		return errors.New("given_name and family_name are needed")
	}
	if seen["person "+p.ID] {
		return errors.New("another one has this sub")
	}
	seen["person "+p.ID] = true
	for _, r := range p.Roles {
		if err := checkRole(r); err != nil {
			return fmt.Errorf("role %q: %w", r.ID, err)
		}
		if seen["role "+r.ID] {
			return fmt.Errorf("role %q: another one has this person_roleid", r.ID)
		}
		seen["role "+r.ID] = true
	}
	return nil
}

func checkRole(r openid.Role) error {
	switch {
	case !digits(r.ID) || !digits(r.OrganisationID):
		return errors.New("person_roleid and person_orgid have 12 digits each")
	case r.Organisation == "" || r.Code == "":
		return errors.New("org_code and role_code are needed")
	case len(r.Activities) != len(r.ActivityCodes) || len(r.Workgroups) != len(r.WorkgroupCodes) || len(r.Areas) != len(r.AreaCodes):
		return errors.New("names and codes of activities, workgroups and areas of work are parallel lists")
	}
	return nil
}

// digits reports whether an id has the 12 digits of the national service. It has no check digit.
func digits(id string) bool {
	return len(id) == 12 && strings.Trim(id, "0123456789") == ""
}

func (p person) whole() openid.Person {
	p.IdentityLevel = 3
	if p.Level != nil {
		p.IdentityLevel = int(*p.Level)
	}
	if p.Name == "" {
		p.Name = strings.ToUpper(p.Family) + " " + p.Given
	}
	if p.DisplayName == "" {
		p.DisplayName = p.Given + " " + p.Family
	}
	return p.Person
}
