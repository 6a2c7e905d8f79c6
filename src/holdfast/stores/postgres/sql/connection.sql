-- name: settle
-- Operators by their full name as well: the search path is what is not trusted here.
SELECT pg_catalog.current_setting('lock_timeout') AS before, pg_catalog.set_config('search_path', pg_catalog.quote_ident(coalesce((
    SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('installation')
), pg_catalog.current_schema(), 'public')), false),
CASE WHEN pg_catalog.current_setting('synchronous_commit')
          OPERATOR(pg_catalog.=) ANY (ARRAY['off', 'local', 'remote_write'])
     THEN pg_catalog.set_config('synchronous_commit', 'on', false) END,
pg_catalog.set_config('lock_timeout', $1, false)

-- name: wait_as_before
SELECT pg_catalog.set_config('lock_timeout', $1, false)
