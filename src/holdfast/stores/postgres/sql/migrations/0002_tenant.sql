-- older nodes: go on

-- The tenant that clients name to log in, kept for ever: keys come and go. The first node to start here fills it in.
ALTER TABLE installation ADD COLUMN tenant UUID;
