-- name: put
INSERT INTO kept_out (name, reason, detail, since, attempts, next_attempt_at, vault_updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO UPDATE SET
    reason = EXCLUDED.reason, detail = EXCLUDED.detail, since = EXCLUDED.since, attempts = EXCLUDED.attempts,
    next_attempt_at = EXCLUDED.next_attempt_at, vault_updated_at = EXCLUDED.vault_updated_at

-- name: forget
DELETE FROM kept_out WHERE name = ANY($1::text[])

-- name: names
SELECT name, reason, detail, since, attempts, next_attempt_at, vault_updated_at
FROM kept_out ORDER BY name COLLATE "C" LIMIT $1

-- name: count
SELECT count(*) FROM kept_out
