-- +goose Up
CREATE TABLE mailgate_encrypted (mark BYTEA PRIMARY KEY, ends BIGINT NOT NULL);
CREATE INDEX mailgate_encrypted_ends ON mailgate_encrypted (ends);
