-- SPDX-License-Identifier: Apache-2.0
-- Written once for SQLite and PostgreSQL. Times are whole Unix seconds.

-- +goose Up
CREATE TABLE openid_request (hash BYTEA PRIMARY KEY, request TEXT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX openid_request_until ON openid_request (until_at);

CREATE TABLE openid_session (
  id TEXT PRIMARY KEY, hash BYTEA NOT NULL, profile TEXT NOT NULL, role TEXT NOT NULL,
  expires_at BIGINT NOT NULL, checked_at BIGINT NOT NULL);
CREATE INDEX openid_session_expiry ON openid_session (expires_at);
CREATE INDEX openid_session_checked ON openid_session (checked_at);

CREATE TABLE openid_participant (
  session TEXT NOT NULL REFERENCES openid_session (id), client TEXT NOT NULL, sid TEXT NOT NULL,
  PRIMARY KEY (session, client, sid));

CREATE TABLE openid_grant (
  id TEXT PRIMARY KEY, client TEXT NOT NULL, session TEXT NOT NULL, granted TEXT NOT NULL,
  code BYTEA NOT NULL UNIQUE, sealed BYTEA NOT NULL, code_until BIGINT NOT NULL, used BOOLEAN NOT NULL,
  revoked TEXT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX openid_grant_session ON openid_grant (session) WHERE revoked = '';
CREATE INDEX openid_grant_until ON openid_grant (until_at);

CREATE TABLE openid_token (
  hash BYTEA PRIMARY KEY, grant_id TEXT NOT NULL REFERENCES openid_grant (id) ON DELETE CASCADE, kind TEXT NOT NULL,
  sealed BYTEA NOT NULL, until_at BIGINT NOT NULL, used BOOLEAN NOT NULL);
CREATE INDEX openid_token_grant ON openid_token (grant_id);

CREATE TABLE openid_logout (
  id TEXT PRIMARY KEY, session TEXT NOT NULL, client TEXT NOT NULL, sid TEXT NOT NULL, profile TEXT NOT NULL,
  tries BIGINT NOT NULL, at BIGINT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX openid_logout_at ON openid_logout (client, at);
CREATE INDEX openid_logout_until ON openid_logout (until_at);
CREATE INDEX openid_logout_session ON openid_logout (session);

CREATE TABLE openid_assertion (hash BYTEA PRIMARY KEY, until_at BIGINT NOT NULL);
CREATE INDEX openid_assertion_until ON openid_assertion (until_at);

CREATE TABLE openid_audit (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, detail TEXT NOT NULL, prev BYTEA NOT NULL, hash BYTEA NOT NULL);
CREATE TABLE openid_audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);
