// SPDX-License-Identifier: Apache-2.0

package sqlstore

// What VerifyAudit reads.
const (
	selectAudit = `SELECT seq, at, action, subject, detail FROM pki_audit WHERE seq > $1 ORDER BY seq LIMIT $2`

	selectActsTold = `SELECT ` + actColumns + `, p.seq, c.ordinal, c.issuer, c.key_hash, c.changed
	FROM pki_audit p JOIN pki_acts a ON a.id = p.subject JOIN pki_certificates c ON c.act = a.id
	WHERE p.seq BETWEEN $1 AND $2 AND p.action IN ('act.opened', 'act.committed', 'act.closed') ORDER BY p.seq, c.ordinal`
	selectStatusesTold = `SELECT p.seq, c.issuer, c.act, c.state, c.shard, c.reason, c.revoked_at, c.changed
	FROM pki_audit p JOIN pki_certificates c ON c.serial = p.subject
	WHERE p.seq BETWEEN $1 AND $2 AND p.action IN ('certificate.good', 'certificate.held', 'certificate.revoked')`

	selectIssuers = `SELECT issuer, shards, registered, (SELECT COUNT(*) FROM pki_shards s WHERE s.issuer = i.issuer AND s.shard BETWEEN 0 AND i.shards - 1)
	FROM pki_issuers i ORDER BY issuer`
	selectShards = `SELECT issuer, shard, changed, reserved, number, covers, this_update, next_update, crl FROM pki_shards ORDER BY issuer, shard`

	countTables = `SELECT (SELECT COUNT(*) FROM pki_acts), (SELECT COUNT(*) FROM pki_acts WHERE state = 'good'),
	(SELECT COUNT(*) FROM pki_acts WHERE state = 'revoked'),
	(SELECT COUNT(*) FROM pki_certificates), (SELECT COUNT(*) FROM pki_certificates WHERE changed > 0)`

	// A certificate is marked by the first list after its end that has it.
	selectMislisted = `SELECT c.serial FROM pki_certificates c JOIN pki_shards s ON s.issuer = c.issuer AND s.shard = c.shard
	WHERE c.listed <> (c.state IN ('held', 'revoked') AND s.number > 0 AND c.not_after < s.this_update AND c.changed <= s.covers)
	ORDER BY c.serial LIMIT 1`

	selectStrayAct = `SELECT a.id FROM pki_acts a LEFT JOIN pki_audit p ON p.subject = a.id
	AND p.action = CASE a.state WHEN 'good' THEN 'act.committed' WHEN 'revoked' THEN 'act.closed' ELSE 'act.opened' END
	WHERE p.seq IS NULL ORDER BY a.opened, a.id LIMIT 1`
	selectStrayCertificate = `SELECT c.serial FROM pki_certificates c LEFT JOIN pki_acts a ON a.id = c.act
	WHERE a.id IS NULL ORDER BY c.serial LIMIT 1`
	selectStrayStatus = `SELECT c.serial FROM pki_certificates c JOIN pki_acts a ON a.id = c.act LEFT JOIN pki_audit p ON p.subject = c.serial
	AND p.action = 'certificate.' || c.state
	AND p.detail IN ('change=' || c.changed || ' reason=' || c.reason || ' from=' || c.revoked_at || ' act=' || c.act, 'reason=' || c.reason || ' act=' || c.act)
	WHERE c.changed > 0 AND a.state = 'good' AND p.seq IS NULL ORDER BY c.serial LIMIT 1`
)
