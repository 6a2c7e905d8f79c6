-- Rows under one of the keys $1, up to $2 of them, behind the one that $3 and on name: locked, without waiting for
-- anybody; and how each is stored under another key.

-- name: secrets_vault_wrapped_key
SELECT id, key_id, wrapped_key FROM secrets_vault WHERE key_id = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_secrets_vault_wrapped_key
UPDATE secrets_vault SET key_id = $2, wrapped_key = $3 WHERE id = $1

-- name: secrets_vault_attestation
SELECT id, secret_name, display_name, incarnation, state, revision, version, version_id, metadata, attestation,
       verified_at, vault_version_id, vault_updated_at, deleted_at, scheduled_purge_at, drift, provisional,
       0 AS open_intents
FROM secrets_vault WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_secrets_vault_attestation
UPDATE secrets_vault SET attestation = $2 WHERE id = $1

-- name: secret_versions_wrapped_key
SELECT incarnation, version, key_id, wrapped_key FROM secret_versions
WHERE key_id = ANY ($1::text[]) AND (incarnation, version) > ($3, $4)
ORDER BY incarnation, version LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_secret_versions_wrapped_key
UPDATE secret_versions SET key_id = $3, wrapped_key = $4 WHERE incarnation = $1 AND version = $2

-- name: secret_access_control_attestation
SELECT 'grant' AS kind, id, user_id AS subject, secret_name AS pattern, permissions AS terms, granted_by, granted_at,
       expires_at, incarnation, attestation, NULL::uuid AS living
FROM secret_access_control WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_secret_access_control_attestation
UPDATE secret_access_control SET attestation = $2 WHERE id = $1

-- name: role_assignments_attestation
SELECT 'role' AS kind, id, subject, pattern, ARRAY[role] AS terms, granted_by, granted_at, expires_at, incarnation,
       attestation, NULL::uuid AS living
FROM role_assignments WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_role_assignments_attestation
UPDATE role_assignments SET attestation = $2 WHERE id = $1

-- name: identities_attestation
SELECT i.id, i.name, i.incarnation, i.disabled_at IS NOT NULL AS disabled, i.attestation, i.totp_secret,
       c.secret_hash AS client_hash, c.created_at AS client_since,
       CASE WHEN i.totp_confirmed_at IS NOT NULL THEN i.totp_secret END AS totp,
       ARRAY(SELECT group_name FROM identity_groups WHERE identity_name = i.name) AS groups,
       ARRAY(SELECT ARRAY[k.id::text, k.name, k.kind, k.issuer, k.subject, k.audience, k.certificate]
             FROM client_credentials k WHERE k.client_id = i.name ORDER BY k.id) AS credentials,
       i.revision, i.token_ids, i.revision AS mark
FROM identities i LEFT JOIN clients c ON c.client_id = i.name
WHERE (split_part(i.attestation, '.', 2) = ANY ($1::text[])
       OR encode(substring(i.totp_secret FROM 2 FOR 8), 'hex') = ANY ($1::text[])) AND i.id > $3
ORDER BY i.id LIMIT $2 FOR NO KEY UPDATE OF i SKIP LOCKED

-- name: put_identities_attestation
UPDATE identities SET attestation = $2, totp_secret = $3 WHERE id = $1

-- name: identity_epoch_attestation
SELECT single, revision, attestation, ARRAY(SELECT name FROM identity_marks ORDER BY name COLLATE "C") AS names,
       ARRAY(SELECT revision FROM identity_marks ORDER BY name COLLATE "C") AS revisions
FROM identity_epoch WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND single > $3
LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_identity_epoch_attestation
UPDATE identity_epoch SET attestation = $2 WHERE single = $1

-- name: api_tokens_attestation
SELECT t.*, i.incarnation FROM api_tokens t JOIN identities i ON i.name = t.identity_name
WHERE split_part(t.attestation, '.', 2) = ANY ($1::text[]) AND t.id > $3
ORDER BY t.id LIMIT $2 FOR NO KEY UPDATE OF t SKIP LOCKED

-- name: put_api_tokens_attestation
UPDATE api_tokens SET attestation = $2 WHERE id = $1

-- name: audit_keys_sealed_key
SELECT key_id, public_key, sealed_key FROM audit_keys
WHERE encode(substring(sealed_key FROM 2 FOR 8), 'hex') = ANY ($1::text[]) AND key_id > $3
ORDER BY key_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_audit_keys_sealed_key
UPDATE audit_keys SET sealed_key = $2 WHERE key_id = $1

-- name: rotation_runs_candidate
SELECT id, incarnation, secret_name, from_version, candidate FROM rotation_runs
WHERE encode(substring(candidate FROM 2 FOR 8), 'hex') = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_rotation_runs_candidate
UPDATE rotation_runs SET candidate = $2 WHERE id = $1

-- name: secret_proposals_change
SELECT intent, secret_name, change FROM secret_proposals
WHERE encode(substring(change FROM 2 FOR 8), 'hex') = ANY ($1::text[]) AND intent > $3
ORDER BY intent LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_secret_proposals_change
UPDATE secret_proposals SET change = $2 WHERE intent = $1

-- name: idempotency_records_fingerprint
SELECT user_id, idempotency_key, fingerprint FROM idempotency_records
WHERE split_part(encode(fingerprint, 'escape'), '.', 2) = ANY ($1::text[]) AND fingerprint LIKE 'v2.%'::bytea
  AND (user_id, idempotency_key) > ($3, $4)
ORDER BY user_id, idempotency_key LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_idempotency_records_fingerprint
UPDATE idempotency_records SET fingerprint = $3 WHERE user_id = $1 AND idempotency_key = $2

-- name: break_glass_requests_attestation
SELECT * FROM break_glass_requests WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_break_glass_requests_attestation
UPDATE break_glass_requests SET attestation = $2 WHERE id = $1

-- name: break_glass_votes_attestation
SELECT * FROM break_glass_votes
WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND (request_id, voter) > ($3, $4)
ORDER BY request_id, voter LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_break_glass_votes_attestation
UPDATE break_glass_votes SET attestation = $3 WHERE request_id = $1 AND voter = $2

-- name: break_glass_grants_attestation
SELECT 'break-glass' AS kind, id, subject, pattern, permissions AS terms, granted_by, granted_at, expires_at,
       incarnation, attestation, NULL::uuid AS living
FROM break_glass_grants WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_break_glass_grants_attestation
UPDATE break_glass_grants SET attestation = $2 WHERE id = $1

-- name: break_glass_codes_attestation
SELECT * FROM break_glass_codes WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_break_glass_codes_attestation
UPDATE break_glass_codes SET attestation = $2 WHERE id = $1

-- name: clock_acceptance_attestation
SELECT * FROM clock_acceptance WHERE split_part(attestation, '.', 2) = ANY ($1::text[]) AND id > $3
ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_clock_acceptance_attestation
UPDATE clock_acceptance SET attestation = $2 WHERE id = $1
