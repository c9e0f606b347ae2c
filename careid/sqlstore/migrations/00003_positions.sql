-- SPDX-License-Identifier: Apache-2.0
-- Positions and who holds them. Lists are JSON. A name is free again once what had it was deleted.

-- +goose Up
CREATE TABLE careid_workgroup (
  id TEXT PRIMARY KEY, organisation TEXT NOT NULL, name TEXT NOT NULL, deleted_at BIGINT NOT NULL);
CREATE UNIQUE INDEX careid_workgroup_name ON careid_workgroup (organisation, name) WHERE deleted_at = 0;

CREATE TABLE careid_position (
  id TEXT PRIMARY KEY, organisation TEXT NOT NULL, name TEXT NOT NULL, role_code TEXT NOT NULL, role_name TEXT NOT NULL,
  activities TEXT NOT NULL, areas TEXT NOT NULL, workgroups TEXT NOT NULL, assignable BOOLEAN NOT NULL,
  deleted_at BIGINT NOT NULL);
CREATE UNIQUE INDEX careid_position_name ON careid_position (organisation, name) WHERE deleted_at = 0;

CREATE TABLE careid_assignment (
  id TEXT PRIMARY KEY, profile TEXT NOT NULL REFERENCES careid_profile (id),
  position TEXT NOT NULL REFERENCES careid_position (id), from_at BIGINT NOT NULL, to_at BIGINT NOT NULL,
  assigned_by TEXT NOT NULL);
CREATE INDEX careid_assignment_profile ON careid_assignment (profile, from_at);
CREATE INDEX careid_assignment_position ON careid_assignment (position);

CREATE TABLE careid_release (
  profile TEXT PRIMARY KEY REFERENCES careid_profile (id), from_organisation TEXT NOT NULL, to_organisation TEXT NOT NULL,
  released_by TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX careid_release_to ON careid_release (to_organisation, at);
