-- SPDX-License-Identifier: Apache-2.0
-- One profile a person: what their National Insurance number and date of birth come to, of those who told them.

-- +goose Up
CREATE TABLE careid_identity (person BYTEA PRIMARY KEY, profile TEXT NOT NULL REFERENCES careid_profile (id));
ALTER TABLE careid_application ADD COLUMN person BYTEA;
