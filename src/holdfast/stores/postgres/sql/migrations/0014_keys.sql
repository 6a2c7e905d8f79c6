-- older nodes: go on
-- Which key seals is decided here, for all nodes. The first node of this release to start takes the first key of its
-- settings, as every node did until now.
ALTER TABLE encryption_keys
    ADD COLUMN state TEXT NOT NULL DEFAULT 'draining' CHECK (state IN ('active', 'draining')),
    ADD COLUMN activated_at TIMESTAMPTZ,
    ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX encryption_keys_active ON encryption_keys (state) WHERE state = 'active';

-- Keys that nothing here needs any more, nor may be sealed under again.
CREATE TABLE retired_keys (
    key_id     TEXT PRIMARY KEY,
    sealed     BIGINT NOT NULL,
    retired_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What every node reports of its ring. Beside nodes, whose rows nodes of the release before read whole.
CREATE TABLE node_rings (
    node    UUID PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    keys    TEXT[] NOT NULL,
    sealing TEXT NOT NULL
);

-- Refuses rows under a retired key, from whoever has not heard. The shared lock makes whoever retires a key wait for
-- transactions that sealed under it and are not through; they are counted then.
CREATE FUNCTION refuse_retired_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sealing TEXT;
BEGIN
    IF TG_ARGV[0] = 'key_id' THEN
        sealing := NEW.key_id;
    ELSIF TG_ARGV[0] = 'attestation' THEN
        sealing := nullif(split_part(NEW.attestation, '.', 2), '');
    ELSIF TG_ARGV[0] = 'fingerprint' THEN
        sealing := nullif(split_part(encode(NEW.fingerprint, 'escape'), '.', 2), '');
    ELSIF TG_ARGV[0] = 'totp_secret' THEN
        sealing := encode(substring(NEW.totp_secret FROM 2 FOR 8), 'hex');
    ELSIF TG_ARGV[0] = 'sealed_key' THEN
        sealing := encode(substring(NEW.sealed_key FROM 2 FOR 8), 'hex');
    ELSE
        sealing := encode(substring(NEW.candidate FROM 2 FOR 8), 'hex');
    END IF;
    IF sealing IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(1751215721, hashtext(sealing));
        IF EXISTS (SELECT FROM retired_keys WHERE key_id = sealing) THEN
            RAISE EXCEPTION 'the key % is retired', sealing USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER retired_key_id AFTER INSERT OR UPDATE OF key_id ON secrets_vault
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('key_id');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON secrets_vault
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_key_id AFTER INSERT OR UPDATE OF key_id ON secret_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('key_id');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON secret_access_control
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON role_assignments
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON identities
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_totp_secret AFTER INSERT OR UPDATE OF totp_secret ON identities
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('totp_secret');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_sealed_key AFTER INSERT OR UPDATE OF sealed_key ON audit_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('sealed_key');
CREATE TRIGGER retired_candidate AFTER INSERT OR UPDATE OF candidate ON rotation_runs
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('candidate');
CREATE TRIGGER retired_fingerprint AFTER INSERT OR UPDATE OF fingerprint ON idempotency_records
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('fingerprint');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_requests
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_votes
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_grants
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON break_glass_codes
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');
