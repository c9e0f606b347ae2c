-- +goose Up
-- accounts beyond the usual number, granted on application
ALTER TABLE mail_site ADD COLUMN more_accounts BIGINT NOT NULL DEFAULT 0;
