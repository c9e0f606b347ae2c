-- SPDX-License-Identifier: Apache-2.0
-- What happened to a person is read by subject.

-- +goose Up
CREATE INDEX careid_audit_subject ON careid_audit (subject, seq);
