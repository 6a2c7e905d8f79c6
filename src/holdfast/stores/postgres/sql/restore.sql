-- name: in_the_way
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relname = ANY($1::text[])
ORDER BY 1 LIMIT 1

-- name: clear
SELECT format('DELETE FROM %I', $1::text)

-- name: drop_partition
SELECT format('DROP TABLE %I', $1::text)

-- name: make_partition
SELECT format('CREATE TABLE %I PARTITION OF %I %s', $1::text, $2::text, $3::text)

-- name: keep_triggers_still
SELECT format('ALTER TABLE %I DISABLE TRIGGER USER', $1::text)

-- name: let_triggers_work
SELECT format('ALTER TABLE %I ENABLE TRIGGER USER', $1::text)

-- name: set_counter
SELECT setval((CASE WHEN $2::text IS NULL THEN format('%I', $1::text)
               ELSE pg_get_serial_sequence(format('%I', $2::text), $3::text) END)::regclass, $4)

-- name: leases
SELECT c.relname::text AS "table", a.attname::text AS "column"
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    AND c.relkind = 'r' AND NOT c.relispartition AND c.relname = ANY($1::text[])
    AND a.attname IN ('lease_until', 'leader', 'holder') AND NOT a.attnotnull AND NOT a.attisdropped
ORDER BY 1, 2

-- name: end_leases
SELECT format('UPDATE %1$I SET %2$I = NULL WHERE %2$I IS NOT NULL', $1::text, $2::text)

-- name: doubt_intents
UPDATE secret_intents SET restored = true, fence = fence + 1, attempts = attempts + 1, doubts = doubts + 1,
    next_attempt_at = now()
WHERE state = 'open'

-- name: void_emergencies
WITH grants AS (DELETE FROM break_glass_grants),
     codes AS (DELETE FROM break_glass_codes),
     votes AS (UPDATE break_glass_votes SET attestation = '' WHERE attestation <> '')
UPDATE break_glass_requests SET state = 'void', ended_at = now(), attestation = ''
WHERE state IN ('requested', 'approved')

-- name: move_sync_fence
UPDATE sync_state SET fence = fence + $1

-- name: move_access_epoch
UPDATE access_epoch SET epoch = epoch + $1

-- name: move_identity_epoch
UPDATE identity_epoch SET epoch = epoch + $1

-- name: move_counters
SELECT setval(format('%I', sequencename)::regclass, coalesce(last_value, 0) + $1) FROM pg_sequences
WHERE schemaname = current_schema() AND sequencename IN ('rotation_fences', 'secret_revisions')

-- name: begin_new_life
UPDATE installation SET cache_namespace = gen_random_uuid(), restored_at = now(), backup_id = $1, backed_up_at = $2

-- name: anchored
SELECT count(*) FILTER (WHERE l.hash = a.hash) AS same, count(*) FILTER (WHERE l.hash <> a.hash) AS others
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) AS a (writer, boot, seq, hash)
JOIN secret_access_logs l ON l.writer = a.writer AND l.boot = a.boot AND l.seq = a.seq

-- name: active_key
SELECT key_id FROM encryption_keys WHERE state = 'active'

-- name: mark
SAVEPOINT before_revocations

-- name: back_to_mark
ROLLBACK TO SAVEPOINT before_revocations
