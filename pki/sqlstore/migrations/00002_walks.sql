-- SPDX-License-Identifier: Apache-2.0

-- +goose Up
-- When the holder is next to be reminded, 0 for never again.
ALTER TABLE pki_certificates ADD COLUMN remind_at BIGINT NOT NULL DEFAULT 0;
UPDATE pki_certificates SET remind_at = not_after - 90 * 86400 WHERE purpose = 'authentication';
CREATE INDEX pki_certificates_ending ON pki_certificates (issuer, not_after);
CREATE INDEX pki_certificates_remind ON pki_certificates (issuer, remind_at) WHERE remind_at > 0 AND state = 'good';

-- A list is read from this index alone.
DROP INDEX pki_certificates_revoked;
CREATE INDEX pki_certificates_revoked ON pki_certificates (issuer, shard, not_after, listed, serial, revoked_at, reason, changed)
  WHERE state IN ('held', 'revoked');

-- +goose Down
DROP INDEX pki_certificates_revoked;
CREATE INDEX pki_certificates_revoked ON pki_certificates (issuer, shard, not_after) WHERE state IN ('held', 'revoked');
DROP INDEX pki_certificates_remind;
DROP INDEX pki_certificates_ending;
ALTER TABLE pki_certificates DROP COLUMN remind_at;
