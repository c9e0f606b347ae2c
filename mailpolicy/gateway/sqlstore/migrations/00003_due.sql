-- +goose Up
-- What is parked is not looked through each time for what is due.
DROP INDEX mailgate_copy_due;
CREATE INDEX mailgate_copy_waiting ON mailgate_copy (try_at) WHERE whole AND NOT parked;
