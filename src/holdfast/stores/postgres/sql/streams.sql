-- name: lead
INSERT INTO audit_streams (name, holder, lease_until) VALUES ($1, $2, now() + $3::interval)
ON CONFLICT (name) DO UPDATE SET holder = $2, lease_until = now() + $3::interval
    WHERE audit_streams.holder = $2 OR audit_streams.lease_until <= now()
RETURNING xmax = 0 AS fresh

-- name: begin
INSERT INTO audit_stream_cursors (stream, writer, boot, seq)
SELECT $1, c.writer, c.boot, f.seq - 1 FROM audit_chains c
CROSS JOIN LATERAL (SELECT min(seq) AS seq FROM secret_access_logs l
                    WHERE l.writer = c.writer AND l.boot = c.boot) AS f
WHERE f.seq > 1 ON CONFLICT DO NOTHING

-- name: next
-- What is missing may still arrive from a local log, and is waited for; but not below signed_seq: that has been here, and
-- was removed.
SELECT l.* FROM audit_chains c
LEFT JOIN audit_stream_cursors u ON u.stream = $1 AND u.writer = c.writer AND u.boot = c.boot
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT f.*, f.seq - row_number() OVER (PARTITION BY f.seq <= c.signed_seq ORDER BY f.seq) AS island FROM (
            SELECT * FROM secret_access_logs s
            WHERE s.writer = c.writer AND s.boot = c.boot AND s.seq > coalesce(u.seq, 0) ORDER BY s.seq LIMIT $2) AS f
        ) AS fresh
    WHERE seq <= c.signed_seq OR island = greatest(coalesce(u.seq, 0), c.signed_seq)) AS l
WHERE NOT c.settled OR coalesce(u.seq, 0) < c.signed_seq
ORDER BY l.writer, l.boot, l.seq LIMIT $2

-- name: delivered
WITH holding AS (
    UPDATE audit_streams SET delivered = delivered + $6, delivered_at = now(), failed_at = NULL, last_error = NULL
    WHERE name = $1 AND holder = $2 RETURNING name
)
INSERT INTO audit_stream_cursors (stream, writer, boot, seq)
SELECT holding.name, h.writer, h.boot, h.seq
FROM holding, unnest($3::uuid[], $4::bigint[], $5::bigint[]) AS h (writer, boot, seq)
ON CONFLICT (stream, writer, boot) DO UPDATE SET seq = greatest(audit_stream_cursors.seq, excluded.seq)

-- name: next_checkpoints
SELECT number, line FROM audit_checkpoints
WHERE number > (SELECT checkpoint FROM audit_streams WHERE name = $1) ORDER BY number LIMIT $2

-- name: delivered_checkpoint
UPDATE audit_streams SET delivered = delivered + $3 - checkpoint, checkpoint = $3, delivered_at = now(),
    failed_at = NULL, last_error = NULL
WHERE name = $1 AND holder = $2 AND checkpoint < $3

-- name: failed
UPDATE audit_streams SET failed_at = now(), last_error = $2 WHERE name = $1

-- name: state
SELECT s.delivered, s.delivered_at, s.failed_at, s.last_error,
    coalesce((SELECT max(number) FROM audit_checkpoints), 0) - s.checkpoint AS checkpoints_waiting,
    (SELECT coalesce(sum(t.seq - coalesce(u.seq, 0)), 0)::bigint FROM audit_chains c
     LEFT JOIN audit_stream_cursors u ON u.stream = s.name AND u.writer = c.writer AND u.boot = c.boot
     CROSS JOIN LATERAL (SELECT max(seq) AS seq FROM secret_access_logs l
                         WHERE l.writer = c.writer AND l.boot = c.boot) AS t
     WHERE NOT c.settled OR coalesce(u.seq, 0) < c.signed_seq) AS records_waiting
FROM audit_streams s WHERE s.name = $1
