// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// RoleNeeded is what one role must be: of any of Roles, with any of Activities, in
// any of Organisations; a list that is empty asks for nothing. Activities that a
// role only implies are not known here: the role has to carry the code.
type RoleNeeded struct {
	// Roles are role codes, whole (S8000:G8000:R8001) or their last part (R8001).
	Roles []string
	// Activities are activity codes, such as B0401.
	Activities []string
	// Organisations are ODS codes.
	Organisations []string
}

func (n RoleNeeded) none() bool { return len(n.Roles)+len(n.Activities)+len(n.Organisations) == 0 }

// Met says whether a role is enough.
func (n RoleNeeded) Met(r Role) bool {
	last := r.Code[strings.LastIndex(r.Code, ":")+1:]
	return (len(n.Roles) == 0 || slices.ContainsFunc(n.Roles, func(code string) bool { return code != "" && (code == r.Code || code == last) })) &&
		(len(n.Activities) == 0 || slices.ContainsFunc(n.Activities, func(code string) bool { return slices.Contains(r.ActivityCodes, code) })) &&
		(len(n.Organisations) == 0 || slices.Contains(n.Organisations, r.OrgCode))
}

// enough says whether a person may have a session: levels and role.
func (rp *RelyingParty) enough(c Claims) error {
	low := func(rule string, have, need int) *wardkey.Refusal {
		return rp.book.Refuse(rule, "have", strconv.Itoa(have), "need", strconv.Itoa(need))
	}
	switch {
	case c.ACR == "" && !rp.config.AllowMissingACR && rp.config.MinAuthentication != Any:
		return rp.book.Refuse("rp.acr.missing")
	case c.AuthenticationLevel < rp.config.MinAuthentication:
		return low("rp.authentication", c.AuthenticationLevel, rp.config.MinAuthentication)
	case c.IdentityLevel < rp.config.MinIdentity:
		return low("rp.identity", c.IdentityLevel, rp.config.MinIdentity)
	}
	return rp.role(c)
}

func (rp *RelyingParty) role(c Claims) error {
	held, selected := c.Role()
	switch {
	case c.SelectedRole != "" && !selected:
		return rp.book.Refuse("rp.role.selected")
	case rp.config.asksRole() && len(c.Roles) == 0:
		return rp.book.Refuse("rp.role.none")
	case rp.config.asksRole() && !selected:
		return rp.book.Refuse("rp.role.selected")
	case rp.config.Role.none(),
		selected && rp.config.Role.Met(held),
		!selected && slices.ContainsFunc(c.Roles, rp.config.Role.Met):
		return nil
	}
	return rp.book.Refuse("rp.role.needed")
}
