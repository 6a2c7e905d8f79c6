-- name: record
INSERT INTO audit_outbox (record) VALUES ($1::text::jsonb)

-- name: claim
DELETE FROM audit_outbox
WHERE id IN (SELECT id FROM audit_outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, record

-- name: waiting
SELECT EXISTS (SELECT 1 FROM audit_outbox)

-- name: present
SELECT seq FROM secret_access_logs WHERE writer = $1 AND boot = $2 AND seq BETWEEN $3 AND $4

-- name: last_head
SELECT c.writer, c.boot, l.seq, l.hash FROM audit_chains c
CROSS JOIN LATERAL (SELECT seq, hash FROM secret_access_logs l WHERE l.writer = c.writer AND l.boot = c.boot
                    ORDER BY seq DESC LIMIT 1) l
WHERE c.writer = $1 ORDER BY c.boot DESC LIMIT 1

-- name: partitions
SELECT audit_partitions()

-- name: of_secret
(SELECT *, NULL::jsonb AS waiting FROM secret_access_logs
 WHERE secret_name = $1 ORDER BY timestamp DESC, id DESC LIMIT $2)
UNION ALL
SELECT (NULL::secret_access_logs).*, record FROM audit_outbox WHERE record ->> 'name' = $1
