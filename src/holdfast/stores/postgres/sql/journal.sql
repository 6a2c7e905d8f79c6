-- name: claim
WITH due AS (
    SELECT i.sequence FROM secret_intents i
    WHERE i.state IN ('open', 'parked') AND i.next_attempt_at <= now()
      AND (i.lease_until IS NULL OR i.lease_until <= now())
      AND ($3::text IS NULL OR i.secret_name = $3)
      AND NOT EXISTS (SELECT 1 FROM secret_proposals p WHERE p.secret_name = i.secret_name)
      AND NOT EXISTS (
          SELECT 1 FROM secret_intents other
          WHERE other.secret_name = i.secret_name AND other.state IN ('open', 'parked') AND (
              other.lease_until > now()
              OR other.sequence < i.sequence
                  AND NOT (other.state = 'parked' AND i.kind || ' ' || other.kind = ANY($4::text[]))
                  AND NOT (other.kind = 'update' AND i.kind || ' set' = ANY($4) AND EXISTS (
                      SELECT 1 FROM secret_intents made
                      WHERE made.incarnation = other.incarnation AND made.version = other.version
                        AND made.kind = 'set' AND made.state = 'parked'))))
    ORDER BY i.next_attempt_at, i.sequence LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE secret_intents i SET fence = i.fence + 1, lease_until = now() + $2::interval, attempts = i.attempts + 1,
    doubts = i.doubts + 1
FROM due WHERE i.sequence = due.sequence
RETURNING i.*

-- name: take_orphans
WITH left_alone AS (
    SELECT i.id FROM secret_proposals p JOIN secret_intents i ON i.id = p.intent
    WHERE i.lease_until IS NULL OR i.lease_until <= now()
    LIMIT $1 FOR UPDATE OF i SKIP LOCKED
), taken AS (
    UPDATE secret_intents i SET fence = i.fence + 1, lease_until = now() + $2::interval
    FROM left_alone WHERE i.id = left_alone.id
    RETURNING i.*
)
SELECT taken.*, p.change FROM taken JOIN secret_proposals p ON p.intent = taken.id

-- name: in_the_way
-- What goes past a parked set goes past updates of the version that it was to make.
SELECT w.id FROM secret_intents w
WHERE w.secret_name = $1 AND w.state IN ('open', 'parked')
  AND NOT EXISTS (SELECT 1 FROM secret_proposals p WHERE p.intent = w.id)
  AND NOT ((w.lease_until IS NULL OR w.lease_until <= now()) AND (
      w.state = 'parked' AND w.kind = ANY($2::text[])
      OR w.kind = 'update' AND 'set' = ANY($2) AND EXISTS (
          SELECT 1 FROM secret_intents made
          WHERE made.incarnation = w.incarnation AND made.version = w.version
            AND made.kind = 'set' AND made.state = 'parked')))
ORDER BY w.sequence DESC LIMIT 1

-- name: lock
SELECT 1 FROM secrets_vault WHERE incarnation = $1 FOR UPDATE

-- name: complete
WITH settled AS (
    UPDATE secret_intents SET state = 'done', settled_at = now(), lease_until = NULL, last_error = NULL
    WHERE id = $1 AND fence = $2 AND state IN ('open', 'parked')
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

-- name: tell_id
WITH told AS (
    UPDATE secrets_vault SET revision = nextval('secret_revisions')
    WHERE incarnation = $1 AND version = $2 AND told_id = $3
    RETURNING secret_name, revision
)
SELECT pg_notify('holdfast', 'secret:' || secret_name || ':' || revision) FROM told

-- name: release
UPDATE secret_intents SET lease_until = NULL, last_error = $3, next_attempt_at = now() + $4::interval,
    failures = CASE WHEN $5 THEN failures + 1 ELSE failures END,
    doubts = CASE WHEN $6 THEN doubts ELSE doubts - 1 END, limbo_since = $7
WHERE id = $1 AND fence = $2 AND state IN ('open', 'parked')
RETURNING 1

-- name: park
-- What a later one makes void is superseded by it, and with a set updates of the version that it was to make.
WITH refused AS (
    UPDATE secret_intents i SET
        state = CASE WHEN $6 AND f.followed THEN 'superseded' ELSE 'parked' END,
        settled_at = CASE WHEN $6 AND f.followed THEN now() END,
        lease_until = NULL, last_error = $3, next_attempt_at = now() + $4::interval, failures = i.failures + 1,
        doubts = CASE WHEN $5 THEN i.doubts ELSE i.doubts - 1 END
    FROM (SELECT EXISTS (
        SELECT 1 FROM secret_intents one JOIN secret_intents later
            ON later.incarnation = one.incarnation AND later.sequence > one.sequence
        WHERE one.id = $1 AND later.kind || ' ' || one.kind = ANY($7::text[]) AND later.state IN ('open', 'parked')
          AND (one.kind <> 'update' OR later.version = one.version)
          AND NOT EXISTS (SELECT 1 FROM secret_proposals p WHERE p.intent = later.id)) AS followed) AS f
    WHERE i.id = $1 AND i.fence = $2 AND i.state IN ('open', 'parked')
    RETURNING i.incarnation, i.kind, i.version, i.state
), moot AS (
    UPDATE secret_intents u SET state = 'superseded', settled_at = now(), fence = u.fence + 1
    FROM refused r
    WHERE r.state = 'superseded' AND r.kind = 'set' AND u.incarnation = r.incarnation AND u.version = r.version AND u.kind = 'update'
      AND u.state IN ('open', 'parked')
)
SELECT state FROM refused

-- name: unpark
WITH reopened AS (
    UPDATE secret_intents SET state = 'open', next_attempt_at = now(), fence = fence + 1, restored = false
    WHERE state = 'parked' AND ($1::text IS NULL OR secret_name = $1)
    RETURNING 1
), hurried AS (
    UPDATE secret_intents SET next_attempt_at = now()
    WHERE state = 'open' AND next_attempt_at > now() AND ($1::text IS NULL OR secret_name = $1)
)
SELECT count(*) FROM reopened

-- name: discard
WITH given_up AS (
    UPDATE secret_intents i SET state = 'superseded', settled_at = now(), fence = fence + 1, lease_until = NULL
    WHERE state IN ('open', 'parked') AND secret_name = $1
      AND NOT EXISTS (SELECT 1 FROM secret_proposals p WHERE p.intent = i.id)
    RETURNING 1
)
SELECT count(*) FROM given_up

-- name: is_held
SELECT EXISTS (SELECT 1 FROM secret_intents WHERE secret_name = $1 AND state IN ('open', 'parked') AND lease_until > now())

-- name: is_settled
SELECT EXISTS (SELECT 1 FROM secret_intents WHERE id = $1 AND state IN ('done', 'superseded'))

-- name: waiting
SELECT DISTINCT secret_name FROM secret_intents WHERE state IN ('open', 'parked')

-- name: hands_off
SELECT EXISTS (SELECT 1 FROM secret_intents
               WHERE secret_name = $1 AND state IN ('open', 'parked') AND (kind = 'purge' OR
                   kind = 'set' AND doubts > 0 AND (SELECT count(*) FROM jsonb_object_keys(attributes -> 'tags')) >= 15))
    OR EXISTS (SELECT 1 FROM secret_proposals WHERE secret_name = $1)

-- name: find
SELECT * FROM secret_intents WHERE id = ANY($1::uuid[])

-- name: is_disputed
SELECT EXISTS (
    SELECT 1 FROM secret_intents early JOIN secret_intents later USING (incarnation)
    WHERE incarnation = $1 AND early.kind = $2 AND early.attempts > 1 AND early.settled_at > now() - $4::interval
      AND later.kind = $3 AND later.state = 'done' AND later.sequence > early.sequence)

-- name: is_deletion_void
SELECT coalesce((SELECT kind = 'delete' AND state = 'superseded' FROM secret_intents
                 WHERE incarnation = $1 AND kind IN ('delete', 'recover') AND state IN ('done', 'superseded')
                 ORDER BY sequence DESC LIMIT 1), false)

-- name: last_written
SELECT id FROM secret_intents
WHERE incarnation = $1 AND version = $2 AND kind IN ('set', 'update')
ORDER BY sequence DESC LIMIT 1

-- name: purged_at
SELECT max(created_at) FROM secret_intents WHERE secret_name = $1 AND kind = 'purge'

-- name: status
SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'parked') AS parked,
       min(created_at) FILTER (WHERE state = 'open') AS oldest_open_at,
       count(*) FILTER (WHERE state = 'open' AND last_error IS NOT NULL AND created_at < now() - $1::interval) AS stuck
FROM secret_intents WHERE state IN ('open', 'parked')

-- name: parked
SELECT * FROM secret_intents WHERE state = 'parked' AND ($1::text IS NULL OR secret_name = $1) ORDER BY sequence

-- name: open
SELECT * FROM secret_intents WHERE state = 'open' ORDER BY failures = 0, sequence LIMIT $1
