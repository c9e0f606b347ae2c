-- SPDX-License-Identifier: Apache-2.0
-- What Due drops by its end is found by its end.

-- +goose Up
CREATE INDEX careid_code_end ON careid_code (expires_at);
CREATE INDEX careid_reset_at ON careid_reset (at);
CREATE INDEX careid_session_over ON careid_session (expires_at) WHERE ended <> '';
