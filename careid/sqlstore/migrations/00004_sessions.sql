-- SPDX-License-Identifier: Apache-2.0
-- When a session was last used, whether it is locked since, and which terms a person has accepted.

-- +goose Up
ALTER TABLE careid_session ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE careid_session ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE careid_session SET seen_at = auth_time;
CREATE INDEX careid_session_seen ON careid_session (seen_at) WHERE ended = '' AND NOT locked;

CREATE TABLE careid_acceptance (
  profile TEXT NOT NULL REFERENCES careid_profile (id), version TEXT NOT NULL, mode TEXT NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (profile, version, mode));
