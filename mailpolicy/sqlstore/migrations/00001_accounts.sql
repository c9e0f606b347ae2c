-- +goose Up
CREATE TABLE mail_site (
  ods TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  cqc_location TEXT NOT NULL,
  opened BIGINT NOT NULL
);

CREATE TABLE mail_account (
  address TEXT PRIMARY KEY,
  ods TEXT NOT NULL REFERENCES mail_site (ods),
  name TEXT NOT NULL,
  purpose TEXT NOT NULL,
  mobile TEXT NOT NULL,
  registered_mobile TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  activation TEXT NOT NULL,
  questions_set BOOLEAN NOT NULL,
  policy_version TEXT NOT NULL,
  wrong BIGINT NOT NULL,
  locked BOOLEAN NOT NULL,
  disabled BOOLEAN NOT NULL,
  opened BIGINT NOT NULL
);
CREATE INDEX mail_account_ods ON mail_account (ods);

CREATE TABLE mail_shared (
  address_key TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  ods TEXT NOT NULL REFERENCES mail_site (ods),
  owner TEXT NOT NULL REFERENCES mail_account (address),
  opened BIGINT NOT NULL
);
CREATE INDEX mail_shared_ods ON mail_shared (ods);

CREATE TABLE mail_answer (
  address TEXT NOT NULL REFERENCES mail_account (address),
  position BIGINT NOT NULL,
  question TEXT NOT NULL,
  answer_hash TEXT NOT NULL,
  PRIMARY KEY (address, position)
);

CREATE TABLE mail_session (
  token_hash BYTEA PRIMARY KEY,
  address TEXT NOT NULL REFERENCES mail_account (address),
  expires BIGINT NOT NULL
);
CREATE INDEX mail_session_address ON mail_session (address);
CREATE INDEX mail_session_expires ON mail_session (expires);

CREATE TABLE mail_audit (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, detail TEXT NOT NULL, prev BYTEA NOT NULL, hash BYTEA NOT NULL
);
CREATE TABLE mail_audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);
