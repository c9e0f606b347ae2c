-- SPDX-License-Identifier: Apache-2.0
-- When a card was last unlocked, and when it was taken out of use.

-- +goose Up
ALTER TABLE careid_card ADD COLUMN unlocked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE careid_card ADD COLUMN retired_at BIGINT NOT NULL DEFAULT 0;
