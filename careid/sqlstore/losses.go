// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"

	"github.com/wardkey-sdk/wardkey/careid"
)

const (
	insertLoss = `INSERT INTO careid_loss (id, profile, card, replacement, stolen, reported_by, reported_role, at, ra_by, ra_at,
		incident_by, incident_address, incident_card, incident_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	updateLoss = `UPDATE careid_loss SET ra_by = $2, ra_at = $3, incident_by = $4, incident_address = $5, incident_card = $6,
		incident_at = $7 WHERE id = $1`
	selectLoss = `SELECT id, profile, card, replacement, stolen, reported_by, reported_role, at, ra_by, ra_at,
		incident_by, incident_address, incident_card, incident_at FROM careid_loss`
)

type losses struct{ queries }

func scanLoss(row scanner) (v careid.Loss, err error) {
	var at, ra, incident int64
	err = row.Scan(&v.ID, &v.Profile, &v.Card, &v.Order, &v.Stolen, &v.ReportedBy, &v.Role, &at, &v.RABy, &ra,
		&v.Incident.By, &v.Incident.Address, &v.Incident.Card, &incident)
	v.At, v.RAAt, v.Incident.At = fromUnix(at), fromUnix(ra), fromUnix(incident)
	return v, err
}

func (l losses) AddLoss(ctx context.Context, v careid.Loss) error {
	return l.added(ctx, insertLoss, v.ID, v.Profile, v.Card, v.Order, v.Stolen, v.ReportedBy, string(v.Role), unix(v.At), v.RABy, unix(v.RAAt),
		v.Incident.By, v.Incident.Address, v.Incident.Card, unix(v.Incident.At))
}

func (l losses) UpdateLoss(ctx context.Context, v careid.Loss) error {
	done, err := l.changed(ctx, updateLoss, v.ID, v.RABy, unix(v.RAAt), v.Incident.By, v.Incident.Address, v.Incident.Card, unix(v.Incident.At))
	if err == nil && !done {
		return careid.ErrNotFound
	}
	return err
}

func (l losses) Loss(ctx context.Context, id string) (careid.Loss, error) {
	return one(ctx, l.queries, scanLoss, selectLoss+" WHERE id = $1", id)
}

func (l losses) OpenLosses(ctx context.Context) ([]careid.Loss, error) {
	return all(ctx, l.queries, scanLoss, selectLoss+" WHERE ra_at = 0 OR incident_at = 0 ORDER BY at, id")
}
