-- older nodes: go on
--
-- The tenant that clients name to log in, kept for ever: keys come and go. The first node to start here fills it in.
ALTER TABLE installation ADD COLUMN tenant UUID;

-- Counts purges; those up to the number in installation.scrubbed have left the files of the tables as well.
CREATE SEQUENCE secret_purges;
ALTER TABLE installation
    ADD COLUMN scrubbed BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN scrubbing_began_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity';
