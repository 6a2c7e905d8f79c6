-- older nodes: go on
-- The last time that somebody vouched for the clock of this server although it had gone back; number 0: never.
CREATE TABLE clock_acceptance (
    id          SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    number      BIGINT NOT NULL DEFAULT 0,
    moment      TIMESTAMPTZ,
    believed    TIMESTAMPTZ,
    accepted_by VARCHAR(255),
    attestation TEXT NOT NULL DEFAULT ''
);
INSERT INTO clock_acceptance DEFAULT VALUES;
CREATE TRIGGER retired_attestation AFTER INSERT OR UPDATE OF attestation ON clock_acceptance
    FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('attestation');

-- Audit records that no chain takes, for a person to look at: unreadable, or refused by a column.
CREATE TABLE audit_set_aside (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record       JSONB NOT NULL,
    reason       TEXT NOT NULL,
    set_aside_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
