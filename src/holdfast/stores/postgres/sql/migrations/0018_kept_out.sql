-- older nodes: go on
-- Names in Key Vault that cannot be mirrored now, and when they are tried again.
CREATE TABLE kept_out (
    name             TEXT PRIMARY KEY,
    reason           TEXT NOT NULL,
    detail           TEXT NOT NULL,
    since            TIMESTAMPTZ NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_at  TIMESTAMPTZ NOT NULL,
    vault_updated_at TIMESTAMPTZ
);

-- When the first pass ever began, and what a pass that went through could not see all the same.
ALTER TABLE sync_state
    ADD COLUMN first_tried_at TIMESTAMPTZ,
    ADD COLUMN lacking TEXT;
UPDATE sync_state SET first_tried_at = last_started_at;
