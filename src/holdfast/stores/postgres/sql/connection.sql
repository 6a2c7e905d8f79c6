-- name: settle
-- $2: for this transaction only. Operators by their full name as well: the search path is what is not trusted here.
SELECT pg_catalog.current_setting('lock_timeout') AS before, pg_catalog.set_config('search_path', pg_catalog.quote_ident(coalesce((
    SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('installation')
), pg_catalog.current_schema(), 'public')), $2::boolean),
CASE WHEN pg_catalog.current_setting('synchronous_commit')
          OPERATOR(pg_catalog.=) ANY (ARRAY['off', 'local', 'remote_write'])
     THEN pg_catalog.set_config('synchronous_commit', 'on', $2::boolean) END,
pg_catalog.set_config('lock_timeout', $1, $2::boolean)

-- name: wait_as_before
SELECT pg_catalog.set_config('lock_timeout', $1, false)

-- name: holders
-- Those that no one keeps waiting come first, the oldest of them above all. A prepared transaction has the pid 0.
WITH RECURSIVE holders (pid) AS (
    SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids($1))
    UNION SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids(pid)) FROM holders)
SELECT h.pid, COALESCE(s.application_name, ''), extract(epoch FROM pg_catalog.clock_timestamp() - s.xact_start)::float8
FROM holders h LEFT JOIN pg_catalog.pg_stat_activity s ON s.pid = h.pid WHERE h.pid <> $1
ORDER BY pg_catalog.cardinality(pg_catalog.pg_blocking_pids(h.pid)), s.xact_start
