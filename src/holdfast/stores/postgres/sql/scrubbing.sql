-- name: begin
UPDATE installation SET scrubbing_began_at = now()
WHERE scrubbed < (SELECT last_value FROM secret_purges WHERE is_called)
  AND scrubbing_began_at < now() - $1::interval
RETURNING (SELECT last_value FROM secret_purges) AS purges, pg_snapshot_xmax(pg_current_snapshot())::xid AS newest

-- name: still_seen
SELECT EXISTS (
    SELECT 1 FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND age(backend_xmin) > age($1::xid)
      AND (datid IS NULL OR datid = (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL SELECT 1 FROM pg_replication_slots WHERE age(xmin) > age($1::xid)
    UNION ALL SELECT 1 FROM pg_prepared_xacts WHERE age(transaction) > age($1::xid))

-- name: bytes
SELECT pg_total_relation_size('secrets_vault') + pg_total_relation_size('secret_versions')

-- name: files
SELECT pg_relation_filenode('secrets_vault'), pg_relation_filenode('secret_versions')

-- name: impatient
SET lock_timeout = '200ms'

-- name: patient
SELECT set_config('lock_timeout', $1, false)

-- name: rewrite_heads
VACUUM (FULL) secrets_vault

-- name: rewrite_history
VACUUM (FULL) secret_versions

-- name: finish
UPDATE installation SET scrubbed = greatest(scrubbed, $1)
