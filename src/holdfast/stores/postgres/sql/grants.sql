-- name: epoch
SELECT epoch FROM access_epoch

-- name: lock
SELECT epoch FROM access_epoch FOR UPDATE

-- name: incarnation
SELECT incarnation FROM secrets_vault WHERE secret_name = $1

-- name: rules
-- The epoch in the same statement: it is that of these very rules. One row without a rule where there are none.
SELECT e.epoch, r.* FROM access_epoch e LEFT JOIN (
    SELECT 'grant' AS kind, a.id, a.user_id AS subject, a.secret_name AS pattern, a.permissions AS terms,
           a.granted_by, a.granted_at, a.expires_at, a.incarnation, a.attestation, v.incarnation AS living
    FROM secret_access_control a LEFT JOIN secrets_vault v ON v.secret_name = a.secret_name
    WHERE $1::text[] IS NULL OR a.user_id = ANY($1)
    UNION ALL
    SELECT 'role', r.id, r.subject, r.pattern, ARRAY[r.role],
           r.granted_by, r.granted_at, r.expires_at, r.incarnation, r.attestation, v.incarnation
    FROM role_assignments r LEFT JOIN secrets_vault v ON v.secret_name = r.pattern
    WHERE $1::text[] IS NULL OR r.subject = ANY($1)
    UNION ALL
    SELECT 'break-glass', b.id, b.subject, b.pattern, b.permissions,
           b.granted_by, b.granted_at, b.expires_at, b.incarnation, b.attestation, v.incarnation
    FROM break_glass_grants b LEFT JOIN secrets_vault v ON v.secret_name = b.pattern
    WHERE $1::text[] IS NULL OR b.subject = ANY($1)
) r ON true
ORDER BY kind, id

-- name: ending
SELECT 'grant' AS kind, a.id, a.user_id AS subject, a.secret_name AS pattern, a.permissions AS terms,
       a.granted_by, a.granted_at, a.expires_at, a.incarnation, a.attestation, v.incarnation AS living
FROM secret_access_control a LEFT JOIN secrets_vault v ON v.secret_name = a.secret_name
WHERE a.expires_at > now() AND a.expires_at <= now() + $1::interval AND a.expires_at - a.granted_at > $2::interval
UNION ALL
SELECT 'role', r.id, r.subject, r.pattern, ARRAY[r.role],
       r.granted_by, r.granted_at, r.expires_at, r.incarnation, r.attestation, v.incarnation
FROM role_assignments r LEFT JOIN secrets_vault v ON v.secret_name = r.pattern
WHERE r.expires_at > now() AND r.expires_at <= now() + $1::interval AND r.expires_at - r.granted_at > $2::interval
ORDER BY expires_at, kind, id LIMIT $3

-- name: page_of_grants
SELECT 'grant' AS kind, a.id, a.user_id AS subject, a.secret_name AS pattern, a.permissions AS terms,
       a.granted_by, a.granted_at, a.expires_at, a.incarnation, a.attestation, v.incarnation AS living
FROM secret_access_control a LEFT JOIN secrets_vault v ON v.secret_name = a.secret_name
WHERE $1::text IS NULL OR (a.secret_name, a.user_id) > ($1, $2::text) ORDER BY a.secret_name, a.user_id LIMIT $3

-- name: page_of_roles
SELECT 'role' AS kind, r.id, r.subject, r.pattern, ARRAY[r.role] AS terms,
       r.granted_by, r.granted_at, r.expires_at, r.incarnation, r.attestation, v.incarnation AS living
FROM role_assignments r LEFT JOIN secrets_vault v ON v.secret_name = r.pattern
WHERE $1::text IS NULL OR (r.subject, r.role, r.pattern) > ($1, $2::text, $3::text)
ORDER BY r.subject, r.role, r.pattern LIMIT $4

-- name: put_grant
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     put AS (
         INSERT INTO secret_access_control (
             user_id, secret_name, permissions, granted_by, granted_at, expires_at, incarnation, attestation)
         SELECT $1, $2, $3::text[], $4, $5::timestamptz, $6::timestamptz, $7::uuid, $8 FROM bumped
         ON CONFLICT (secret_name, user_id) DO UPDATE
             SET permissions = $3, granted_by = $4, granted_at = $5, expires_at = $6, incarnation = $7, attestation = $8
         RETURNING id)
SELECT id, epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $1) FROM put, bumped

-- name: put_role
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     put AS (
         INSERT INTO role_assignments (
             subject, pattern, role, granted_by, granted_at, expires_at, incarnation, attestation)
         SELECT $1, $2, $3, $4, $5::timestamptz, $6::timestamptz, $7::uuid, $8 FROM bumped
         ON CONFLICT (subject, role, pattern) DO UPDATE
             SET granted_by = $4, granted_at = $5, expires_at = $6, incarnation = $7, attestation = $8
         RETURNING id)
SELECT id, epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $1) FROM put, bumped

-- name: remove_grant
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     gone AS (DELETE FROM secret_access_control USING bumped WHERE user_id = $1 AND secret_name = $2 RETURNING 1)
SELECT (SELECT count(*) FROM gone) AS removed, epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $1) FROM bumped

-- name: remove_role
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     gone AS (DELETE FROM role_assignments USING bumped WHERE subject = $1 AND pattern = $2 AND role = $3 RETURNING 1)
SELECT (SELECT count(*) FROM gone) AS removed, epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $1) FROM bumped

-- name: recorded_requests
SELECT user_id AS identity, operation, secret_name AS secret, success AS allowed, rule,
       count(*) AS count, max(timestamp) AS last_seen
FROM secret_access_logs
WHERE timestamp > now() - $1::interval AND operation = ANY($2::text[]) AND auth_method IS DISTINCT FROM 'system'
  AND (success OR error_code = 'access_denied') AND (rule IS NULL OR rule NOT LIKE 'break-glass:%')
GROUP BY user_id, operation, secret_name, success, rule
ORDER BY last_seen DESC LIMIT $3
