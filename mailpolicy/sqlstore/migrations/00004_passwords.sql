-- +goose Up
-- when the holder chose the password in force; 0 where that is not known
ALTER TABLE mail_account ADD COLUMN password_set BIGINT NOT NULL DEFAULT 0;

-- the passwords before it, none of which is taken again
CREATE TABLE mail_password (
  address TEXT NOT NULL REFERENCES mail_account (address),
  turn BIGINT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (address, turn)
);
