-- name: tables
SELECT c.relname::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname = ANY($1::text[])
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.relname ORDER BY c.relname

-- name: references
SELECT c.relname::text AS name, f.relname::text AS refers_to
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
WHERE k.contype = 'f' AND c.oid <> f.oid AND c.relname = ANY($1::text[])
    AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())

-- name: partitions
SELECT p.relname::text AS parent, c.relname::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relispartition AND c.relkind = 'r' AND p.relname = ANY($1::text[])
    AND p.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
ORDER BY 1, 2

-- name: counters
SELECT q.sequencename::text AS name, q.last_value AS last, t.relname::text AS "table", a.attname::text AS "column"
FROM pg_sequences q
JOIN pg_class s ON s.relname = q.sequencename AND s.relkind = 'S'
    AND s.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
LEFT JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE q.schemaname = current_schema() AND q.last_value IS NOT NULL
    AND (t.relname = ANY($1::text[]) OR t.oid IS NULL AND s.relname = ANY($2::text[]))
ORDER BY 1

-- name: size
SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
WHERE c.relkind = 'r' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())

-- name: steps
SELECT version, checksum FROM holdfast_migrations ORDER BY version

-- name: installation
SELECT id FROM installation

-- name: keys
SELECT key_id FROM encryption_keys ORDER BY created_at, key_id

-- name: lock
SELECT 'LOCK TABLE ' || string_agg(format('%I', name), ', ') || ' IN ACCESS SHARE MODE' FROM unnest($1::text[]) AS name

-- name: rows
SELECT format('SELECT %s FROM %I', string_agg(format('%I', c.name), ', ' ORDER BY c.place), $1::text)
FROM unnest($2::text[]) WITH ORDINALITY AS c (name, place)

-- name: note
UPDATE installation SET backup_id = $1, backed_up_at = $2
