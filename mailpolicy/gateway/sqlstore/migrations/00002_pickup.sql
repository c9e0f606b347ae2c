-- +goose Up
ALTER TABLE mailgate_copy ADD COLUMN parked BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE mailgate_parcel (
  id TEXT PRIMARY KEY REFERENCES mailgate_copy (id) ON DELETE CASCADE,
  address BYTEA NOT NULL,
  expires BIGINT NOT NULL,
  was_read BOOLEAN NOT NULL,
  passcode BYTEA NOT NULL,
  passcode_expires BIGINT NOT NULL,
  passcode_sent BIGINT NOT NULL,
  passcodes BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  reader BYTEA NOT NULL,
  reader_expires BIGINT NOT NULL
);
CREATE INDEX mailgate_parcel_expires ON mailgate_parcel (expires);
