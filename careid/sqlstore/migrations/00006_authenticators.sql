-- SPDX-License-Identifier: Apache-2.0
-- What people sign in with beside a card. A session without a card says in JSON what was used for it.

-- +goose Up
CREATE TABLE careid_authenticator (
  id TEXT PRIMARY KEY, profile TEXT NOT NULL REFERENCES careid_profile (id), kind TEXT NOT NULL, name TEXT NOT NULL,
  credential BYTEA, state TEXT NOT NULL, registered_at BIGINT NOT NULL, registered_by TEXT NOT NULL,
  last_used BIGINT NOT NULL, counter BIGINT NOT NULL DEFAULT 0, sealed BYTEA, last_step BIGINT NOT NULL DEFAULT 0,
  tries BIGINT NOT NULL DEFAULT 0, window_at BIGINT NOT NULL DEFAULT 0, window_tries BIGINT NOT NULL DEFAULT 0);
CREATE INDEX careid_authenticator_profile ON careid_authenticator (profile, registered_at);
CREATE UNIQUE INDEX careid_authenticator_credential ON careid_authenticator (credential) WHERE credential IS NOT NULL;

ALTER TABLE careid_session ADD COLUMN used TEXT NOT NULL DEFAULT '';
