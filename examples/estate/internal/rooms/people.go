// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// Person is somebody with a profile, with roles and cards as they are now.
type Person struct {
	careid.Profile
	Roles []string
	Cards []careid.Card
}

// People are all of them, as the operator sees them.
func (r *Rooms) People(ctx context.Context) ([]Person, error) {
	profiles, err := r.Care.Profiles(ctx, r.Operator())
	if err != nil {
		return nil, err
	}
	roles, err := r.roles(ctx, r.Clock.Now())
	if err != nil {
		return nil, err
	}
	people := make([]Person, len(profiles))
	for i, p := range profiles {
		cards, err := r.Care.Cards(ctx, r.Operator(), p.ID)
		if err != nil {
			return nil, err
		}
		people[i] = Person{Profile: p, Roles: roles[p.ID], Cards: cards}
	}
	return people, nil
}

// roles are those in force, by user id. The service tells each person their
// own; everybody's at once is read from the store.
func (r *Rooms) roles(ctx context.Context, at time.Time) (map[string][]string, error) {
	roles := map[string][]string{}
	err := r.care.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		clear(roles)
		grants, err := tx.People.Grants(ctx, "", at)
		for _, g := range grants {
			roles[g.Profile] = append(roles[g.Profile], string(g.Role))
		}
		return err
	})
	return roles, err
}
