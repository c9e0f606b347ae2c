-- +goose Up
-- what is known of a site beside its code
ALTER TABLE mail_site ADD COLUMN postcode TEXT NOT NULL DEFAULT '';
ALTER TABLE mail_site ADD COLUMN pharmacy BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mail_site ADD COLUMN manager_id TEXT NOT NULL DEFAULT '';
ALTER TABLE mail_site ADD COLUMN manager_email TEXT NOT NULL DEFAULT '';
ALTER TABLE mail_site ADD COLUMN landline TEXT NOT NULL DEFAULT '';
CREATE INDEX mail_site_postcode ON mail_site (postcode);

-- an account's life; the times are 0 where there is none
ALTER TABLE mail_account ADD COLUMN used BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mail_account ADD COLUMN inactive BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mail_account ADD COLUMN disabled_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mail_account ADD COLUMN leaver BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mail_account ADD COLUMN deleted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mail_account ADD COLUMN removed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mail_account ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mail_account ADD COLUMN confirmed_mobile TEXT NOT NULL DEFAULT '';
ALTER TABLE mail_account ADD COLUMN desk_turn BIGINT NOT NULL DEFAULT 0;
-- when the calendar next changes it; 0 for never. What was there before is
-- looked at by the first sweep, which begins its clock.
ALTER TABLE mail_account ADD COLUMN due BIGINT NOT NULL DEFAULT 1;
CREATE INDEX mail_account_due ON mail_account (due);

-- what the help desk asks of an answer: places in it and their hash
ALTER TABLE mail_answer ADD COLUMN places TEXT NOT NULL DEFAULT '';
ALTER TABLE mail_answer ADD COLUMN places_hash TEXT NOT NULL DEFAULT '';

ALTER TABLE mail_session ADD COLUMN private BOOLEAN NOT NULL DEFAULT FALSE;

-- a shared mailbox has any number of owners and members instead of one owner
CREATE TABLE mail_member (
  address_key TEXT NOT NULL,
  account TEXT NOT NULL REFERENCES mail_account (address),
  owner BOOLEAN NOT NULL,
  PRIMARY KEY (address_key, account)
);
CREATE INDEX mail_member_account ON mail_member (account);
INSERT INTO mail_member (address_key, account, owner) SELECT address_key, owner, TRUE FROM mail_shared;
CREATE TABLE mail_shared_new (
  address_key TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  ods TEXT NOT NULL REFERENCES mail_site (ods),
  opened BIGINT NOT NULL
);
INSERT INTO mail_shared_new (address_key, address, ods, opened) SELECT address_key, address, ods, opened FROM mail_shared;
DROP TABLE mail_shared;
ALTER TABLE mail_shared_new RENAME TO mail_shared;
CREATE INDEX mail_shared_ods ON mail_shared (ods);

-- recoveries under way, also of addresses that have no account
CREATE TABLE mail_recovery (
  address TEXT PRIMARY KEY,
  token_hash BYTEA NOT NULL UNIQUE,
  asked TEXT NOT NULL,
  code_hash TEXT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX mail_recovery_expires ON mail_recovery (expires);

-- tries that are counted, by the machine's clock
CREATE TABLE mail_tries (
  what TEXT PRIMARY KEY,
  count BIGINT NOT NULL,
  until BIGINT NOT NULL
);
CREATE INDEX mail_tries_until ON mail_tries (until);
