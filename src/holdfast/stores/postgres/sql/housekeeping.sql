-- name: settled_intents
DELETE FROM secret_intents WHERE state IN ('done', 'superseded', 'refused') AND settled_at < now() - $1::interval
    AND NOT EXISTS (SELECT 1 FROM secrets_vault v WHERE v.incarnation = secret_intents.incarnation)

-- name: idempotency_records
DELETE FROM idempotency_records WHERE created_at < now() - least($1::interval, interval '24 hours')

-- name: ended_tokens
DELETE FROM api_tokens WHERE coalesce(revoked_at, expires_at) < now() - $1::interval

-- name: ended_assertions
DELETE FROM used_assertions WHERE ends_at < now() - least($1::interval, interval '15 minutes')
