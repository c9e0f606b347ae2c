-- +goose Up
-- shared mailboxes beyond the usual number, granted on application
ALTER TABLE mail_site ADD COLUMN more_shared BIGINT NOT NULL DEFAULT 0;
