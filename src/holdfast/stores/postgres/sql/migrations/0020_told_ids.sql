-- older nodes: stop first
-- told_id: the first id that Key Vault gave a version, which is the one that callers are told. The id of the version in
-- Key Vault (vault_version_id) may move on to that of an equal one; what was told does not.
ALTER TABLE secrets_vault ADD COLUMN told_id TEXT;
ALTER TABLE secret_versions ADD COLUMN told_id TEXT;
UPDATE secrets_vault SET told_id = vault_version_id;
UPDATE secret_versions SET told_id = vault_version_id;
CREATE INDEX secret_versions_by_told_id ON secret_versions (incarnation, told_id);
CREATE INDEX secret_versions_by_vault_id ON secret_versions (incarnation, vault_version_id);

-- provisional: versions between this one and those before it may be known to Key Vault, so its number is nobody's yet.
ALTER TABLE secrets_vault ADD COLUMN provisional BOOLEAN NOT NULL DEFAULT false;

-- Former versions whose value is still to be fetched from Key Vault.
CREATE INDEX secret_versions_unfetched ON secret_versions (incarnation, version DESC) WHERE key_id IS NULL AND enabled;
