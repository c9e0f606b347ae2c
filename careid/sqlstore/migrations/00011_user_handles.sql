-- SPDX-License-Identifier: Apache-2.0
-- What an authenticator's protocol calls a person by: one for all of theirs, for good.

-- +goose Up
CREATE TABLE careid_user_handle (profile TEXT PRIMARY KEY REFERENCES careid_profile (id), handle BYTEA NOT NULL);
