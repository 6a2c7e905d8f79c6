-- older nodes: stop first
-- Key Vault is asked about a change before it counts here; until then the change is kept sealed, beside its intent. Nodes of
-- the release before would take such an intent for one that lost its version, so they have to stop.
ALTER TABLE secret_intents
    DROP CONSTRAINT secret_intents_state_check,
    ADD CONSTRAINT secret_intents_state_check
        CHECK (state IN ('open', 'done', 'parked', 'superseded', 'refused')),
    ADD COLUMN failures INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN limbo_since TIMESTAMPTZ;
UPDATE secret_intents SET doubts = attempts WHERE state IN ('open', 'parked');
-- What is parked is tried again every hour from now on.
UPDATE secret_intents SET next_attempt_at = now() + interval '1 hour' WHERE state = 'parked';

DROP INDEX secret_intents_open;
CREATE INDEX secret_intents_due ON secret_intents (next_attempt_at, sequence) WHERE state IN ('open', 'parked');
DROP INDEX secret_intents_settled;
CREATE INDEX secret_intents_settled ON secret_intents (settled_at) WHERE state IN ('done', 'superseded', 'refused');

CREATE TABLE secret_proposals (
    intent      UUID PRIMARY KEY REFERENCES secret_intents (id) ON DELETE CASCADE,
    secret_name VARCHAR(255) NOT NULL UNIQUE,
    change      BYTEA NOT NULL
);

CREATE OR REPLACE FUNCTION refuse_retired_key() RETURNS trigger LANGUAGE plpgsql AS $$
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
    ELSIF TG_ARGV[0] = 'change' THEN
        sealing := encode(substring(NEW.change FROM 2 FOR 8), 'hex');
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
CREATE TRIGGER retired_change AFTER INSERT OR UPDATE OF change ON secret_proposals
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('change');
