// SPDX-License-Identifier: Apache-2.0

package sqlstore

const (
	selectIssuer = `SELECT shards FROM pki_issuers WHERE issuer = $1`
	insertIssuer = `INSERT INTO pki_issuers (issuer, shards, registered) VALUES ($1, $2, $3)`
	insertShard  = `INSERT INTO pki_shards (issuer, shard, changed, reserved, number, covers, this_update, next_update) VALUES ($1, $2, 0, 0, 0, 0, 0, 0)`

	actColumns = `a.id, a.kind, a.issuer, a.fingerprint, a.subject, a.user_id, a.lineage, a.generation, a.opened, a.state,
	c.serial, c.purpose, c.shard, c.public_key, c.not_before, c.not_after, c.state, c.reason, c.revoked_at, c.remind_at, c.der`
	actTables     = ` FROM pki_acts a JOIN pki_certificates c ON c.act = a.id `
	selectAct     = `SELECT ` + actColumns + actTables + `WHERE a.id = $1 ORDER BY c.ordinal`
	selectPending = `SELECT ` + actColumns + actTables + `WHERE a.state = 'pending' AND a.issuer = $1 AND a.opened <= $2 ORDER BY a.opened, a.id, c.ordinal`
	selectRecord  = `SELECT ` + actColumns + actTables + `WHERE c.serial = $1`

	// Pages. What comes behind the last one seen is said twice, once so that the
	// index is used.
	selectExpiring = `SELECT ` + actColumns + actTables + `WHERE c.issuer = $1 AND c.not_after >= $2 AND c.not_after <= $3
	AND (c.not_after, c.serial) > ($2, $4) AND c.state IN ('good', 'held') AND c.purpose <> 'responder'
	ORDER BY c.not_after, c.serial LIMIT $5`
	selectIssued = `SELECT ` + actColumns + actTables + `WHERE a.issuer = $1 AND a.opened >= $2
	AND (a.opened, a.id, c.ordinal) > ($2, $3, $4) AND c.der IS NOT NULL AND c.purpose <> 'responder'
	ORDER BY a.opened, a.id, c.ordinal LIMIT $5`
	selectLineage = `SELECT ` + actColumns + actTables + `WHERE a.lineage = $1 AND c.der IS NOT NULL AND c.purpose <> 'responder'
	ORDER BY a.generation, a.opened, a.id, c.ordinal`

	selectReminders = `SELECT ` + actColumns + actTables + `WHERE c.issuer = $1 AND c.remind_at > 0 AND c.remind_at <= $2 AND c.state = 'good'
	ORDER BY c.remind_at, c.serial LIMIT $3`
	selectReminder = `SELECT remind_at FROM pki_certificates WHERE issuer = $1 AND remind_at > 0 AND state = 'good' ORDER BY remind_at LIMIT 1`
	moveReminder   = `UPDATE pki_certificates SET remind_at = $1 WHERE serial = $2 AND remind_at = $3`

	// What OpenAct needs to know: is the act there, when was the last one opened,
	// how many of the keys are known.
	selectStanding = `SELECT (SELECT COUNT(*) FROM pki_acts WHERE id = $1),
	(SELECT opened FROM pki_acts ORDER BY opened DESC LIMIT 1),
	(SELECT COUNT(*) FROM pki_certificates WHERE key_hash IN ($2, $3))`
	countNewer  = `SELECT COUNT(*)` + actTables + `WHERE a.lineage = $1 AND a.generation > $2 AND c.state <> 'revoked'`
	countFormer = `SELECT COUNT(*), COALESCE(SUM((SELECT COUNT(*) FROM pki_certificates c WHERE c.act = a.id AND c.state = 'held')), 0)
	FROM pki_acts a WHERE a.lineage = $1 AND a.generation = $2
	AND NOT EXISTS (SELECT 1 FROM pki_certificates c WHERE c.act = a.id AND c.state = 'revoked')`

	// One row, or none when selectStanding would tell why not: $10 is the act's
	// time and the tolerance.
	insertAct = `INSERT INTO pki_acts (id, kind, issuer, fingerprint, subject, user_id, lineage, generation, opened, state)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending'
	WHERE NOT EXISTS (SELECT 1 FROM pki_acts WHERE id = $1)
	AND NOT EXISTS (SELECT 1 FROM pki_acts WHERE opened > $10)
	AND NOT EXISTS (SELECT 1 FROM pki_certificates WHERE key_hash = $11)
	AND NOT EXISTS (SELECT 1 FROM pki_certificates WHERE key_hash = $12)`
	insertOne = `INSERT INTO pki_certificates (ordinal, act, issuer, serial, purpose, shard, key_hash, public_key, not_before, not_after, remind_at, state, reason, revoked_at, changed, listed)
	VALUES (0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', 0, 0, 0, FALSE)`
	insertTwo = insertOne + `, (1, $1, $2, $11, $12, $13, $14, $15, $16, $17, $18, 'pending', 0, 0, 0, FALSE)`

	settleAct     = `UPDATE pki_acts SET state = $1 WHERE id = $2 AND state = 'pending'`
	commitRecords = `UPDATE pki_certificates SET state = 'good', der = CASE ordinal WHEN 0 THEN $2 WHEN 1 THEN $3 ELSE der END WHERE act = $1`

	changeShard  = `UPDATE pki_shards SET changed = changed + 1 WHERE issuer = $1 AND shard = $2 RETURNING changed`
	changeRecord = `UPDATE pki_certificates SET state = $1, reason = $2, revoked_at = $3, changed = $4, listed = FALSE WHERE serial = $5`

	selectRevision = `SELECT seq FROM pki_audit_head WHERE id = 1`

	selectShard   = `SELECT changed, number, covers, this_update, next_update FROM pki_shards WHERE issuer = $1 AND shard = $2`
	reserveNumber = `UPDATE pki_shards SET reserved = reserved + 1 WHERE issuer = $1 AND shard = $2 RETURNING reserved, changed, this_update`
	selectEntries = `SELECT string_agg(serial || ' ' || revoked_at || ' ' || reason, ';') FROM pki_certificates
	WHERE issuer = $1 AND shard = $2 AND state IN ('held', 'revoked') AND (not_after >= $3 OR NOT listed)`
	storeList = `UPDATE pki_shards SET number = $1, covers = $2, this_update = $3, next_update = $4, crl = $5
	WHERE issuer = $6 AND shard = $7 AND number < $1 AND this_update <= $3`
	markListed = `UPDATE pki_certificates SET listed = TRUE
	WHERE issuer = $1 AND shard = $2 AND state IN ('held', 'revoked') AND not_after < $3 AND changed <= $4 AND NOT listed`
	selectList = `SELECT number, covers, this_update, next_update, crl FROM pki_shards WHERE issuer = $1 AND shard = $2 AND number > 0`
)
