-- name: server
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::integer / 10000 AS major,
       current_setting('fsync')::boolean AS fsync,
       -- What role and database say; Holdfast's sessions say more where that is less.
       (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes')::boolean AS full_page_writes,
       current_setting('autovacuum')::boolean AS autovacuum,
       current_setting('track_counts')::boolean AS track_counts,
       current_setting('data_checksums')::boolean AS data_checksums,
       current_setting('max_connections')::integer AS max_connections,
       current_setting('superuser_reserved_connections')::integer
           + coalesce(current_setting('reserved_connections', true), '0')::integer AS reserved_connections,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       pg_is_in_recovery() AS in_recovery,
       current_setting('default_transaction_read_only')::boolean AS read_only,
       coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS superuser,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
       inet_client_addr() IS NULL AS over_socket,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
       clock_timestamp() AS now,
       (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS oldest_transaction_age,
       pg_database_size(current_database()) AS database_bytes

-- name: slots
SELECT slot_name::text, pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::bigint
FROM pg_replication_slots WHERE restart_lsn IS NOT NULL

-- name: is_made
SELECT to_regclass('holdfast_migrations') IS NOT NULL

-- name: migrations
SELECT version, checksum FROM holdfast_migrations ORDER BY version

-- name: denied
SELECT name FROM unnest($1::text[]) AS t (name)
WHERE to_regclass(name) IS NOT NULL
  AND NOT (has_table_privilege(to_regclass(name), 'SELECT') AND has_table_privilege(to_regclass(name), 'INSERT')
           AND has_table_privilege(to_regclass(name), 'UPDATE') AND has_table_privilege(to_regclass(name), 'DELETE'))
ORDER BY name

-- name: swollen
SELECT relname::text FROM pg_stat_user_tables
WHERE relid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS t (name))
  AND n_dead_tup > 100000 AND n_dead_tup > n_live_tup
ORDER BY relname

-- name: keys
SELECT key_id, coalesce(activated_at, created_at) AS since, state = 'active' AS sealing, sealed FROM encryption_keys
ORDER BY state, key_id

-- name: stale_nodes
SELECT name, seen_at FROM nodes
WHERE seen_at <= now() - $1::interval AND seen_at > now() - interval '1 hour' ORDER BY seen_at DESC LIMIT 20

-- name: outbox
SELECT count(*) AS outbox, min((record ->> 'timestamp')::timestamptz) AS outbox_oldest
FROM (SELECT record FROM audit_outbox ORDER BY id LIMIT 10000) AS waiting

-- name: checkpoint
SELECT max(created_at) FROM audit_checkpoints

-- name: unsigned
-- A chain that grew beyond its checkpoint: the oldest record there, and whether its next number is missing.
SELECT min(f.timestamp) AS unsigned_since, count(*) FILTER (WHERE f.seq > c.signed_seq + 1) AS broken
FROM audit_chains c
CROSS JOIN LATERAL (SELECT seq, timestamp FROM secret_access_logs l
                    WHERE l.writer = c.writer AND l.boot = c.boot AND l.seq > c.signed_seq
                    ORDER BY seq LIMIT 1) AS f
WHERE NOT c.settled

-- name: streams
SELECT name, last_error, failed_at IS NOT NULL AS failing FROM audit_streams ORDER BY name

-- name: writable
SELECT pg_postmaster_start_time() WHERE NOT pg_is_in_recovery()
