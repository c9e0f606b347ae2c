// SPDX-License-Identifier: Apache-2.0

package sqlstore

// The statements that are longer than a line where they are used. Written for PostgreSQL; sqlkit renders them for
// SQLite. Inserts that may meet their like get " ON CONFLICT DO NOTHING".
const (
	selectAudit = `SELECT seq, at, actor, action, subject, detail FROM careid_audit WHERE seq > $1 ORDER BY seq LIMIT $2`
	selectAbout = `SELECT seq, at, actor, action, subject, detail FROM careid_audit
		WHERE subject = $1 AND at >= $2 AND (at <= $6 OR $6 = 0) AND (actor = $3 OR $3 = '') AND (seq < $4 OR $4 = 0) ORDER BY seq DESC LIMIT $5`

	insertProfile = `INSERT INTO careid_profile (id, given, family, organisation, email, mobile, state, opened_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	updateProfile  = `UPDATE careid_profile SET given = $2, family = $3, organisation = $4, email = $5, mobile = $6, state = $7 WHERE id = $1`
	profileColumns = `p.id, p.given, p.family, p.organisation, p.email, p.mobile, p.state, p.opened_at`
	selectProfile  = `SELECT ` + profileColumns + ` FROM careid_profile p`

	insertGrant  = `INSERT INTO careid_grant (profile, role, organisation, from_at, to_at, granted_by) VALUES ($1, $2, $3, $4, $5, $6)`
	endGrant     = `UPDATE careid_grant SET to_at = $4 WHERE profile = $1 AND role = $2 AND organisation = $3 AND to_at = 0`
	selectGrants = `SELECT profile, role, organisation, from_at, to_at, granted_by FROM careid_grant
		WHERE ($1 = '' OR profile = $1) AND from_at <= $2 AND (to_at = 0 OR to_at > $2) ORDER BY from_at, profile, role, organisation`

	insertApplication = `INSERT INTO careid_application
		(id, organisation, state, given, family, email, mobile, invited_by, invited_at, identity_check, profile, token, person)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	updateApplication = `UPDATE careid_application SET state = $3, given = $4, family = $5, identity_check = $6, profile = $7, person = $8
		WHERE id = $1 AND state = $2`
	selectApplication = `SELECT id, organisation, state, given, family, email, mobile, invited_by, invited_at, identity_check, profile,
		person FROM careid_application`
	// The row that is there is written as it stands, so that one statement returns it whoever came first.
	keepIdentity = `INSERT INTO careid_identity (person, profile) VALUES ($1, $2)
		ON CONFLICT (person) DO UPDATE SET profile = careid_identity.profile RETURNING profile`

	insertLink = `INSERT INTO careid_link (id, card, profile, address, state, at) VALUES ($1, $2, $3, $4, $5, $6)`
	selectLink = `SELECT id, card, profile, address, state, at FROM careid_link`
	updateLink = `UPDATE careid_link SET state = $3, at = $4 WHERE id = $1 AND state = $2`

	insertCard = `INSERT INTO careid_card (serial, profile, state, issued_at, not_after, issuer, unlocked_at, retired_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	// A card is read with the act that is open on it.
	cardColumns = `k.serial, k.profile, k.state, k.issued_at, k.not_after, k.issuer, k.unlocked_at, k.retired_at, COALESCE(a.id, '')`
	withOpenAct = ` LEFT JOIN careid_act a ON a.card = k.serial AND a.state IN ('open', 'issued')`
	selectCard  = `SELECT ` + cardColumns + ` FROM careid_card k` + withOpenAct
	withHolder  = ` JOIN careid_profile p ON p.id = k.profile` + withOpenAct
	selectHeld  = `SELECT ` + cardColumns + `, ` + profileColumns + ` FROM careid_card k` + withHolder + ` WHERE k.serial = $1`
	selectProof = `SELECT ` + certificateColumns + `, ` + cardColumns + `, ` + profileColumns + `
		FROM careid_certificate c JOIN careid_card k ON k.serial = c.card` + withHolder + ` WHERE c.fingerprint = $1`
	updateCard = `UPDATE careid_card SET profile = $3, state = $4, issued_at = $5, not_after = $6, issuer = $7,
		unlocked_at = $8, retired_at = $9 WHERE serial = $1 AND state = $2`
	selectGenerations = `SELECT so_first, so_second, so_next FROM careid_card WHERE serial = $1`
	updateGenerations = `UPDATE careid_card SET so_first = $2, so_second = $3, so_next = $4 WHERE serial = $1`

	insertCertificate = `INSERT INTO careid_certificate (fingerprint, card, act, use, state, reason, revoke_at, not_after, der)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	certificateColumns = `c.fingerprint, c.card, c.act, c.use, c.state, c.reason, c.revoke_at, c.not_after, c.der`
	selectCertificate  = `SELECT ` + certificateColumns + ` FROM careid_certificate c`
	updateCertificate  = `UPDATE careid_certificate SET state = $3, reason = $4, revoke_at = $5 WHERE fingerprint = $1 AND state = $2`

	insertOrder = `INSERT INTO careid_order (id, profile, replaces, at, card) VALUES ($1, $2, $3, $4, $5)`
	fillOrder   = `UPDATE careid_order SET card = $2 WHERE id =
		(SELECT id FROM careid_order WHERE profile = $1 AND card = '' ORDER BY at, id LIMIT 1)`
	selectOrders = `SELECT id, profile, replaces, at, card FROM careid_order WHERE card = '' ORDER BY at, id`

	insertAct = `INSERT INTO careid_act (id, kind, card, profile, state, actor, role, organisation, session, evidence, document,
		present_at, taken_up, renews, expired, locked, replaces, opened_at, csr_authentication, csr_signing)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`
	updateAct = `UPDATE careid_act SET state = $3, actor = $4, role = $5, organisation = $6, session = $7, evidence = $8, document = $9,
		present_at = $10, taken_up = $11, locked = $12, replaces = $13, csr_authentication = $14, csr_signing = $15
		WHERE id = $1 AND state = $2`
	selectAct = `SELECT id, kind, card, profile, state, actor, role, organisation, session, evidence, document, present_at, taken_up,
		renews, expired, locked, replaces, opened_at, csr_authentication, csr_signing FROM careid_act`
	insertHandle = `INSERT INTO careid_handle (hash, act, bind, at) VALUES ($1, $2, $3, $4)`

	supersedeCodes = `UPDATE careid_code SET state = 'superseded' WHERE card = $1 AND state = 'open'`
	insertCode     = `INSERT INTO careid_code (request, card, profile, handle, salt, hash, tries, state, sent_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	selectCode = `SELECT request, card, profile, handle, salt, hash, tries, state, sent_at, expires_at FROM careid_code WHERE request = $1`
	countTry   = `UPDATE careid_code SET tries = tries + 1
		WHERE request = $1 AND card = $2 AND state = 'open' AND tries < $3 AND expires_at > $4`
	countCardTry = `INSERT INTO careid_try (card, at) SELECT CAST($1 AS TEXT), CAST($4 AS BIGINT)
		WHERE (SELECT COUNT(*) FROM careid_try WHERE card = $1 AND at > $3) < $2`

	cardTries = `SELECT COUNT(*) FROM careid_try WHERE card = $1 AND at > $3 AND at >
		(SELECT COALESCE(MAX(sent_at), 0) FROM careid_code WHERE profile = $2 AND card = $1 AND state = 'used')`

	staleUnlocks = `SELECT EXISTS (SELECT 1 FROM careid_code WHERE expires_at <= $1)
		OR EXISTS (SELECT 1 FROM careid_reset WHERE at <= $2)`
	dropTries = `DELETE FROM careid_try WHERE at <= $1 AND card IN (SELECT card FROM careid_code WHERE expires_at <= $1)
		AND (at <= (SELECT k.issued_at FROM careid_card k WHERE k.serial = careid_try.card)
		OR at <= (SELECT k.unlocked_at FROM careid_card k WHERE k.serial = careid_try.card)
		OR at <= (SELECT MAX(c.sent_at) FROM careid_code c JOIN careid_card k ON k.serial = c.card AND k.profile = c.profile
			WHERE c.card = careid_try.card AND c.state = 'used'))`

	endResets   = `UPDATE careid_reset SET state = 'ended' WHERE card = $1 AND state IN ('open', 'opened')`
	insertReset = `INSERT INTO careid_reset (token, card, profile, request, agent_key, state, opened, next, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	selectReset = `SELECT token, card, profile, request, agent_key, state, opened, next, at FROM careid_reset WHERE token = $1`

	insertResult = `INSERT INTO careid_result (hash, bind, purpose, presence, certificate, card, profile, until_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	takeResult = `DELETE FROM careid_result WHERE hash = $1 AND bind = $2 AND until_at > $3
		RETURNING hash, bind, purpose, presence, certificate, card, profile, until_at,
			COALESCE((SELECT p.until_at FROM careid_presence p WHERE p.hash = careid_result.presence), 0),
			EXISTS (SELECT 1 FROM careid_session s WHERE s.hash = careid_result.bind)`
	spentProofs = `SELECT EXISTS (SELECT 1 FROM careid_nonce WHERE until_at <= $1)
		OR EXISTS (SELECT 1 FROM careid_result WHERE until_at <= $1) OR EXISTS (SELECT 1 FROM careid_presence WHERE until_at <= $1)`

	insertSession = `INSERT INTO careid_session (hash, profile, card, certificate, presence, binding, auth_time, expires_at, ended,
		seen_at, locked, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	selectSession = `SELECT s.hash, s.profile, s.card, s.certificate, s.presence, s.binding, s.auth_time, s.expires_at, s.ended,
		s.seen_at, s.locked, s.used, COALESCE(p.until_at, 0) FROM careid_session s LEFT JOIN careid_presence p ON p.hash = s.presence`
	dropSessions = `DELETE FROM careid_session WHERE hash IN (SELECT hash FROM careid_session
		WHERE ended <> '' AND expires_at <= $1 ORDER BY expires_at LIMIT $2)`
	selectOverdue = selectSession + ` WHERE s.ended = '' AND (s.expires_at <= $1 OR s.binding <> 'keep' AND COALESCE(p.until_at, 0) <= $2)
		ORDER BY s.expires_at, s.hash LIMIT $3`
)
