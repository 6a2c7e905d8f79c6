-- older nodes: stop first
-- What an identity is now, and which of its tokens count, is attested under a revision that grows with each change.
ALTER TABLE identities ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN token_ids UUID[] NOT NULL DEFAULT '{}';

-- The revision that counts of each identity: an earlier row that is put back has another one. All marks together are
-- attested in the row of the epoch.
CREATE TABLE identity_marks (
    name     VARCHAR(255) PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO identity_marks (name, revision) SELECT name, revision FROM identities;

ALTER TABLE identity_epoch ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_epoch ADD COLUMN attestation TEXT NOT NULL DEFAULT '';
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON identity_epoch
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
