-- name: put
INSERT INTO notices (event_id, topic, subject, facts, recipient, next_attempt_at)
SELECT $1, $2, $3, $4::jsonb, recipient, COALESCE($6::timestamptz, now()) FROM unnest($5::text[]) AS recipient
ON CONFLICT (event_id, recipient) DO NOTHING

-- name: may_look
UPDATE notice_watch SET looked_at = now() WHERE looked_at <= now() - $1::interval RETURNING 1

-- name: claim
WITH due AS (
    SELECT id FROM notices
    WHERE state = 'waiting' AND next_attempt_at <= now() AND (lease_until IS NULL OR lease_until <= now())
      AND (recipient = ANY($1::text[]) OR ($2 AND position('@' IN recipient) > 0))
    ORDER BY id LIMIT $4
    FOR UPDATE SKIP LOCKED
), held AS (
    UPDATE notices n SET lease_until = now() + $3::interval, attempts = attempts + 1, fence = fence + 1
    FROM due WHERE n.id = due.id
    RETURNING n.*
)
SELECT * FROM held ORDER BY id

-- name: sent
UPDATE notices SET state = 'sent', sent_at = now(), lease_until = NULL, last_error = NULL
WHERE id = $1 AND state <> 'sent'

-- name: failed
UPDATE notices
SET lease_until = NULL, last_error = $3, state = CASE WHEN $4::interval IS NULL THEN 'dead' ELSE 'waiting' END,
    next_attempt_at = now() + COALESCE($4::interval, interval '0')
WHERE id = $1 AND fence = $2 AND state = 'waiting'
RETURNING 1

-- name: notices
SELECT * FROM notices WHERE $1::text IS NULL OR state = $1 ORDER BY id DESC LIMIT $2

-- name: retry
WITH revived AS (
    UPDATE notices SET state = 'waiting', attempts = 0, next_attempt_at = now()
    WHERE state = 'dead' AND ($1::bigint[] IS NULL OR id = ANY($1))
    RETURNING 1
)
SELECT count(*) FROM revived

-- name: counts
SELECT state, count(*) AS number FROM notices WHERE state IN ('waiting', 'dead') GROUP BY state

-- name: forget
WITH gone AS (
    DELETE FROM notices WHERE state = 'sent' AND sent_at < now() - $1::interval RETURNING 1
)
SELECT count(*) FROM gone
