-- older nodes: go on
-- What Key Vault says of a version that has no column of its own: dates that no TIMESTAMPTZ can hold, as seconds, and
-- facts that are passed on. See domain/attributes.py.
ALTER TABLE secrets_vault ADD COLUMN carried JSONB NOT NULL DEFAULT '{}';
ALTER TABLE secret_versions ADD COLUMN carried JSONB NOT NULL DEFAULT '{}';

-- The year 1 was kept as -infinity, which nobody could read: it is -62135596800 seconds since 1970, shown a day later.
UPDATE secrets_vault SET not_before = '0001-01-02 00:00:00+00', carried = '{"not_before_seconds": -62135596800}'
WHERE not_before = '-infinity';
UPDATE secret_versions SET not_before = '0001-01-02 00:00:00+00', carried = '{"not_before_seconds": -62135596800}'
WHERE not_before = '-infinity';
UPDATE secrets_vault SET expires_at = '0001-01-02 00:00:00+00', carried = carried || '{"expires_at_seconds": -62135596800}'
WHERE expires_at = '-infinity';
UPDATE secret_versions SET expires_at = '0001-01-02 00:00:00+00', carried = carried || '{"expires_at_seconds": -62135596800}'
WHERE expires_at = '-infinity';

-- So that the next comparison looks into every secret once, and learns what was not kept so far.
UPDATE secrets_vault SET vault_updated_at = NULL;
