-- name: secrets
SELECT count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE state = 'deleted') AS deleted,
       count(*) FILTER (WHERE NOT enabled AND state = 'active') AS disabled,
       count(*) FILTER (WHERE drift IS NOT NULL) AS drifting,
       (SELECT count(*) FROM secret_versions) AS former_versions
FROM secrets_vault

-- name: sealed
-- Nonce and tag are base64 of 12 and of 16 bytes.
SELECT count(*) AS stored, count(*) FILTER (WHERE encrypted_value IS NULL) AS undisclosed,
       count(*) FILTER (WHERE encrypted_value IS NOT NULL AND key_id IS NOT NULL AND wrapped_key IS NOT NULL
                          AND length(iv) = 16 AND length(auth_tag) = 24) AS sealed,
       count(DISTINCT wrapped_key) FILTER (WHERE encrypted_value IS NOT NULL) AS own_keys,
       coalesce(array_agg(DISTINCT key_id) FILTER (WHERE key_id IS NOT NULL), '{}') AS keys
FROM (SELECT encrypted_value, key_id, wrapped_key, iv, auth_tag FROM secrets_vault
      UNION ALL SELECT encrypted_value, key_id, wrapped_key, iv, auth_tag FROM secret_versions) AS stored

-- name: expiry
SELECT count(*) AS active, count(*) FILTER (WHERE expires_at <= now()) AS expired,
       count(*) FILTER (WHERE expires_at > now() AND expires_at <= now() + interval '30 days') AS soon,
       count(*) FILTER (WHERE expires_at IS NULL) AS unlimited,
       count(*) FILTER (WHERE metadata -> 'notify_on_expiry' <> '[]') AS announced
FROM secrets_vault WHERE state = 'active'

-- name: expiring
SELECT secret_name, expires_at FROM secrets_vault
WHERE state = 'active' AND expires_at <= now() + interval '30 days' ORDER BY expires_at, secret_name LIMIT $1

-- name: rotation
SELECT count(*) AS active,
       count(*) FILTER (WHERE (s.rotation_policy ->> 'enabled')::boolean) AS covered,
       count(*) FILTER (WHERE (s.rotation_policy ->> 'enabled')::boolean
                          AND (s.rotation_policy ->> 'auto_rotate')::boolean) AS automatic,
       count(*) FILTER (WHERE (s.rotation_policy ->> 'enabled')::boolean AND s.next_rotation_at <= now()) AS overdue,
       max((s.rotation_policy ->> 'interval_days')::int) FILTER (WHERE (s.rotation_policy ->> 'enabled')::boolean)
           AS longest_days
FROM secrets_vault v LEFT JOIN secret_rotation_schedule s USING (secret_name) WHERE v.state = 'active'

-- name: overdue
SELECT s.secret_name, s.next_rotation_at, s.last_rotated_at, s.failures FROM secret_rotation_schedule s
JOIN secrets_vault v USING (secret_name)
WHERE v.state = 'active' AND (s.rotation_policy ->> 'enabled')::boolean AND s.next_rotation_at <= now()
ORDER BY s.next_rotation_at, s.secret_name LIMIT $1

-- name: rotations
SELECT count(*) FILTER (WHERE phase = 'retired') AS finished, count(*) FILTER (WHERE phase = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE phase NOT IN ('retired', 'cancelled')) AS open,
       max(promoted_at) AS last_promoted
FROM rotation_runs WHERE started_at >= $1

-- name: value_ages
SELECT count(*) AS active, count(*) FILTER (WHERE updated < now() - interval '1 year') AS over_a_year,
       count(*) FILTER (WHERE updated < now() - interval '90 days') AS over_90_days
FROM (SELECT created_at AS updated FROM secrets_vault WHERE state = 'active') AS ages

-- name: oldest_values
SELECT secret_name, version, created_at FROM secrets_vault
WHERE state = 'active' AND created_at < now() - interval '90 days' ORDER BY created_at, secret_name LIMIT $1

-- name: held
WITH rules AS (
    SELECT 'grant' AS kind, user_id AS subject, secret_name AS pattern, permissions AS terms, granted_by, granted_at,
           expires_at FROM secret_access_control
    UNION ALL
    SELECT 'role', subject, pattern, ARRAY[role], granted_by, granted_at, expires_at FROM role_assignments
    UNION ALL
    SELECT 'break-glass', subject, pattern, permissions, granted_by, granted_at, expires_at FROM break_glass_grants
), recent AS (
    SELECT user_id, secret_name, success, timestamp FROM secret_access_logs
    WHERE timestamp >= $1 ORDER BY timestamp DESC, id DESC LIMIT $2
), used AS (
    SELECT user_id, secret_name, max(at) AS at FROM (
        SELECT user_id, secret_name, timestamp AS at FROM recent WHERE success
        UNION ALL SELECT user_id, secret_name, last_seen FROM secret_consumers) AS uses
    GROUP BY user_id, secret_name
), holders AS (
    SELECT r.*, r.subject AS user_id FROM rules r WHERE r.subject NOT LIKE 'group:%'
    UNION ALL
    SELECT r.*, g.identity_name FROM rules r LEFT JOIN identity_groups g ON g.group_name = substr(r.subject, 7)
    WHERE r.subject LIKE 'group:%'
)
-- Who is in an issuer's group is told by its tokens alone.
SELECT h.kind, h.subject, h.pattern, h.terms, h.granted_by, h.granted_at, h.expires_at, max(u.at) AS last_used,
       count(h.user_id) > 0 OR h.subject NOT LIKE 'group:%:%' AS members_known
FROM holders h LEFT JOIN used u ON u.user_id = h.user_id AND u.secret_name LIKE replace(h.pattern, '*', '%')
WHERE h.expires_at IS NULL OR h.expires_at > now()
GROUP BY h.kind, h.subject, h.pattern, h.terms, h.granted_by, h.granted_at, h.expires_at
ORDER BY h.subject, h.pattern, h.kind LIMIT $3

-- name: identities
SELECT count(*) AS all_of_them, count(*) FILTER (WHERE kind = 'person') AS people,
       count(*) FILTER (WHERE disabled_at IS NOT NULL) AS disabled,
       count(*) FILTER (WHERE kind = 'person' AND disabled_at IS NULL) AS active_people,
       count(*) FILTER (WHERE kind = 'person' AND disabled_at IS NULL AND totp_confirmed_at IS NOT NULL)
           AS with_second_factor,
       (SELECT count(*) FROM clients) AS clients,
       (SELECT count(DISTINCT client_id) FROM client_credentials) AS asserting
FROM identities

-- name: without_second_factor
SELECT name, created_at FROM identities
WHERE kind = 'person' AND disabled_at IS NULL AND totp_confirmed_at IS NULL ORDER BY name LIMIT $1

-- name: tokens
SELECT count(*) AS good, count(*) FILTER (WHERE last_used_at IS NULL) AS never_used,
       count(*) FILTER (WHERE last_used_at < $1) AS unused,
       count(*) FILTER (WHERE coalesce(last_used_at, created_at) < $1) AS idle,
       count(*) FILTER (WHERE networks = '{}') AS from_anywhere,
       max(max_expires_at) AS last_end
FROM api_tokens WHERE revoked_at IS NULL AND expires_at > now()

-- name: recent
SELECT operation, success, error_code, count(*) AS records, count(DISTINCT user_id) AS users, max(timestamp) AS newest,
       min(timestamp) AS oldest
FROM (SELECT operation, success, error_code, user_id, timestamp FROM secret_access_logs
      WHERE timestamp >= $1 ORDER BY timestamp DESC, id DESC LIMIT $2) AS recent
GROUP BY operation, success, error_code ORDER BY operation, success, error_code

-- name: refused
SELECT user_id, error_code, count(*) AS records, max(timestamp) AS newest
FROM (SELECT user_id, success, error_code, timestamp FROM secret_access_logs
      WHERE timestamp >= $1 ORDER BY timestamp DESC, id DESC LIMIT $2) AS recent
WHERE NOT success GROUP BY user_id, error_code ORDER BY records DESC, user_id, error_code LIMIT $3

-- name: trail
SELECT (SELECT sum(greatest(c.reltuples, 0))::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'secret_access_logs'::regclass) AS about,
       (SELECT count(*) FROM (SELECT 1 FROM secret_access_logs LIMIT 100000) AS first_ones) AS counted,
       (SELECT timestamp FROM secret_access_logs ORDER BY timestamp, id LIMIT 1) AS oldest,
       (SELECT timestamp FROM secret_access_logs ORDER BY timestamp DESC, id DESC LIMIT 1) AS newest,
       (SELECT count(*) FROM audit_chains) AS chains

-- name: checkpoints
SELECT count(*) AS checkpoints, max(created_at) AS newest, max(number) AS last_number,
       (SELECT min(f.timestamp) FROM audit_chains c
        CROSS JOIN LATERAL (SELECT l.timestamp FROM secret_access_logs l
                            WHERE l.writer = c.writer AND l.boot = c.boot AND l.seq > c.signed_seq
                            ORDER BY l.seq LIMIT 1) AS f
        WHERE NOT c.settled) AS unsigned_since
FROM audit_checkpoints

-- name: streams
SELECT name, delivered, delivered_at, failed_at IS NOT NULL AS failing FROM audit_streams ORDER BY name

-- name: keys
SELECT key_id, state, created_at, activated_at, sealed FROM encryption_keys ORDER BY state, created_at, key_id

-- name: retired_keys
SELECT count(*) AS retired, max(retired_at) AS last_retired FROM retired_keys

-- name: transport
SELECT inet_client_addr() IS NULL AS over_socket,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls

-- name: removal
SELECT count(*) AS waiting, min(scheduled_purge_at) AS next_purge,
       count(*) FILTER (WHERE scheduled_purge_at < now()) AS late,
       (SELECT i.scrubbed >= coalesce((SELECT last_value FROM secret_purges WHERE is_called), 0) FROM installation i)
           AS off_the_disk
FROM secrets_vault WHERE state = 'deleted'

-- name: backup
SELECT backup_id, backed_up_at, restored_at FROM installation

-- name: replication
SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'parked') AS parked,
       (SELECT last_finished_at FROM sync_state) AS last_sync
FROM secret_intents WHERE state IN ('open', 'parked')

-- name: notices
SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'dead') AS dead, max(sent_at) AS last_sent
FROM notices WHERE created_at >= $1

-- name: break_glass
SELECT count(*) AS requests, count(*) FILTER (WHERE state = 'approved' AND expires_at > now()) AS active,
       count(*) FILTER (WHERE state IN ('approved', 'ended', 'revoked')) AS granted,
       count(*) FILTER (WHERE state IN ('denied', 'withdrawn', 'expired', 'void')) AS refused,
       (SELECT count(*) FROM break_glass_reads r JOIN break_glass_requests q ON q.id = r.request_id
        WHERE q.requested_at >= $1) AS reads
FROM break_glass_requests WHERE requested_at >= $1

-- name: break_glass_requests
SELECT requester, pattern, reason, state, requested_at, decided_by, expires_at FROM break_glass_requests
WHERE requested_at >= $1 ORDER BY requested_at DESC, id DESC LIMIT $2

-- name: horizon
SELECT timestamp FROM secret_access_logs ORDER BY timestamp DESC, id DESC OFFSET $1 LIMIT 1
