-- What was made after the moment of a revocation is not what was revoked.

-- name: identity
SELECT created_at <= $2 FROM identities WHERE name = $1

-- name: tokens
SELECT id FROM api_tokens WHERE identity_name = $1 AND created_at <= $2 AND revoked_at IS NULL AND expires_at > now()

-- name: disable
UPDATE identities SET disabled_at = $2 WHERE name = $1 AND disabled_at IS NULL AND created_at <= $2 RETURNING true

-- name: remove_client
WITH secrets AS (DELETE FROM clients WHERE client_id = $1 AND created_at <= $2 RETURNING true),
     others AS (DELETE FROM client_credentials WHERE client_id = $1 AND created_at <= $2 RETURNING true)
TABLE secrets UNION TABLE others

-- name: remove_credential
DELETE FROM client_credentials WHERE client_id = $1 AND created_at <= $2 AND name = $3 RETURNING true

-- name: remove_factor
UPDATE identities SET totp_secret = NULL, totp_confirmed_at = NULL, totp_counter = NULL
WHERE name = $1 AND totp_confirmed_at <= $2 RETURNING true

-- name: leave_groups
DELETE FROM identity_groups
WHERE identity_name = $1 AND NOT group_name = ANY ($3::text[]) AND added_at <= $2 RETURNING true
