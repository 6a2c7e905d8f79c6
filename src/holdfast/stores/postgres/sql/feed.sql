-- name: mark
-- Held by the session for as long as the process lives: when it is gone, so is what it was at (rotation.sql).
WITH drawn AS MATERIALIZED (SELECT (nextval('rotation_fences') % 2147483647)::integer AS mark)
SELECT mark, pg_advisory_lock_shared(1751215724, mark) FROM drawn

-- name: beat
SELECT pg_catalog.clock_timestamp() AS now, a.epoch AS rules, i.epoch AS identities,
       -- A promoted standby begins a timeline; a copy of a database has another oid; a restored backup another namespace.
       CASE WHEN NOT pg_is_in_recovery() THEN
           concat_ws(':', left(pg_walfile_name(pg_current_wal_lsn()), 8),
                     (SELECT oid FROM pg_database WHERE datname = current_database()), n.cache_namespace)
       END AS timeline, COALESCE(pg_sequence_last_value('secret_revisions'), 0) AS revision,
       k.key_id AS sealing, (extract(epoch FROM k.activated_at) * 1000000)::bigint AS activation, COALESCE(c.number, 0) AS accepted
FROM access_epoch a CROSS JOIN identity_epoch i CROSS JOIN installation n LEFT JOIN clock_acceptance c ON true
LEFT JOIN encryption_keys k ON k.state = 'active'

-- name: announced
SELECT h.name, v.revision, COALESCE(pg_sequence_last_value('secret_revisions'), 0) AS last_revision
FROM unnest($1::text[]) AS h (name) LEFT JOIN secrets_vault v ON v.secret_name = h.name
