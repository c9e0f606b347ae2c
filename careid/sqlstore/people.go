// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

type people struct{ queries }

func (p people) AddProfile(ctx context.Context, v careid.Profile) error {
	return p.added(ctx, insertProfile, v.ID, v.Given, v.Family, v.Organisation, v.Email, v.Mobile, string(v.State), unix(v.OpenedAt))
}

func (p people) UpdateProfile(ctx context.Context, v careid.Profile) error {
	done, err := p.changed(ctx, updateProfile, v.ID, v.Given, v.Family, v.Organisation, v.Email, v.Mobile, string(v.State))
	if err == nil && !done {
		return careid.ErrNotFound
	}
	return err
}

type profileRow struct {
	careid.Profile
	opened int64
}

func (r *profileRow) columns() []any {
	return []any{&r.ID, &r.Given, &r.Family, &r.Organisation, &r.Email, &r.Mobile, &r.State, &r.opened}
}

func (r *profileRow) read() careid.Profile {
	r.OpenedAt = fromUnix(r.opened)
	return r.Profile
}

func scanProfile(row scanner) (careid.Profile, error) {
	var r profileRow
	err := row.Scan(r.columns()...)
	return r.read(), err
}

func (p people) Profile(ctx context.Context, id string) (careid.Profile, error) {
	return one(ctx, p.queries, scanProfile, selectProfile+" WHERE id = $1", id)
}

func (p people) ProfilesOf(ctx context.Context, organisation string) ([]careid.Profile, error) {
	return all(ctx, p.queries, scanProfile, selectProfile+" WHERE $1 = '' OR organisation = $1 ORDER BY id", organisation)
}

func (p people) AddGrant(ctx context.Context, g careid.Grant) error {
	return p.added(ctx, insertGrant, g.Profile, string(g.Role), g.Organisation, unix(g.From), unix(g.To), g.By)
}

func (p people) EndGrant(ctx context.Context, profile string, role careid.Role, organisation string, at time.Time) (bool, error) {
	return p.changed(ctx, endGrant, profile, string(role), organisation, unix(at))
}

func (p people) Grants(ctx context.Context, profile string, t time.Time) ([]careid.Grant, error) {
	scan := func(row scanner) (g careid.Grant, err error) {
		var from, to int64
		err = row.Scan(&g.Profile, &g.Role, &g.Organisation, &from, &to, &g.By)
		g.From, g.To = fromUnix(from), fromUnix(to)
		return g, err
	}
	return all(ctx, p.queries, scan, selectGrants, profile, unix(t))
}

type applications struct{ queries }

// checkText is an identity check as kept: JSON, or "" for none.
func checkText(c *careid.Check) (string, error) {
	if c == nil {
		return "", nil
	}
	text, err := json.Marshal(c)
	return string(text), err
}

func scanApplication(row scanner) (v careid.Application, err error) {
	var invited int64
	var check string
	err = row.Scan(&v.ID, &v.Organisation, &v.State, &v.Given, &v.Family, &v.Email, &v.Mobile, &v.InvitedBy, &invited, &check, &v.Profile, &v.Person)
	v.InvitedAt = fromUnix(invited)
	if err == nil && check != "" {
		v.Check = new(careid.Check)
		if err := json.Unmarshal([]byte(check), v.Check); err != nil {
			return v, fmt.Errorf("sqlstore: identity check of application %s: %w", v.ID, err)
		}
	}
	return v, err
}

func (a applications) AddApplication(ctx context.Context, v careid.Application, token []byte) error {
	check, err := checkText(v.Check)
	if err != nil {
		return err
	}
	return a.added(ctx, insertApplication, v.ID, v.Organisation, string(v.State), v.Given, v.Family, v.Email, v.Mobile,
		v.InvitedBy, unix(v.InvitedAt), check, v.Profile, token, orNull(v.Person))
}

func (a applications) Application(ctx context.Context, id string) (careid.Application, error) {
	return one(ctx, a.queries, scanApplication, selectApplication+" WHERE id = $1", id)
}

func (a applications) ApplicationByToken(ctx context.Context, token []byte) (careid.Application, error) {
	return one(ctx, a.queries, scanApplication, selectApplication+" WHERE token = $1", token)
}

func (a applications) UpdateApplication(ctx context.Context, v careid.Application, from careid.ApplicationState) (bool, error) {
	check, err := checkText(v.Check)
	if err != nil {
		return false, err
	}
	return a.changed(ctx, updateApplication, v.ID, string(from), string(v.State), v.Given, v.Family, check, v.Profile, orNull(v.Person))
}

func (a applications) ApplicationsOf(ctx context.Context, organisation string) ([]careid.Application, error) {
	return all(ctx, a.queries, scanApplication, selectApplication+" WHERE $1 = '' OR organisation = $1 ORDER BY invited_at, id", organisation)
}

func (a applications) IdentityOf(ctx context.Context, person []byte) (string, error) {
	return one(ctx, a.queries, scanText, "SELECT profile FROM careid_identity WHERE person = $1", person)
}

func (a applications) KeepIdentity(ctx context.Context, person []byte, profile string) (string, error) {
	return one(ctx, a.queries, scanText, keepIdentity, person, profile)
}

func scanText(row scanner) (text string, err error) {
	err = row.Scan(&text)
	return text, err
}

type links struct{ queries }

func scanLink(row scanner) (v careid.Link, err error) {
	var at int64
	err = row.Scan(&v.ID, &v.Card, &v.Profile, &v.Address, &v.State, &at)
	v.At = fromUnix(at)
	return v, err
}

func (l links) AddLink(ctx context.Context, v careid.Link) error {
	return l.added(ctx, insertLink, v.ID, v.Card, v.Profile, v.Address, string(v.State), unix(v.At))
}

func (l links) LinksOf(ctx context.Context, profile string) ([]careid.Link, error) {
	return all(ctx, l.queries, scanLink, selectLink+" WHERE profile = $1 ORDER BY at, id", profile)
}

func (l links) LinkOfAddress(ctx context.Context, address string) (careid.Link, error) {
	return one(ctx, l.queries, scanLink, selectLink+" WHERE address = $1 AND state IN ('active', 'suspended')", address)
}

func (l links) SetLink(ctx context.Context, v careid.Link, from careid.LinkState) (bool, error) {
	return l.changed(ctx, updateLink, v.ID, string(from), string(v.State), unix(v.At))
}
