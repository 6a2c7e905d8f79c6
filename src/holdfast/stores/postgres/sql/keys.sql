-- name: has_keys
SELECT to_regclass('encryption_keys') IS NOT NULL

-- name: known_answers
SELECT key_id, known_answer FROM encryption_keys

-- name: lock
SELECT pg_advisory_xact_lock(1751215722)

-- name: lock_shared
SELECT pg_advisory_xact_lock_shared(1751215722)

-- name: active
SELECT key_id, (extract(epoch FROM activated_at) * 1000000)::bigint AS activation FROM encryption_keys
WHERE state = 'active'

-- name: keys
SELECT key_id, state, created_at, activated_at, NULL::timestamptz AS retired_at, sealed FROM encryption_keys
UNION ALL
SELECT key_id, 'retired', NULL, NULL, retired_at, sealed FROM retired_keys
ORDER BY state, retired_at DESC, created_at DESC, key_id

-- name: rings
SELECT n.id AS node, n.name, coalesce(r.keys, '{}') AS keys, r.sealing
FROM nodes n LEFT JOIN node_rings r ON r.node = n.id
WHERE n.seen_at > now() - $1::interval ORDER BY n.name, n.id

-- name: announce
INSERT INTO node_rings (node, keys, sealing) SELECT id, $2::text[], $3 FROM nodes WHERE id = $1
ON CONFLICT (node) DO UPDATE SET keys = $2, sealing = $3

-- name: count
UPDATE encryption_keys k SET sealed = k.sealed + c.sealed
FROM unnest($1::text[], $2::bigint[]) AS c (key_id, sealed) WHERE k.key_id = c.key_id

-- name: is_retired
SELECT EXISTS (SELECT FROM retired_keys WHERE key_id = $1)

-- name: drain
UPDATE encryption_keys SET state = 'draining' WHERE state = 'active' AND key_id <> $1

-- name: activate
-- Later than every one before, also after the clock was set back: nodes follow the latest.
INSERT INTO encryption_keys (key_id, known_answer, state, activated_at)
SELECT $1, $2, 'active', greatest(clock_timestamp(), max(activated_at) + interval '1 microsecond') FROM encryption_keys
ON CONFLICT (key_id) DO UPDATE SET state = 'active', activated_at = excluded.activated_at
    WHERE encryption_keys.state <> 'active'
RETURNING pg_notify('holdfast', 'key:' || (extract(epoch FROM activated_at) * 1000000)::bigint || ':' || key_id)

-- name: state
SELECT state FROM encryption_keys WHERE key_id = $1

-- name: wait_for_sealers
SELECT pg_advisory_xact_lock(1751215721, hashtext($1))

-- name: retire
WITH gone AS (DELETE FROM encryption_keys WHERE key_id = $1 RETURNING key_id, sealed)
INSERT INTO retired_keys (key_id, sealed) SELECT key_id, sealed FROM gone

-- name: sealed_under
WITH sealed (place, key_id) AS (
    SELECT 'secrets_vault.wrapped_key', key_id FROM secrets_vault
    UNION ALL SELECT 'secrets_vault.attestation', split_part(attestation, '.', 2) FROM secrets_vault
    UNION ALL SELECT 'secret_versions.wrapped_key', key_id FROM secret_versions
    UNION ALL SELECT 'secret_access_control.attestation', split_part(attestation, '.', 2) FROM secret_access_control
    UNION ALL SELECT 'role_assignments.attestation', split_part(attestation, '.', 2) FROM role_assignments
    UNION ALL SELECT 'break_glass_requests.attestation', split_part(attestation, '.', 2) FROM break_glass_requests
    UNION ALL SELECT 'break_glass_votes.attestation', split_part(attestation, '.', 2) FROM break_glass_votes
    UNION ALL SELECT 'break_glass_grants.attestation', split_part(attestation, '.', 2) FROM break_glass_grants
    UNION ALL SELECT 'break_glass_codes.attestation', split_part(attestation, '.', 2) FROM break_glass_codes
    UNION ALL SELECT 'identities.attestation', split_part(attestation, '.', 2) FROM identities
    UNION ALL SELECT 'identities.totp_secret', encode(substring(totp_secret FROM 2 FOR 8), 'hex') FROM identities
    UNION ALL SELECT 'identity_epoch.attestation', split_part(attestation, '.', 2) FROM identity_epoch
    UNION ALL SELECT 'api_tokens.attestation', split_part(attestation, '.', 2) FROM api_tokens
    UNION ALL SELECT 'clock_acceptance.attestation', split_part(attestation, '.', 2) FROM clock_acceptance
    UNION ALL SELECT 'audit_keys.sealed_key', encode(substring(sealed_key FROM 2 FOR 8), 'hex') FROM audit_keys
    UNION ALL SELECT 'rotation_runs.candidate', encode(substring(candidate FROM 2 FOR 8), 'hex') FROM rotation_runs
    UNION ALL SELECT 'secret_proposals.change', encode(substring(change FROM 2 FOR 8), 'hex') FROM secret_proposals
    UNION ALL SELECT 'idempotency_records.fingerprint', split_part(encode(fingerprint, 'escape'), '.', 2)
    FROM idempotency_records
)
SELECT key_id, place, count(*) AS rows FROM sealed WHERE key_id = ANY ($1::text[]) GROUP BY key_id, place
ORDER BY key_id, place
