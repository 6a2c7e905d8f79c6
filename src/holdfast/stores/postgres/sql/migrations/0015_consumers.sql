-- older nodes: go on

-- Who fetched which secret, and the newest version each has: what a rotation waits for. Kept by every batch of the audit
-- trail, whoever writes it; last_seen is noted once a minute, so that a reader costs no row each time.
CREATE TABLE secret_consumers (
    secret_name VARCHAR(255) NOT NULL,
    user_id     VARCHAR(255) NOT NULL,
    version     BIGINT NOT NULL,
    last_seen   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (secret_name, user_id)
);
CREATE FUNCTION note_consumers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO secret_consumers AS known (secret_name, user_id, version, last_seen)
    SELECT f.secret_name, f.user_id, max(f.version), max(f.timestamp) FROM fetched f
    WHERE f.operation = 'get' AND f.success AND f.version IS NOT NULL
      AND NOT EXISTS (SELECT FROM secret_consumers c
                      WHERE c.secret_name = f.secret_name AND c.user_id = f.user_id
                        AND c.version >= f.version AND c.last_seen > f.timestamp - interval '1 minute')
    GROUP BY f.secret_name, f.user_id ORDER BY f.secret_name, f.user_id
    ON CONFLICT (secret_name, user_id) DO UPDATE
    SET version = greatest(known.version, EXCLUDED.version), last_seen = greatest(known.last_seen, EXCLUDED.last_seen);
    RETURN NULL;
END $$;
CREATE TRIGGER note_consumers AFTER INSERT ON secret_access_logs
    REFERENCING NEW TABLE AS fetched FOR EACH STATEMENT EXECUTE FUNCTION note_consumers();
-- A later life of the name counts its versions anew.
CREATE FUNCTION forget_consumers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM secret_consumers WHERE secret_name = OLD.secret_name;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_consumers AFTER DELETE ON secrets_vault
    FOR EACH ROW EXECUTE FUNCTION forget_consumers();

-- What older nodes have recorded; no window is longer than 90 days.
INSERT INTO secret_consumers (secret_name, user_id, version, last_seen)
SELECT secret_name, user_id, max(version), max(timestamp) FROM secret_access_logs
WHERE operation = 'get' AND success AND version IS NOT NULL AND timestamp > now() - interval '90 days'
GROUP BY secret_name, user_id;
