-- name: lead
UPDATE sync_state SET leader = $1, lease_until = now() + $2::interval, fence = fence + 1,
    first_tried_at = COALESCE(first_tried_at, now())
WHERE lease_until IS NULL OR lease_until <= now() OR leader = $1
RETURNING fence, now() AS started_at

-- name: renew
UPDATE sync_state SET lease_until = now() + $2::interval WHERE fence = $1 RETURNING 1

-- name: finish
UPDATE sync_state SET leader = NULL, lease_until = NULL, last_error = $3, lacking = $4,
    last_started_at = CASE WHEN $3::text IS NULL THEN $2 ELSE last_started_at END,
    last_finished_at = CASE WHEN $3::text IS NULL THEN now() ELSE last_finished_at END
WHERE fence = $1
RETURNING 1

-- name: status
SELECT last_started_at, last_finished_at, last_error, first_tried_at, lacking FROM sync_state
