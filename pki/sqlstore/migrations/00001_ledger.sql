-- SPDX-License-Identifier: Apache-2.0

-- +goose Up
CREATE TABLE pki_issuers (
  issuer TEXT PRIMARY KEY,          -- SHA-256 of the issuing key, hex
  shards BIGINT NOT NULL,
  registered BIGINT NOT NULL
);

CREATE TABLE pki_shards (
  issuer TEXT NOT NULL REFERENCES pki_issuers (issuer),
  shard BIGINT NOT NULL,
  changed BIGINT NOT NULL,          -- status changes so far
  reserved BIGINT NOT NULL,         -- the highest CRL number ever taken
  number BIGINT NOT NULL,           -- of the newest list, 0 when there is none
  covers BIGINT NOT NULL,           -- the changes it includes
  this_update BIGINT NOT NULL,
  next_update BIGINT NOT NULL,
  crl BYTEA,
  PRIMARY KEY (issuer, shard)
);

CREATE TABLE pki_acts (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  issuer TEXT NOT NULL REFERENCES pki_issuers (issuer),
  fingerprint BYTEA NOT NULL,
  subject BYTEA NOT NULL,
  user_id TEXT NOT NULL,
  lineage TEXT NOT NULL,
  generation BIGINT NOT NULL,
  opened BIGINT NOT NULL,
  state TEXT NOT NULL
);
CREATE INDEX pki_acts_opened ON pki_acts (opened);
CREATE INDEX pki_acts_lineage ON pki_acts (lineage, generation);
CREATE INDEX pki_acts_pending ON pki_acts (issuer, opened) WHERE state = 'pending';

CREATE TABLE pki_certificates (
  serial TEXT PRIMARY KEY,          -- 32 hexadecimal digits
  act TEXT NOT NULL REFERENCES pki_acts (id),
  ordinal BIGINT NOT NULL,          -- its place in the act
  issuer TEXT NOT NULL,
  purpose TEXT NOT NULL,
  shard BIGINT NOT NULL,
  key_hash BYTEA NOT NULL UNIQUE,   -- SHA-256 of public_key
  public_key BYTEA NOT NULL,
  not_before BIGINT NOT NULL,
  not_after BIGINT NOT NULL,
  state TEXT NOT NULL,
  reason BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  changed BIGINT NOT NULL,          -- the shard's count when the status last changed
  listed BOOLEAN NOT NULL,          -- on a list signed after not_after
  der BYTEA,
  UNIQUE (act, ordinal)
);
CREATE INDEX pki_certificates_revoked ON pki_certificates (issuer, shard, not_after) WHERE state IN ('held', 'revoked');

CREATE TABLE pki_audit (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  subject TEXT NOT NULL, detail TEXT NOT NULL, prev BYTEA NOT NULL, hash BYTEA NOT NULL
);
CREATE TABLE pki_audit_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash BYTEA NOT NULL);

-- +goose Down
DROP TABLE pki_audit_head;
DROP TABLE pki_audit;
DROP TABLE pki_certificates;
DROP TABLE pki_acts;
DROP TABLE pki_shards;
DROP TABLE pki_issuers;
