-- SPDX-License-Identifier: Apache-2.0
-- Cases of lost and stolen cards. A case is closed when both of its steps have a time.

-- +goose Up
CREATE TABLE careid_loss (
  id TEXT PRIMARY KEY, profile TEXT NOT NULL REFERENCES careid_profile (id),
  card TEXT NOT NULL REFERENCES careid_card (serial), replacement TEXT NOT NULL, stolen BOOLEAN NOT NULL,
  reported_by TEXT NOT NULL, reported_role TEXT NOT NULL, at BIGINT NOT NULL, ra_by TEXT NOT NULL, ra_at BIGINT NOT NULL,
  incident_by TEXT NOT NULL, incident_address TEXT NOT NULL, incident_card TEXT NOT NULL, incident_at BIGINT NOT NULL);
CREATE INDEX careid_loss_profile ON careid_loss (profile, at);
CREATE INDEX careid_loss_open ON careid_loss (at) WHERE ra_at = 0 OR incident_at = 0;
