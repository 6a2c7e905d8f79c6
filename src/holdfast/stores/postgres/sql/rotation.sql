-- name: begin
INSERT INTO rotation_runs (id, secret_name, incarnation, handler, trigger, requested_by, from_version, retire_by,
                           candidate, lease_until, held_by, fence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10::interval, $11, nextval('rotation_fences'))
ON CONFLICT (secret_name) WHERE phase NOT IN ('retired', 'cancelled') DO NOTHING
RETURNING *

-- name: claim
WITH due AS (
    SELECT id FROM rotation_runs
    WHERE phase NOT IN ('retired', 'cancelled') AND handler = ANY($1::text[])
      AND ($5 OR lease_until IS NULL OR lease_until <= now()
           -- The process that holds it is gone, and its mark with its session (see feed.sql).
           OR NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                          WHERE l.locktype = 'advisory' AND l.classid = 1751215724 AND l.objid = held_by::oid
                            AND l.objsubid = 2 AND l.granted AND d.datname = current_database())
              AND held_by IS NOT NULL)
      AND CASE WHEN $4::text IS NULL THEN next_attempt_at <= now() ELSE secret_name = $4 END
    ORDER BY next_attempt_at LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE rotation_runs r
SET lease_until = now() + $2::interval, held_by = $6, fence = nextval('rotation_fences'), attempts = r.attempts + 1
FROM due WHERE r.id = due.id
RETURNING r.*

-- name: candidate
SELECT candidate FROM rotation_runs WHERE id = $1

-- name: hold
UPDATE rotation_runs SET lease_until = now() + $3::interval, held_by = $5, tried = tried OR $4
WHERE id = $1 AND fence = $2 AND lease_until > now()
RETURNING 1

-- name: advance
UPDATE rotation_runs
SET phase = $4, last_error = NULL, attempts = 0, next_attempt_at = now(),
    candidate = CASE WHEN $4 IN ('retired', 'cancelled') THEN NULL ELSE candidate END,
    finished_at = CASE WHEN $4 IN ('retired', 'cancelled') THEN now() END,
    lease_until = CASE WHEN $4 IN ('retired', 'cancelled') THEN NULL ELSE lease_until END
WHERE id = $1 AND fence = $2 AND phase = $3
RETURNING *

-- name: promote
WITH moved AS (
    UPDATE rotation_runs
    SET phase = $3, version = $4, promoted_at = now(), candidate = NULL, last_error = NULL, attempts = 0,
        next_attempt_at = now(),
        finished_at = CASE WHEN $3 = 'retired' THEN now() END
    WHERE id = $1 AND fence = $2 AND phase = 'tested'
    RETURNING secret_name
)
UPDATE secret_rotation_schedule s
SET last_rotated_at = now(), rotation_count = rotation_count + 1, updated_at = now(), failures = 0, last_error = NULL,
    next_rotation_at = now() + make_interval(days => (s.rotation_policy ->> 'interval_days')::integer),
    next_attempt_at = now(), lease_until = NULL, requested_at = NULL, approved_by = NULL
FROM moved WHERE s.secret_name = moved.secret_name

-- name: is_promoted
SELECT 1 FROM rotation_runs WHERE id = $1 AND fence = $2 AND version = $3

-- name: release
UPDATE rotation_runs SET lease_until = NULL, held_by = NULL, last_error = $3, next_attempt_at = now() + $4::interval
WHERE id = $1 AND fence = $2
RETURNING 1

-- name: find
SELECT * FROM rotation_runs WHERE secret_name = $1
ORDER BY phase IN ('retired', 'cancelled'), started_at DESC LIMIT 1

-- name: runs
SELECT * FROM rotation_runs WHERE NOT $1 OR phase NOT IN ('retired', 'cancelled')
ORDER BY started_at DESC LIMIT $2

-- name: due
WITH due AS (
    SELECT s.id FROM secret_rotation_schedule s JOIN secrets_vault v USING (secret_name)
    WHERE s.next_rotation_at <= now() AND s.next_attempt_at <= now()
      AND (s.lease_until IS NULL OR s.lease_until <= now())
      AND (s.rotation_policy ->> 'enabled')::boolean
      AND ((s.rotation_policy ->> 'auto_rotate')::boolean OR s.approved_by IS NOT NULL)
      AND v.state = 'active'
      AND NOT EXISTS (SELECT 1 FROM rotation_runs r
                      WHERE r.secret_name = s.secret_name AND r.phase NOT IN ('retired', 'cancelled'))
    ORDER BY s.next_rotation_at LIMIT $2
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE secret_rotation_schedule s SET lease_until = now() + $1::interval
FROM due WHERE s.id = due.id
RETURNING s.*

-- name: schedule
SELECT * FROM secret_rotation_schedule WHERE secret_name = $1

-- name: overdue
SELECT * FROM secret_rotation_schedule
WHERE next_rotation_at <= now() AND (rotation_policy ->> 'enabled')::boolean
ORDER BY next_rotation_at LIMIT $1

-- name: soon
SELECT s.* FROM secret_rotation_schedule s JOIN secrets_vault v USING (secret_name)
WHERE s.next_rotation_at > now() AND (s.rotation_policy ->> 'enabled')::boolean AND v.state = 'active'
  AND s.next_rotation_at <= now() + $2::interval + make_interval(days => (s.rotation_policy ->> 'notify_days_before')::integer)
ORDER BY s.next_rotation_at LIMIT $1

-- name: steered
SELECT secret_name FROM secret_rotation_schedule
WHERE rotation_policy ?| ARRAY['handler', 'options'] AND secret_name > coalesce($1, '')
ORDER BY secret_name LIMIT $2

-- name: withhold
UPDATE secret_rotation_schedule s SET withheld = found.reason
FROM unnest($1::text[], $2::text[]) AS found (name, reason)
WHERE s.secret_name = found.name AND s.withheld IS DISTINCT FROM found.reason

-- name: withheld
SELECT secret_name, withheld FROM secret_rotation_schedule WHERE withheld IS NOT NULL ORDER BY secret_name

-- name: failed
UPDATE secret_rotation_schedule
SET failures = failures + 1, last_error = $2, next_attempt_at = now() + $3::interval, lease_until = NULL
WHERE secret_name = $1

-- name: request_approvals
UPDATE secret_rotation_schedule s SET requested_at = now()
FROM secrets_vault v
WHERE s.next_rotation_at <= now() AND s.requested_at IS NULL AND s.approved_by IS NULL
  AND (s.rotation_policy ->> 'enabled')::boolean AND NOT (s.rotation_policy ->> 'auto_rotate')::boolean
  AND v.secret_name = s.secret_name AND v.state = 'active'
RETURNING s.secret_name

-- name: approve
UPDATE secret_rotation_schedule SET approved_by = $2, next_attempt_at = now()
WHERE secret_name = $1 AND requested_at IS NOT NULL AND approved_by IS NULL
RETURNING 1

-- name: checked
UPDATE installation SET rotations_checked_at = now()

-- name: last_checked
SELECT rotations_checked_at FROM installation

-- name: consumers
SELECT user_id, version, last_seen FROM secret_consumers
WHERE secret_name = $1 AND last_seen > now() - $2::interval - interval '1 minute'
ORDER BY user_id

-- name: laggards
SELECT r.secret_name, c.user_id, c.version, r.version AS current_version, c.last_seen, r.retire_by
FROM rotation_runs r JOIN secret_consumers c ON c.secret_name = r.secret_name AND c.version < r.version
WHERE r.phase = 'current' AND r.promoted_at <= now() - $2::interval
  AND c.last_seen > now() - $1::interval - interval '1 minute' AND NOT starts_with(c.user_id, $3)
ORDER BY r.secret_name, c.user_id LIMIT $4
