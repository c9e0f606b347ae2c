-- +goose Up
-- What the store holds is counted by its copies, without a look at their pieces.
ALTER TABLE mailgate_copy ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE mailgate_copy SET bytes = length(envelope) + (SELECT coalesce(sum(length(data)), 0) FROM mailgate_piece WHERE copy = mailgate_copy.id);
