-- older nodes: go on

-- Grows with every change of who is let in: whoever missed its announcement sees by it that there was one. Triggers see
-- to it, so that what older nodes and people with psql change counts as well.
CREATE TABLE identity_epoch (
    single BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
    epoch  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO identity_epoch DEFAULT VALUES;

CREATE FUNCTION announce_identity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    reached BIGINT;
BEGIN
    UPDATE identity_epoch SET epoch = epoch + 1 RETURNING epoch INTO reached;
    PERFORM pg_notify('holdfast', 'identities:' || reached || ':' || (to_jsonb(COALESCE(NEW, OLD)) ->> TG_ARGV[0]));
    RETURN NULL;
END
$$;

CREATE TRIGGER announce AFTER INSERT OR DELETE OR UPDATE OF disabled_at, incarnation, attestation ON identities
    FOR EACH ROW EXECUTE FUNCTION announce_identity('name');
CREATE TRIGGER announce AFTER INSERT OR UPDATE OF expires_at, revoked_at ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION announce_identity('identity_name');
