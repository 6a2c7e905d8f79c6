-- name: record
INSERT INTO audit_outbox (record) VALUES ($1::text::jsonb)

-- name: claim
DELETE FROM audit_outbox
WHERE id IN (SELECT id FROM audit_outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, record

-- name: placed
DELETE FROM audit_outbox WHERE record = ANY ($1::text[]::jsonb[])

-- name: set_aside
INSERT INTO audit_set_aside (record, reason) VALUES ($1::text::jsonb, $2)

-- name: set_waiting_aside
WITH refused AS (
    DELETE FROM audit_outbox WHERE id = (SELECT id FROM audit_outbox WHERE id = $1 FOR UPDATE SKIP LOCKED)
    RETURNING record
)
INSERT INTO audit_set_aside (record, reason) SELECT record, $2 FROM refused RETURNING id

-- name: are_set_aside
SELECT count(*) FROM audit_set_aside

-- name: waiting
SELECT EXISTS (SELECT 1 FROM audit_outbox)

-- name: present
SELECT seq, hash FROM secret_access_logs WHERE writer = $1 AND boot = $2 AND seq BETWEEN $3 AND $4

-- name: last_head
SELECT c.writer, c.boot, l.seq, l.hash FROM audit_chains c
CROSS JOIN LATERAL (SELECT seq, hash FROM secret_access_logs l WHERE l.writer = c.writer AND l.boot = c.boot
                    ORDER BY seq DESC LIMIT 1) l
WHERE c.writer = $1 ORDER BY c.boot DESC LIMIT 1

-- name: partitions
SELECT audit_partitions()

-- name: by_secret
(SELECT *, NULL::jsonb AS waiting FROM secret_access_logs
 WHERE secret_name = $1 AND ($2::text IS NULL OR user_id = $2)
   AND timestamp >= $3 AND timestamp < $4 AND (timestamp, id) < ($5, $6)
   AND ($7::text IS NULL OR operation = $7) AND ($8::boolean IS NULL OR success = $8)
 ORDER BY timestamp DESC, id DESC LIMIT $9)
UNION ALL
(SELECT (NULL::secret_access_logs).*, record FROM audit_outbox
 WHERE $10 AND ($1::text IS NULL OR record ->> 'name' = $1) ORDER BY id DESC LIMIT 1000)

-- name: by_user
(SELECT *, NULL::jsonb AS waiting FROM secret_access_logs
 WHERE user_id = $2 AND ($1::text IS NULL OR secret_name = $1)
   AND timestamp >= $3 AND timestamp < $4 AND (timestamp, id) < ($5, $6)
   AND ($7::text IS NULL OR operation = $7) AND ($8::boolean IS NULL OR success = $8)
 ORDER BY timestamp DESC, id DESC LIMIT $9)
UNION ALL
(SELECT (NULL::secret_access_logs).*, record FROM audit_outbox
 WHERE $10 AND ($1::text IS NULL OR record ->> 'name' = $1) ORDER BY id DESC LIMIT 1000)

-- name: by_time
(SELECT *, NULL::jsonb AS waiting FROM secret_access_logs
 WHERE ($1::text IS NULL OR secret_name = $1) AND ($2::text IS NULL OR user_id = $2)
   AND timestamp >= $3 AND timestamp < $4 AND (timestamp, id) < ($5, $6)
   AND ($7::text IS NULL OR operation = $7) AND ($8::boolean IS NULL OR success = $8)
 ORDER BY timestamp DESC, id DESC LIMIT $9)
UNION ALL
(SELECT (NULL::secret_access_logs).*, record FROM audit_outbox
 WHERE $10 AND ($1::text IS NULL OR record ->> 'name' = $1) ORDER BY id DESC LIMIT 1000)

-- name: chains
SELECT c.writer, c.boot, f.seq AS first, l.seq AS last FROM audit_chains c
CROSS JOIN LATERAL (SELECT seq FROM secret_access_logs l WHERE l.writer = c.writer AND l.boot = c.boot
                    ORDER BY seq LIMIT 1) AS f
CROSS JOIN LATERAL (SELECT seq FROM secret_access_logs l WHERE l.writer = c.writer AND l.boot = c.boot
                    ORDER BY seq DESC LIMIT 1) AS l
ORDER BY c.writer, c.boot

-- name: stretches
SELECT writer, boot, min(seq) AS first, max(seq) AS last FROM secret_access_logs
WHERE timestamp >= $1 AND timestamp < $2 GROUP BY writer, boot ORDER BY writer, boot

-- name: stretch
SELECT * FROM secret_access_logs WHERE writer = $1 AND boot = $2 AND seq BETWEEN $3 AND $4 ORDER BY seq LIMIT $5

-- name: reopen
UPDATE audit_chains SET settled = false WHERE writer = $1 AND boot = $2 AND settled
