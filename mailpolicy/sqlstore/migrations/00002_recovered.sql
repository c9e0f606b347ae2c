-- +goose Up
-- when the account was last unlocked or got a new password other than by its
-- holder's change; 0 for never
ALTER TABLE mail_account ADD COLUMN recovered BIGINT NOT NULL DEFAULT 0;
