-- SPDX-License-Identifier: Apache-2.0
-- Cards of outside issuers, and the SO PINs that came with them.

-- +goose Up
ALTER TABLE careid_card ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE careid_card ADD COLUMN so_imported BIGINT NOT NULL DEFAULT 0;
ALTER TABLE careid_card ADD COLUMN so_sealed BYTEA;
