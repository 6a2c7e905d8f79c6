-- Whoever changes anything here holds the row of the epoch first (grants: lock), and reads the clock after that.

-- name: now
SELECT clock_timestamp()

-- name: lock
SELECT id FROM break_glass_requests WHERE id = $1 FOR UPDATE

-- name: request
SELECT * FROM break_glass_requests WHERE id = $1

-- name: votes
SELECT * FROM break_glass_votes WHERE request_id = ANY($1::bigint[]) ORDER BY voted_at, voter

-- name: reads
SELECT request_id, secret_name FROM break_glass_reads WHERE request_id = ANY($1::bigint[]) ORDER BY secret_name

-- name: requests
SELECT * FROM break_glass_requests
WHERE NOT $1 OR (state = 'requested' AND open_until > clock_timestamp())
             OR (state = 'approved' AND expires_at > clock_timestamp())
ORDER BY id DESC LIMIT $2

-- name: voided
SELECT * FROM break_glass_requests WHERE state = 'void' AND ended_at > now() - $1::interval ORDER BY id

-- name: overdue
SELECT id FROM break_glass_requests
WHERE (state = 'requested' AND open_until <= clock_timestamp()) OR (state = 'approved' AND expires_at <= clock_timestamp())
ORDER BY id LIMIT $1

-- name: recent
SELECT count(*) FROM break_glass_requests WHERE requester = $1 AND requested_at > clock_timestamp() - $2::interval

-- name: add
INSERT INTO break_glass_requests (requester, pattern, permissions, reason, duration, approvers, second_factor, rotate,
                                  incarnation, requested_at, open_until)
VALUES ($1, $2, $3::text[], $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id

-- name: attest
UPDATE break_glass_requests SET attestation = $2 WHERE id = $1

-- name: settle
WITH decided AS (UPDATE break_glass_votes SET attestation = '' WHERE request_id = $1 AND $2 <> 'requested')
UPDATE break_glass_requests
SET state = $2, decided_at = $3, decided_by = $4, expires_at = $5, ended_at = $6, ended_by = $7,
    attestation = CASE WHEN $2 = 'requested' THEN attestation ELSE '' END
WHERE id = $1

-- name: add_vote
INSERT INTO break_glass_votes (request_id, voter, voted_at, groups, rule, attestation)
VALUES ($1, $2, $3, $4::text[], $5, $6)

-- name: note_failure
UPDATE break_glass_requests SET failures = failures + 1 WHERE id = $1

-- name: grant
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     put AS (
         INSERT INTO break_glass_grants (
             id, subject, pattern, permissions, granted_by, granted_at, expires_at, incarnation, attestation)
         SELECT $1::bigint, $2, $3, $4::text[], $5, $6::timestamptz, $7::timestamptz, $8::uuid, $9 FROM bumped)
SELECT epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $2) FROM bumped

-- name: withdraw
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     gone AS (DELETE FROM break_glass_grants USING bumped WHERE id = $1)
SELECT epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $2::text) FROM bumped

-- name: void_of
WITH grants AS (DELETE FROM break_glass_grants WHERE subject = $1),
     votes AS (DELETE FROM break_glass_votes v USING break_glass_requests r
               WHERE v.voter = $1 AND r.id = v.request_id AND r.state = 'requested'),
     others AS (UPDATE break_glass_votes v SET attestation = '' FROM break_glass_requests r
                WHERE v.voter <> $1 AND r.id = v.request_id AND r.requester = $1)
UPDATE break_glass_requests SET state = 'void', ended_at = clock_timestamp(), attestation = ''
WHERE requester = $1 AND state IN ('requested', 'approved')

-- name: code_sets
SELECT * FROM break_glass_codes ORDER BY id

-- name: lock_code_sets
SELECT * FROM break_glass_codes ORDER BY id FOR UPDATE

-- name: drop_codes
DELETE FROM break_glass_codes WHERE pattern = $1

-- name: add_codes
INSERT INTO break_glass_codes (pattern, threshold, hashes, created_by, created_at)
VALUES ($1, $2, $3::bytea[], $4, $5) RETURNING id

-- name: put_codes
UPDATE break_glass_codes SET used = $2::integer[], last_used_at = $3, attestation = $4 WHERE id = $1

-- name: remove_codes
DELETE FROM break_glass_codes WHERE id = $1 RETURNING 1

-- name: note_reads
WITH ended AS (
    SELECT id, requester, decided_at, ended_at FROM break_glass_requests
    WHERE rotate AND expires_at IS NOT NULL AND ended_at <= now() - $1::interval AND ended_at > now() - $2::interval
), found AS (
    SELECT e.id, l.secret_name, max(l.timestamp) AS read_at
    FROM ended e JOIN secret_access_logs l
        ON l.user_id = e.requester AND l.timestamp BETWEEN e.decided_at - interval '1 minute'
                                                       AND e.ended_at + interval '1 hour'
    WHERE l.rule = 'break-glass:' || e.id AND l.success AND l.operation IN ('get', 'get_version', 'backup')
    GROUP BY e.id, l.secret_name
), noted AS (
    INSERT INTO break_glass_reads AS known (request_id, secret_name, read_at)
    SELECT id, secret_name, read_at FROM found ORDER BY id, secret_name
    ON CONFLICT (request_id, secret_name) DO UPDATE SET read_at = excluded.read_at
        WHERE excluded.read_at > known.read_at  -- told of later, by a node that was cut off
    RETURNING secret_name, read_at
)
UPDATE secret_rotation_schedule s
SET next_rotation_at = now(), next_attempt_at = now(), updated_at = now()
FROM noted n JOIN secrets_vault v USING (secret_name)
WHERE s.secret_name = n.secret_name AND v.created_at <= n.read_at AND s.next_rotation_at > now()
  AND (s.rotation_policy ->> 'enabled')::boolean
RETURNING s.secret_name

-- name: totals
SELECT (SELECT count(*) FROM break_glass_requests WHERE state = 'requested' AND open_until > clock_timestamp())
           AS open_requests,
       (SELECT count(*) FROM break_glass_grants WHERE expires_at > clock_timestamp()) AS live_grants,
       (SELECT count(DISTINCT r.secret_name) FROM break_glass_reads r JOIN secrets_vault v USING (secret_name)
        WHERE v.state = 'active' AND v.created_at <= r.read_at AND NOT EXISTS (
            SELECT FROM secret_rotation_schedule s
            WHERE s.secret_name = r.secret_name AND (s.rotation_policy ->> 'enabled')::boolean)) AS unrotated
