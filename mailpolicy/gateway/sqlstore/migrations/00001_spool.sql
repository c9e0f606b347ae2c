-- +goose Up
CREATE TABLE mailgate_copy (
  id TEXT PRIMARY KEY,
  envelope BYTEA NOT NULL,
  whole BOOLEAN NOT NULL,
  begun BIGINT NOT NULL,
  try_at BIGINT NOT NULL,
  tries BIGINT NOT NULL
);
CREATE INDEX mailgate_copy_due ON mailgate_copy (try_at) WHERE whole;
CREATE INDEX mailgate_copy_broken ON mailgate_copy (begun) WHERE NOT whole;

CREATE TABLE mailgate_piece (
  copy TEXT NOT NULL REFERENCES mailgate_copy (id) ON DELETE CASCADE,
  n BIGINT NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (copy, n)
);

CREATE TABLE mailgate_key (id BIGINT PRIMARY KEY, key_check BYTEA NOT NULL);
