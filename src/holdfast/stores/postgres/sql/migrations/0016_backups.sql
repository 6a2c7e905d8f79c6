-- older nodes: go on
-- Entries in Redis belong to one life of the installation: a restored one starts with none.
ALTER TABLE installation
    ADD COLUMN cache_namespace UUID NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN backup_id UUID,
    ADD COLUMN backed_up_at TIMESTAMPTZ,
    ADD COLUMN restored_at TIMESTAMPTZ;
UPDATE installation SET cache_namespace = id;

-- Open in a backup: it may be in effect already, and undone since, without us knowing.
ALTER TABLE secret_intents ADD COLUMN restored BOOLEAN NOT NULL DEFAULT false;
