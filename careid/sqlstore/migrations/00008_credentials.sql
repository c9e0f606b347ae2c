-- SPDX-License-Identifier: Apache-2.0
-- What the protocol of an authenticator verifies it by.

-- +goose Up
ALTER TABLE careid_authenticator ADD COLUMN public_key BYTEA;
ALTER TABLE careid_authenticator ADD COLUMN aaguid BYTEA;
ALTER TABLE careid_authenticator ADD COLUMN attested BOOLEAN NOT NULL DEFAULT FALSE;
