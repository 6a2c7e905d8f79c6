-- name: claim
WITH due AS (
    SELECT i.sequence FROM secret_intents i
    WHERE i.state = 'open' AND i.next_attempt_at <= now() AND (i.lease_until IS NULL OR i.lease_until <= now())
      AND ($3::text IS NULL OR i.secret_name = $3)
      AND NOT EXISTS (
          SELECT 1 FROM secret_intents earlier
          WHERE earlier.secret_name = i.secret_name
            AND (earlier.state = 'parked' OR (earlier.state = 'open' AND earlier.sequence < i.sequence)))
    ORDER BY i.sequence LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE secret_intents i SET fence = i.fence + 1, lease_until = now() + $2::interval, attempts = i.attempts + 1
FROM due WHERE i.sequence = due.sequence
RETURNING i.*

-- name: lock
SELECT 1 FROM secrets_vault WHERE incarnation = $1 FOR UPDATE

-- name: complete
WITH settled AS (
    UPDATE secret_intents SET state = 'done', settled_at = now(), lease_until = NULL, last_error = NULL
    WHERE id = $1 AND fence = $2 AND state = 'open'
    RETURNING incarnation, version, kind
), head AS (
    UPDATE secrets_vault v
    SET vault_version_id = coalesce($3, v.vault_version_id), told_id = coalesce(v.told_id, $3), vault_updated_at = $4, verified_at = now()
    FROM settled s
    WHERE v.incarnation = s.incarnation AND v.version = s.version AND s.kind IN ('set', 'update')
), former AS (
    UPDATE secret_versions h
    SET vault_version_id = coalesce($3, h.vault_version_id), told_id = coalesce(h.told_id, $3)
    FROM settled s
    WHERE h.incarnation = s.incarnation AND h.version = s.version AND s.kind IN ('set', 'update')
)
SELECT count(*) FROM settled

-- name: release
UPDATE secret_intents SET lease_until = NULL, last_error = $3, next_attempt_at = now() + $4::interval
WHERE id = $1 AND fence = $2 AND state = 'open'
RETURNING 1

-- name: park
UPDATE secret_intents SET state = 'parked', lease_until = NULL, last_error = $3
WHERE id = $1 AND fence = $2 AND state = 'open'
RETURNING 1

-- name: unpark
WITH reopened AS (
    UPDATE secret_intents SET state = 'open', next_attempt_at = now(), fence = fence + 1, restored = false
    WHERE state = 'parked' AND ($1::text IS NULL OR secret_name = $1)
    RETURNING 1
)
SELECT count(*) FROM reopened

-- name: discard
WITH given_up AS (
    UPDATE secret_intents SET state = 'superseded', settled_at = now(), fence = fence + 1
    WHERE state = 'parked' AND secret_name = $1
    RETURNING 1
)
SELECT count(*) FROM given_up

-- name: is_held
SELECT EXISTS (SELECT 1 FROM secret_intents WHERE secret_name = $1 AND state = 'open' AND lease_until > now())

-- name: is_settled
SELECT EXISTS (SELECT 1 FROM secret_intents WHERE id = $1 AND state IN ('done', 'superseded'))

-- name: waiting
SELECT DISTINCT secret_name FROM secret_intents WHERE state IN ('open', 'parked')

-- name: is_purging
SELECT EXISTS (SELECT 1 FROM secret_intents
               WHERE secret_name = $1 AND kind = 'purge' AND state IN ('open', 'parked'))

-- name: find
SELECT * FROM secret_intents WHERE id = ANY($1::uuid[])

-- name: is_disputed
SELECT EXISTS (
    SELECT 1 FROM secret_intents early JOIN secret_intents later USING (incarnation)
    WHERE incarnation = $1 AND early.kind = $2 AND early.attempts > 1 AND early.settled_at > now() - $4::interval
      AND later.kind = $3 AND later.state = 'done' AND later.sequence > early.sequence)

-- name: last_written
SELECT id FROM secret_intents
WHERE incarnation = $1 AND version = $2 AND kind IN ('set', 'update')
ORDER BY sequence DESC LIMIT 1

-- name: purged_at
SELECT max(created_at) FROM secret_intents WHERE secret_name = $1 AND kind = 'purge'

-- name: status
SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'parked') AS parked,
       min(created_at) FILTER (WHERE state = 'open') AS oldest_open_at
FROM secret_intents WHERE state IN ('open', 'parked')

-- name: parked
SELECT * FROM secret_intents WHERE state = 'parked' ORDER BY sequence
