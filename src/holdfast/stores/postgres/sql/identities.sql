-- Announcements that begin with "identity:" are for nodes of the release before; a trigger makes those that count.

-- name: standings
SELECT i.name, i.incarnation, i.disabled_at IS NOT NULL AS disabled, i.attestation,
       c.secret_hash AS client_hash, c.created_at AS client_since,
       CASE WHEN i.totp_confirmed_at IS NOT NULL THEN i.totp_secret END AS totp,
       ARRAY(SELECT group_name FROM identity_groups WHERE identity_name = i.name) AS groups,
       ARRAY(SELECT ARRAY[k.id::text, k.name, k.kind, k.issuer, k.subject, k.audience, k.certificate]
             FROM client_credentials k WHERE k.client_id = i.name ORDER BY k.id) AS credentials,
       i.revision, i.token_ids, m.revision AS mark
FROM identities i LEFT JOIN clients c ON c.client_id = i.name LEFT JOIN identity_marks m ON m.name = i.name
WHERE $1::text IS NULL OR i.name = $1

-- name: live_tokens
SELECT t.*, i.incarnation FROM api_tokens t JOIN identities i ON i.name = t.identity_name
WHERE t.revoked_at IS NULL AND t.expires_at > now() AND ($1::text IS NULL OR t.identity_name = $1)

-- name: marks
SELECT epoch, revision, attestation, ARRAY(SELECT name FROM identity_marks ORDER BY name COLLATE "C") AS names,
       ARRAY(SELECT revision FROM identity_marks ORDER BY name COLLATE "C") AS revisions
FROM identity_epoch

-- name: lock_marks
SELECT epoch FROM identity_epoch FOR UPDATE

-- name: next_revision
-- By the time of day too: after a failover that lost changes, numbers are higher than any of the lost ones.
UPDATE identity_epoch
SET revision = greatest(revision + 1, (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint)
RETURNING revision

-- name: stamp
-- A token counts that counted before and still does; of identities from before there were marks, every one.
WITH marked AS (
    INSERT INTO identity_marks (name, revision) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET revision = $2)
UPDATE identities i SET revision = $2, token_ids = ARRAY(
    SELECT t.id FROM api_tokens t
    WHERE t.identity_name = i.name AND t.revoked_at IS NULL AND t.expires_at > now()
        AND (i.revision = 0 OR t.id = ANY (i.token_ids)) ORDER BY t.id)
WHERE i.name = $1

-- name: forget_mark
DELETE FROM identity_marks WHERE name = $1

-- name: attest_marks
UPDATE identity_epoch SET attestation = $1

-- name: list_token
UPDATE identities SET token_ids = token_ids || $2::uuid WHERE name = $1

-- name: identities
SELECT i.*, c.client_id IS NOT NULL AS has_client,
       ARRAY(SELECT group_name FROM identity_groups WHERE identity_name = i.name ORDER BY group_name) AS groups,
       (SELECT count(*) FROM api_tokens
        WHERE identity_name = i.name AND revoked_at IS NULL AND expires_at > now()) AS tokens
FROM identities i LEFT JOIN clients c ON c.client_id = i.name
WHERE $1::text IS NULL OR i.name > $1 ORDER BY i.name LIMIT $2

-- name: credentials
WITH whom AS (
    SELECT name FROM identities WHERE name = $1
    UNION SELECT identity_name FROM identity_groups WHERE 'group:' || group_name = $1)
SELECT 'token ' || t.id AS what, t.identity_name AS identity, t.created_by AS made_by
FROM api_tokens t JOIN whom w ON w.name = t.identity_name WHERE t.revoked_at IS NULL AND t.expires_at > now()
UNION ALL
SELECT 'client secret', c.client_id, c.created_by FROM clients c JOIN whom w ON w.name = c.client_id
UNION ALL
SELECT k.kind || ' credential ' || k.name, k.client_id, k.created_by
FROM client_credentials k JOIN whom w ON w.name = k.client_id
UNION ALL
SELECT 'membership', g.identity_name, g.added_by FROM identity_groups g WHERE 'group:' || g.group_name = $1
ORDER BY identity, what

-- name: hold_rules
-- Anyone who changes rules waits, and then sees the credential that is made now.
SELECT epoch FROM access_epoch FOR SHARE

-- name: lock_identities
LOCK TABLE identities IN SHARE ROW EXCLUSIVE MODE

-- name: any_identity
SELECT EXISTS (SELECT 1 FROM identities)

-- name: add_identity
INSERT INTO identities (name, kind, created_by) SELECT $1::text, $2, $3
WHERE NOT EXISTS (SELECT 1 FROM identities WHERE lower(name) = lower($1))
ON CONFLICT DO NOTHING RETURNING pg_notify('holdfast', 'identity:' || name)

-- name: set_disabled
UPDATE identities SET disabled_at = CASE WHEN $2 THEN COALESCE(disabled_at, now()) END WHERE name = $1
RETURNING pg_notify('holdfast', 'identity:' || name)

-- name: remove_identity
DELETE FROM identities WHERE name = $1 RETURNING pg_notify('holdfast', 'identity:' || name)

-- name: remove_rules
WITH bumped AS (UPDATE access_epoch SET epoch = epoch + 1 RETURNING epoch),
     grants AS (DELETE FROM secret_access_control USING bumped WHERE user_id = $1),
     roles AS (DELETE FROM role_assignments USING bumped WHERE subject = $1)
SELECT epoch, pg_notify('holdfast', 'rules:' || epoch || ':' || $1) FROM bumped

-- name: attest_identity
UPDATE identities SET attestation = $2 WHERE name = $1

-- name: lock_identity
SELECT pg_notify('holdfast', 'identity:' || name) FROM identities WHERE name = $1 FOR UPDATE

-- name: leave_groups
DELETE FROM identity_groups WHERE identity_name = $1 AND NOT group_name = ANY ($2::text[])

-- name: join_groups
INSERT INTO identity_groups (identity_name, group_name, added_by) SELECT $1, unnest($2::text[]), $3
ON CONFLICT DO NOTHING

-- name: add_token
INSERT INTO api_tokens (id, token_hash, identity_name, description, networks, created_by, created_at, lifetime_s,
                        expires_at, max_expires_at, attestation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: token
SELECT * FROM api_tokens WHERE id = $1

-- name: tokens
SELECT * FROM api_tokens WHERE $1::text IS NULL OR identity_name = $1 ORDER BY created_at DESC, id

-- name: page_of_tokens
SELECT * FROM api_tokens
WHERE ($1::text IS NULL OR identity_name = $1) AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3::uuid))
ORDER BY created_at, id LIMIT $4

-- name: lock_token
SELECT t.*, i.incarnation, i.revision = 0 OR t.id = ANY (i.token_ids) AS counts
FROM api_tokens t JOIN identities i ON i.name = t.identity_name
WHERE t.id = $1 AND t.revoked_at IS NULL AND t.expires_at > now() FOR UPDATE OF t

-- name: lock_owner
SELECT name FROM identities WHERE name = (SELECT identity_name FROM api_tokens WHERE id = $1) FOR UPDATE

-- name: renew_token
UPDATE api_tokens SET expires_at = $2, attestation = $3, renewals = renewals + 1 WHERE id = $1
RETURNING *, pg_notify('holdfast', 'identity:' || identity_name)

-- name: revoke_token
UPDATE api_tokens SET revoked_at = now(), attestation = '' WHERE id = $1 AND revoked_at IS NULL
RETURNING pg_notify('holdfast', 'identity:' || identity_name)

-- name: touch_tokens
UPDATE api_tokens t SET last_used_at = u.at
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at)
WHERE t.id = u.id AND (t.last_used_at IS NULL OR t.last_used_at < u.at)

-- name: add_client
INSERT INTO clients (client_id, secret_hash, created_by) VALUES ($1, $2, $3)
ON CONFLICT (client_id) DO NOTHING RETURNING pg_notify('holdfast', 'identity:' || client_id)

-- name: remove_client
WITH secrets AS (DELETE FROM clients WHERE client_id = $1 RETURNING client_id),
     others AS (DELETE FROM client_credentials WHERE client_id = $1 RETURNING client_id)
SELECT pg_notify('holdfast', 'identity:' || client_id) FROM (TABLE secrets UNION TABLE others) AS gone

-- name: clients
SELECT client_id, min(created_at) AS created_at, (array_agg(created_by ORDER BY created_at))[1] AS created_by
FROM (SELECT client_id, created_at, created_by FROM clients
      UNION ALL SELECT client_id, created_at, created_by FROM client_credentials) AS made
GROUP BY client_id ORDER BY client_id

-- name: add_credential
INSERT INTO client_credentials (id, client_id, name, kind, issuer, subject, audience, certificate, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (client_id, name) DO NOTHING RETURNING created_at

-- name: remove_credential
DELETE FROM client_credentials WHERE client_id = $1 AND name = $2 RETURNING true

-- name: use_assertion
INSERT INTO used_assertions AS u (client_id, id_hash, hash, source, ends_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (client_id, id_hash) DO UPDATE SET ends_at = EXCLUDED.ends_at
WHERE u.hash = EXCLUDED.hash AND u.source = EXCLUDED.source RETURNING true

-- name: client_credentials
SELECT id, name, kind, issuer, subject, audience, certificate, created_by, created_at
FROM client_credentials WHERE client_id = $1 ORDER BY name

-- name: totp
SELECT incarnation, totp_secret, totp_confirmed_at IS NOT NULL AS confirmed, COALESCE(totp_counter, -1) AS counter,
       COALESCE(extract(epoch FROM totp_full_at - now()), 0)::float8 AS full_in_s
FROM identities WHERE name = $1

-- name: totp_age
SELECT now() - totp_confirmed_at FROM identities WHERE name = $1

-- name: enrol_totp
UPDATE identities SET totp_secret = $2, totp_confirmed_at = NULL, totp_counter = NULL WHERE name = $1

-- name: totp_accepted
UPDATE identities SET totp_counter = $2, totp_confirmed_at = COALESCE(totp_confirmed_at, now()) WHERE name = $1

-- name: totp_wrong
UPDATE identities SET totp_full_at = GREATEST(COALESCE(totp_full_at, now()), now()) + make_interval(secs => $2)
WHERE name = $1

-- name: remove_totp
UPDATE identities SET totp_secret = NULL, totp_confirmed_at = NULL, totp_counter = NULL
WHERE name = $1 AND totp_secret IS NOT NULL RETURNING true
