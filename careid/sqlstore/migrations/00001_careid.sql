-- SPDX-License-Identifier: Apache-2.0
-- Written once for SQLite and PostgreSQL. Times are whole Unix seconds; 0 is "none".

-- +goose Up
CREATE TABLE careid_profile (
  id TEXT PRIMARY KEY, given TEXT NOT NULL, family TEXT NOT NULL, organisation TEXT NOT NULL,
  email TEXT NOT NULL, mobile TEXT NOT NULL, state TEXT NOT NULL, opened_at BIGINT NOT NULL);
CREATE INDEX careid_profile_organisation ON careid_profile (organisation, id);

CREATE TABLE careid_grant (
  profile TEXT NOT NULL REFERENCES careid_profile (id), role TEXT NOT NULL, organisation TEXT NOT NULL,
  from_at BIGINT NOT NULL, to_at BIGINT NOT NULL, granted_by TEXT NOT NULL);
CREATE UNIQUE INDEX careid_grant_held ON careid_grant (profile, role, organisation) WHERE to_at = 0;

CREATE TABLE careid_application (
  id TEXT PRIMARY KEY, organisation TEXT NOT NULL, state TEXT NOT NULL, given TEXT NOT NULL, family TEXT NOT NULL,
  email TEXT NOT NULL, mobile TEXT NOT NULL, invited_by TEXT NOT NULL, invited_at BIGINT NOT NULL,
  identity_check TEXT NOT NULL, profile TEXT NOT NULL, token BYTEA NOT NULL UNIQUE);

CREATE TABLE careid_card (
  serial TEXT PRIMARY KEY, profile TEXT NOT NULL REFERENCES careid_profile (id), state TEXT NOT NULL,
  issued_at BIGINT NOT NULL, not_after BIGINT NOT NULL,
  so_first BIGINT NOT NULL DEFAULT 0, so_second BIGINT NOT NULL DEFAULT 0, so_next BIGINT NOT NULL DEFAULT 1);
CREATE INDEX careid_card_profile ON careid_card (profile);

CREATE TABLE careid_act (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, card TEXT NOT NULL REFERENCES careid_card (serial),
  profile TEXT NOT NULL REFERENCES careid_profile (id), state TEXT NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL,
  organisation TEXT NOT NULL, session BYTEA, evidence TEXT NOT NULL, document TEXT NOT NULL, present_at BIGINT NOT NULL,
  taken_up BOOLEAN NOT NULL, renews TEXT NOT NULL, expired BOOLEAN NOT NULL, locked BOOLEAN NOT NULL,
  replaces TEXT NOT NULL, opened_at BIGINT NOT NULL, csr_authentication BYTEA, csr_signing BYTEA);
CREATE UNIQUE INDEX careid_act_open ON careid_act (card) WHERE state IN ('open', 'issued');
CREATE INDEX careid_act_unfinished ON careid_act (state) WHERE state IN ('open', 'issued', 'abandoning');

CREATE TABLE careid_handle (
  hash BYTEA PRIMARY KEY, act TEXT NOT NULL, bind BYTEA, at BIGINT NOT NULL);

CREATE TABLE careid_certificate (
  fingerprint BYTEA PRIMARY KEY, card TEXT NOT NULL REFERENCES careid_card (serial),
  act TEXT NOT NULL REFERENCES careid_act (id), use TEXT NOT NULL, state TEXT NOT NULL, reason BIGINT NOT NULL,
  revoke_at BIGINT NOT NULL, not_after BIGINT NOT NULL, der BYTEA NOT NULL);
CREATE INDEX careid_certificate_card ON careid_certificate (card);
CREATE INDEX careid_certificate_revoking ON careid_certificate (state) WHERE state = 'revoking';

CREATE TABLE careid_order (
  id TEXT PRIMARY KEY, profile TEXT NOT NULL REFERENCES careid_profile (id), replaces TEXT NOT NULL,
  at BIGINT NOT NULL, card TEXT NOT NULL);
CREATE INDEX careid_order_open ON careid_order (at) WHERE card = '';

CREATE TABLE careid_code (
  request TEXT PRIMARY KEY, card TEXT NOT NULL REFERENCES careid_card (serial), profile TEXT NOT NULL,
  handle BYTEA NOT NULL, salt BYTEA NOT NULL, hash BYTEA NOT NULL, tries BIGINT NOT NULL, state TEXT NOT NULL,
  sent_at BIGINT NOT NULL, expires_at BIGINT NOT NULL);
CREATE UNIQUE INDEX careid_code_open ON careid_code (card) WHERE state = 'open';
CREATE INDEX careid_code_sent ON careid_code (profile, sent_at);

CREATE TABLE careid_try (card TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX careid_try_card ON careid_try (card, at);

CREATE TABLE careid_reset (
  token BYTEA PRIMARY KEY, card TEXT NOT NULL REFERENCES careid_card (serial), profile TEXT NOT NULL,
  request TEXT NOT NULL UNIQUE, agent_key BYTEA NOT NULL, state TEXT NOT NULL, opened BIGINT NOT NULL,
  next BIGINT NOT NULL, at BIGINT NOT NULL);
CREATE UNIQUE INDEX careid_reset_running ON careid_reset (card) WHERE state IN ('open', 'opened');

CREATE TABLE careid_nonce (nonce TEXT PRIMARY KEY, purpose TEXT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX careid_nonce_until ON careid_nonce (until_at);

CREATE TABLE careid_result (
  hash BYTEA PRIMARY KEY, bind BYTEA NOT NULL, purpose TEXT NOT NULL, presence BYTEA NOT NULL,
  certificate BYTEA NOT NULL, card TEXT NOT NULL, profile TEXT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX careid_result_until ON careid_result (until_at);

CREATE TABLE careid_presence (hash BYTEA PRIMARY KEY, card TEXT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX careid_presence_until ON careid_presence (until_at);

CREATE TABLE careid_session (
  hash BYTEA PRIMARY KEY, profile TEXT NOT NULL, card TEXT NOT NULL, certificate BYTEA NOT NULL,
  presence BYTEA NOT NULL, binding TEXT NOT NULL, auth_time BIGINT NOT NULL, expires_at BIGINT NOT NULL,
  ended TEXT NOT NULL);
CREATE INDEX careid_session_card ON careid_session (card) WHERE ended = '';
CREATE INDEX careid_session_profile ON careid_session (profile) WHERE ended = '';
CREATE INDEX careid_session_presence ON careid_session (presence) WHERE ended = '';
CREATE INDEX careid_session_expiry ON careid_session (expires_at) WHERE ended = '';

CREATE TABLE careid_link (
  id TEXT PRIMARY KEY, card TEXT NOT NULL REFERENCES careid_card (serial), profile TEXT NOT NULL,
  address TEXT NOT NULL, state TEXT NOT NULL, at BIGINT NOT NULL);
CREATE UNIQUE INDEX careid_link_card ON careid_link (card) WHERE state = 'active';
CREATE UNIQUE INDEX careid_link_address ON careid_link (address) WHERE state IN ('active', 'suspended');
CREATE INDEX careid_link_profile ON careid_link (profile);

CREATE TABLE careid_audit (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, detail TEXT NOT NULL, prev BYTEA NOT NULL, hash BYTEA NOT NULL);
CREATE TABLE careid_audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);
