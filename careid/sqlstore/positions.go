// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

const (
	insertWorkgroup = `INSERT INTO careid_workgroup (id, organisation, name, deleted_at) VALUES ($1, $2, $3, $4)`
	updateWorkgroup = `UPDATE careid_workgroup SET name = $2, deleted_at = $3 WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM careid_workgroup o JOIN careid_workgroup w ON w.organisation = o.organisation
			WHERE w.id = $1 AND o.id <> $1 AND o.name = $2 AND o.deleted_at = 0 AND $3 = 0)`
	selectWorkgroup = `SELECT id, organisation, name, deleted_at FROM careid_workgroup`

	insertPosition = `INSERT INTO careid_position
		(id, organisation, name, role_code, role_name, activities, areas, workgroups, assignable, deleted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	updatePosition = `UPDATE careid_position SET name = $2, role_code = $3, role_name = $4, activities = $5, areas = $6,
		workgroups = $7, assignable = $8, deleted_at = $9 WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM careid_position o JOIN careid_position p ON p.organisation = o.organisation
			WHERE p.id = $1 AND o.id <> $1 AND o.name = $2 AND o.deleted_at = 0 AND $9 = 0)`
	selectPosition = `SELECT id, organisation, name, role_code, role_name, activities, areas, workgroups, assignable, deleted_at
		FROM careid_position`

	insertAssignment = `INSERT INTO careid_assignment (id, profile, position, from_at, to_at, assigned_by)
		VALUES ($1, $2, $3, $4, $5, $6)`
	selectAssignment = `SELECT id, profile, position, from_at, to_at, assigned_by FROM careid_assignment`
	endAssignment    = `UPDATE careid_assignment SET to_at = CASE WHEN from_at > $2 THEN from_at ELSE $2 END
		WHERE id = $1 AND (to_at = 0 OR to_at > $2) AND to_at <> from_at`

	setRelease = `INSERT INTO careid_release (profile, from_organisation, to_organisation, released_by, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (profile) DO UPDATE SET from_organisation = $2, to_organisation = $3, released_by = $4, at = $5`
	takeRelease = `DELETE FROM careid_release WHERE profile = $1 AND to_organisation = $2
		RETURNING profile, from_organisation, to_organisation, released_by, at`
	selectReleases = `SELECT profile, from_organisation, to_organisation, released_by, at FROM careid_release
		WHERE $1 = '' OR to_organisation = $1 ORDER BY at, profile`
)

// updated tells why an update by id changed nothing.
func (q queries) updated(ctx context.Context, table, id, query string, args ...any) error {
	done, err := q.changed(ctx, query, args...)
	if err != nil || done {
		return err
	}
	there, err := q.holds(ctx, "SELECT EXISTS (SELECT 1 FROM "+table+" WHERE id = $1)", id)
	if err == nil && there {
		return careid.ErrConflict
	}
	if err == nil {
		return careid.ErrNotFound
	}
	return err
}

type positions struct{ queries }

func scanWorkgroup(row scanner) (v careid.Workgroup, err error) {
	var deleted int64
	err = row.Scan(&v.ID, &v.Organisation, &v.Name, &deleted)
	v.DeletedAt = fromUnix(deleted)
	return v, err
}

func (p positions) AddWorkgroup(ctx context.Context, v careid.Workgroup) error {
	return p.added(ctx, insertWorkgroup, v.ID, v.Organisation, v.Name, unix(v.DeletedAt))
}

func (p positions) UpdateWorkgroup(ctx context.Context, v careid.Workgroup) error {
	return p.updated(ctx, "careid_workgroup", v.ID, updateWorkgroup, v.ID, v.Name, unix(v.DeletedAt))
}

func (p positions) Workgroup(ctx context.Context, id string) (careid.Workgroup, error) {
	return one(ctx, p.queries, scanWorkgroup, selectWorkgroup+" WHERE id = $1", id)
}

func (p positions) WorkgroupsOf(ctx context.Context, organisation string) ([]careid.Workgroup, error) {
	return all(ctx, p.queries, scanWorkgroup, selectWorkgroup+" WHERE deleted_at = 0 AND ($1 = '' OR organisation = $1) ORDER BY name, id", organisation)
}

// lists are the three lists of a position as kept: JSON.
func lists(v careid.Position) (activities, areas, workgroups string, err error) {
	var texts [3]string
	for i, list := range []any{v.Activities, v.AreasOfWork, v.Workgroups} {
		text, err := json.Marshal(list)
		if err != nil {
			return "", "", "", err
		}
		texts[i] = string(text)
	}
	return texts[0], texts[1], texts[2], nil
}

func scanPosition(row scanner) (v careid.Position, err error) {
	var activities, areas, workgroups string
	var deleted int64
	err = row.Scan(&v.ID, &v.Organisation, &v.Name, &v.Role.Code, &v.Role.Name, &activities, &areas, &workgroups, &v.Assignable, &deleted)
	v.DeletedAt = fromUnix(deleted)
	for _, list := range []struct {
		text string
		into any
	}{{activities, &v.Activities}, {areas, &v.AreasOfWork}, {workgroups, &v.Workgroups}} {
		if err == nil {
			err = json.Unmarshal([]byte(list.text), list.into)
		}
	}
	return v, err
}

func (p positions) AddPosition(ctx context.Context, v careid.Position) error {
	activities, areas, workgroups, err := lists(v)
	if err != nil {
		return err
	}
	return p.added(ctx, insertPosition, v.ID, v.Organisation, v.Name, v.Role.Code, v.Role.Name, activities, areas, workgroups, v.Assignable, unix(v.DeletedAt))
}

func (p positions) UpdatePosition(ctx context.Context, v careid.Position) error {
	activities, areas, workgroups, err := lists(v)
	if err != nil {
		return err
	}
	return p.updated(ctx, "careid_position", v.ID, updatePosition, v.ID, v.Name, v.Role.Code, v.Role.Name, activities, areas, workgroups, v.Assignable, unix(v.DeletedAt))
}

func (p positions) Position(ctx context.Context, id string) (careid.Position, error) {
	return one(ctx, p.queries, scanPosition, selectPosition+" WHERE id = $1", id)
}

func (p positions) PositionsOf(ctx context.Context, organisation string) ([]careid.Position, error) {
	return all(ctx, p.queries, scanPosition, selectPosition+" WHERE deleted_at = 0 AND ($1 = '' OR organisation = $1) ORDER BY name, id", organisation)
}

type assignments struct{ queries }

func scanAssignment(row scanner) (v careid.Assignment, err error) {
	var from, to int64
	err = row.Scan(&v.ID, &v.Profile, &v.Position, &from, &to, &v.By)
	v.From, v.To = fromUnix(from), fromUnix(to)
	return v, err
}

func (a assignments) AddAssignment(ctx context.Context, v careid.Assignment) error {
	return a.added(ctx, insertAssignment, v.ID, v.Profile, v.Position, unix(v.From), unix(v.To), v.By)
}

func (a assignments) Assignment(ctx context.Context, id string) (careid.Assignment, error) {
	return one(ctx, a.queries, scanAssignment, selectAssignment+" WHERE id = $1", id)
}

func (a assignments) AssignmentsOf(ctx context.Context, profile string) ([]careid.Assignment, error) {
	return all(ctx, a.queries, scanAssignment, selectAssignment+" WHERE profile = $1 ORDER BY from_at, id", profile)
}

func (a assignments) Holders(ctx context.Context, position string, t time.Time) ([]careid.Assignment, error) {
	return all(ctx, a.queries, scanAssignment, selectAssignment+" WHERE position = $1 AND (to_at = 0 OR to_at > $2) AND to_at <> from_at ORDER BY from_at, id", position, unix(t))
}

func (a assignments) EndAssignment(ctx context.Context, id string, t time.Time) (bool, error) {
	return a.changed(ctx, endAssignment, id, unix(t))
}

type releases struct{ queries }

func scanRelease(row scanner) (v careid.Release, err error) {
	var at int64
	err = row.Scan(&v.Profile, &v.From, &v.To, &v.By, &at)
	v.At = fromUnix(at)
	return v, err
}

func (r releases) SetRelease(ctx context.Context, v careid.Release) error {
	_, err := r.changed(ctx, setRelease, v.Profile, v.From, v.To, v.By, unix(v.At))
	return err
}

func (r releases) TakeRelease(ctx context.Context, profile, to string) (careid.Release, error) {
	return one(ctx, r.queries, scanRelease, takeRelease, profile, to)
}

func (r releases) DropRelease(ctx context.Context, profile string) (bool, error) {
	return r.changed(ctx, "DELETE FROM careid_release WHERE profile = $1", profile)
}

func (r releases) ReleasesTo(ctx context.Context, organisation string) ([]careid.Release, error) {
	return all(ctx, r.queries, scanRelease, selectReleases, organisation)
}
