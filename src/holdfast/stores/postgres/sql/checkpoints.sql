-- name: lock
SELECT pg_try_advisory_xact_lock(1751215719)

-- name: wait_for_lock
SELECT pg_advisory_xact_lock(1751215719)

-- name: gaps
SELECT c.writer, c.boot, c.signed_seq + 1 AS first, f.seq - 1 AS last FROM audit_chains c
CROSS JOIN LATERAL (SELECT seq FROM secret_access_logs l
                    WHERE l.writer = c.writer AND l.boot = c.boot AND l.seq > c.signed_seq ORDER BY seq LIMIT 1) AS f
WHERE NOT c.settled AND f.seq > c.signed_seq + 1 ORDER BY c.writer, c.boot

-- name: head_after
SELECT seq, encode(hash, 'hex') AS hash FROM (
    SELECT seq, hash, seq - row_number() OVER (ORDER BY seq) AS island FROM secret_access_logs
    WHERE writer = $1 AND boot = $2 AND seq > $3 ORDER BY seq LIMIT 200000) AS fresh
WHERE island = $3 ORDER BY seq DESC LIMIT 1

-- name: last
SELECT line FROM audit_checkpoints ORDER BY number DESC LIMIT 1

-- name: heads
SELECT c.writer, c.boot, h.seq, encode(h.hash, 'hex') AS hash, h.seq - c.signed_seq AS records FROM audit_chains c
CROSS JOIN LATERAL (
    SELECT seq, hash FROM (
        SELECT seq, hash, seq - row_number() OVER (ORDER BY seq) AS island FROM secret_access_logs l
        WHERE l.writer = c.writer AND l.boot = c.boot AND l.seq > c.signed_seq ORDER BY seq LIMIT 200000) AS fresh
    WHERE island = c.signed_seq ORDER BY seq DESC LIMIT 1) AS h
WHERE NOT c.settled ORDER BY c.writer, c.boot

-- name: store
INSERT INTO audit_checkpoints (number, line) SELECT coalesce(max(number), 0) + 1, $1 FROM audit_checkpoints

-- name: sign
UPDATE audit_chains c SET signed_seq = h.seq, signed_at = now()
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS h (writer, boot, seq)
WHERE c.writer = h.writer AND c.boot = h.boot

-- name: settle
-- Not while a gap is above the last checkpoint: it would be forgotten, with what came after it.
UPDATE audit_chains c SET settled = true WHERE NOT settled AND signed_at < now() - $1::interval
    AND NOT EXISTS (SELECT FROM secret_access_logs l
                    WHERE l.writer = c.writer AND l.boot = c.boot AND l.seq > c.signed_seq)

-- name: lines
SELECT number, line FROM audit_checkpoints WHERE number > $1 ORDER BY number LIMIT $2

-- name: keys
SELECT public_key, sealed_key FROM audit_keys ORDER BY created_at, key_id

-- name: lock_keys
SELECT pg_advisory_xact_lock(1751215720)

-- name: add_key
INSERT INTO audit_keys (key_id, public_key, sealed_key) SELECT $1::text, $2, $3
WHERE NOT EXISTS (SELECT 1 FROM audit_keys)

-- name: reseal_key
UPDATE audit_keys SET sealed_key = $2 WHERE public_key = $1

-- name: be_brief
SET LOCAL lock_timeout = '500ms'

-- name: prunable
SELECT audit_prunable(now() - $1::interval)

-- name: runs
SELECT writer, boot, first, last, hash FROM audit_runs($1)

-- name: drop
SELECT audit_drop($1)
