-- name: put
INSERT INTO notices (event_id, topic, subject, facts, recipient, bundle, next_attempt_at)
SELECT $1, $2, $3, $4::jsonb, recipient, $6, COALESCE($7::timestamptz, now()) FROM unnest($5::text[]) AS recipient
ON CONFLICT (event_id, recipient) DO NOTHING

-- name: may_look
UPDATE notice_watch SET looked_at = now() WHERE looked_at <= now() - $1::interval RETURNING 1

-- name: claim
-- $5: the topics that are known here. A newer node may have stored others; a bundle with one of them is for that node.
-- Only the first of a bundle can be taken, and brings the others along: so no two nodes hold parts of one message.
WITH first AS (
    SELECT n.id, n.recipient, n.bundle FROM notices n
    WHERE n.state = 'waiting' AND n.next_attempt_at <= now() AND (n.lease_until IS NULL OR n.lease_until <= now())
      AND (n.recipient = ANY($1::text[]) OR ($2 AND position('@' IN n.recipient) > 0))
      AND n.topic = ANY($5::text[])
      AND (n.bundle IS NULL OR NOT EXISTS (
          SELECT FROM notices e
          WHERE e.state = 'waiting' AND e.recipient = n.recipient AND e.bundle = n.bundle
            AND (e.id < n.id OR e.topic <> ALL($5::text[]))))
    ORDER BY n.id LIMIT $4
    FOR UPDATE SKIP LOCKED
), message AS (
    SELECT id FROM first
    UNION
    SELECT n.id FROM first f JOIN notices n USING (recipient, bundle) WHERE n.state = 'waiting'
), held AS (
    UPDATE notices n SET lease_until = now() + $3::interval, attempts = attempts + 1, fence = fence + 1
    FROM message WHERE n.id = message.id
    RETURNING n.*
)
SELECT * FROM held ORDER BY id

-- name: sent
UPDATE notices SET state = 'sent', sent_at = now(), lease_until = NULL, last_error = NULL
WHERE id = ANY($1::bigint[]) AND state <> 'sent'

-- name: failed
WITH back AS (
    UPDATE notices n
    SET lease_until = NULL, last_error = $3, state = CASE WHEN $4::interval IS NULL THEN 'dead' ELSE 'waiting' END,
        next_attempt_at = now() + COALESCE($4::interval, interval '0')
    FROM unnest($1::bigint[], $2::bigint[]) AS held (id, fence)
    WHERE n.id = held.id AND n.fence = held.fence AND n.state = 'waiting'
    RETURNING 1
)
SELECT count(*) FROM back

-- name: notices
SELECT * FROM notices WHERE ($1::text IS NULL OR state = $1) AND topic = ANY($3::text[]) ORDER BY id DESC LIMIT $2

-- name: known
SELECT DISTINCT event_id FROM notices WHERE event_id = ANY($1::text[])

-- name: retry
WITH revived AS (
    UPDATE notices SET state = 'waiting', attempts = 0, next_attempt_at = now()
    WHERE state IN ('dead', 'discarded') AND (id = ANY($1::bigint[]) OR ($1 IS NULL AND state = 'dead'))
    RETURNING 1
)
SELECT count(*) FROM revived

-- name: discard
WITH gone AS (
    UPDATE notices SET state = 'discarded', lease_until = NULL, fence = fence + 1
    WHERE state IN ('dead', 'waiting') AND (id = ANY($1::bigint[]) OR ($1 IS NULL AND state = 'dead'))
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: counts
SELECT state, count(*) AS number FROM notices WHERE state IN ('waiting', 'dead') GROUP BY state

-- name: give_up
WITH given_up AS (
    UPDATE notices SET state = 'dead', last_error = 'No node has a way to reach this recipient any more'
    WHERE state = 'waiting' AND attempts = 0 AND next_attempt_at < now() - $1::interval
    RETURNING 1
)
SELECT count(*) FROM given_up

-- name: forget
WITH gone AS (
    DELETE FROM notices WHERE state <> 'waiting' AND COALESCE(sent_at, created_at) < now() - $1::interval RETURNING 1
)
SELECT count(*) FROM gone
