-- name: head
SELECT v.secret_name, v.display_name, v.incarnation, v.state, v.revision, v.version, v.version_id, v.metadata, v.attestation,
       v.verified_at, v.vault_version_id, v.vault_updated_at, v.deleted_at, v.scheduled_purge_at, v.drift, v.provisional,
       (SELECT count(*) FROM secret_intents i
        WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked')) AS open_intents,
       (SELECT max(h.version) FROM secret_versions h WHERE h.incarnation = v.incarnation) >= v.version AS contradicted
FROM secrets_vault v WHERE v.secret_name = $1

-- name: heads
SELECT v.secret_name, v.display_name, v.incarnation, v.state, v.revision, v.version, v.version_id, v.metadata, v.attestation,
       v.verified_at, v.vault_version_id, v.vault_updated_at, v.deleted_at, v.scheduled_purge_at, v.drift, v.provisional,
       (SELECT count(*) FROM secret_intents i
        WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked')) AS open_intents
FROM secrets_vault v WHERE v.secret_name = ANY($1::text[])

-- name: lock
SELECT v.*, (SELECT count(*) FROM secret_intents i
             WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked')) AS open_intents,
       (SELECT max(h.version) FROM secret_versions h WHERE h.incarnation = v.incarnation) >= v.version AS contradicted
FROM secrets_vault v WHERE v.secret_name = $1 FOR UPDATE OF v

-- name: current
SELECT v.*, (SELECT count(*) FROM secret_intents i
             WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked')) AS open_intents,
       (SELECT max(h.version) FROM secret_versions h WHERE h.incarnation = v.incarnation) >= v.version AS contradicted
FROM secrets_vault v WHERE v.secret_name = $1

-- name: version_by_number
SELECT * FROM secret_versions WHERE incarnation = $1 AND version = $2

-- name: version_by_id
SELECT * FROM secret_versions
WHERE incarnation = $1 AND (version_id = $2::text::bpchar OR told_id = $2::text OR vault_version_id = $2::text)
ORDER BY version_id = $2::text::bpchar DESC, version DESC LIMIT 1

-- name: history
SELECT version, version_id, content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at,
       created_by, vault_version_id, told_id
FROM secret_versions WHERE incarnation = $1 ORDER BY version

-- name: unfetched
SELECT * FROM secret_versions
WHERE incarnation = $1 AND version < $2 AND key_id IS NULL AND enabled AND vault_version_id IS NOT NULL
ORDER BY version DESC LIMIT $3

-- name: with_unfetched
SELECT v.secret_name FROM secrets_vault v
WHERE v.state = 'active' AND v.secret_name > $1
  AND v.incarnation IN (SELECT h.incarnation FROM secret_versions h WHERE h.key_id IS NULL AND h.enabled)
ORDER BY v.secret_name LIMIT $2

-- name: contents
SELECT * FROM secret_versions WHERE incarnation = $1 ORDER BY version

-- name: names
SELECT secret_name FROM secrets_vault WHERE state = $1 AND secret_name > $2 ORDER BY secret_name LIMIT $3

-- name: summaries
SELECT secret_name, display_name, state, metadata, deleted_at, scheduled_purge_at,
       version, version_id, content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at,
       created_by, vault_version_id, told_id, provisional
FROM secrets_vault WHERE state = $1 AND secret_name > $2 ORDER BY secret_name LIMIT $3

-- name: summaries_of
SELECT secret_name, display_name, state, metadata, deleted_at, scheduled_purge_at,
       version, version_id, content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at,
       created_by, vault_version_id, told_id, provisional
FROM secrets_vault WHERE state = $1 AND secret_name = ANY($2::text[]) ORDER BY secret_name

-- name: expiring
SELECT secret_name, display_name, state, metadata, deleted_at, scheduled_purge_at,
       version, version_id, content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at,
       created_by, vault_version_id, told_id, provisional
FROM secrets_vault
WHERE state = 'active' AND expires_at IS NOT NULL AND expires_at < $1 ORDER BY expires_at, secret_name

-- name: reminding
SELECT secret_name, display_name, state, metadata, deleted_at, scheduled_purge_at,
       version, version_id, content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at,
       created_by, vault_version_id, told_id, provisional
FROM secrets_vault
WHERE state = 'active' AND expires_at > $1::timestamptz - $3::interval
  AND expires_at <= $1 + make_interval(
      days => GREATEST($2, (metadata #>> '{rotation_policy,notify_days_before}')::integer))
ORDER BY expires_at, secret_name

-- name: create
INSERT INTO secrets_vault (
    secret_name, display_name, incarnation, state, revision, attestation, metadata, version, version_id,
    vault_version_id, vault_updated_at, verified_at, deleted_at, scheduled_purge_at, drift,
    provisional, encrypted_value, iv, auth_tag, key_id, wrapped_key, content_type, tags, enabled, not_before, expires_at,
    carried, created_at, updated_at, created_by, updated_by, told_id)
VALUES ($1, $2, $3, $4, nextval('secret_revisions'), $5, $6::text::jsonb, $7, $8, $9, $10, $11, $12, $13, $14,
        $15, $16, $17, $18, $19, $20, $21, $22::text::jsonb, $23, $24, $25, $26::text::jsonb, $27, $28, $29, $29, $9)
ON CONFLICT (secret_name) DO NOTHING
RETURNING revision, pg_notify('holdfast', 'secret:' || secret_name || ':' || revision)

-- name: keep_former
INSERT INTO secret_versions (
    incarnation, version, version_id, encrypted_value, iv, auth_tag, key_id, wrapped_key,
    content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at, created_by,
    vault_version_id, told_id)
SELECT incarnation, version, version_id, encrypted_value, iv, auth_tag, key_id, wrapped_key,
       content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at, created_by,
       vault_version_id, told_id
FROM secrets_vault WHERE incarnation = $1

-- name: put_current
UPDATE secrets_vault SET
    display_name = $1, state = $3, revision = nextval('secret_revisions'), attestation = $4,
    metadata = $5::text::jsonb, version = $6, version_id = $7, vault_version_id = $8, vault_updated_at = $9,
    verified_at = $10, deleted_at = $11, scheduled_purge_at = $12, drift = $13, provisional = $14,
    encrypted_value = $15, iv = $16, auth_tag = $17, key_id = $18, wrapped_key = $19,
    content_type = $20, tags = $21::text::jsonb, enabled = $22, not_before = $23, expires_at = $24,
    carried = $25::text::jsonb, created_at = $26, updated_at = $27, created_by = $28, updated_by = $28, told_id = $8
WHERE incarnation = $2
RETURNING revision, pg_notify('holdfast', 'secret:' || secret_name || ':' || revision)

-- name: add_history
INSERT INTO secret_versions (
    incarnation, version, version_id, encrypted_value, iv, auth_tag, key_id, wrapped_key,
    content_type, tags, enabled, not_before, expires_at, carried, created_at, updated_at, created_by,
    vault_version_id, told_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, $12, $13, $14::text::jsonb, $15, $16, $17, $18, $18)

-- name: fill
UPDATE secret_versions SET encrypted_value = $3, iv = $4, auth_tag = $5, key_id = $6, wrapped_key = $7
WHERE incarnation = $1 AND version = $2 AND key_id IS NULL

-- name: carry_current
UPDATE secrets_vault SET carried = $3::text::jsonb WHERE incarnation = $1 AND version = $2

-- name: carry_history
UPDATE secret_versions SET carried = $3::text::jsonb WHERE incarnation = $1 AND version = $2

-- name: rewrite_history
UPDATE secret_versions SET
    encrypted_value = $3, iv = $4, auth_tag = $5, key_id = $6, wrapped_key = $7,
    content_type = $8, tags = $9::text::jsonb, enabled = $10, not_before = $11, expires_at = $12,
    carried = $13::text::jsonb, updated_at = $14, vault_version_id = $15, told_id = coalesce(told_id, $15)
WHERE incarnation = $1 AND version = $2

-- name: rewrite_current
UPDATE secrets_vault SET
    encrypted_value = $3, iv = $4, auth_tag = $5, key_id = $6, wrapped_key = $7,
    content_type = $8, tags = $9::text::jsonb, enabled = $10, not_before = $11, expires_at = $12,
    carried = $13::text::jsonb, updated_at = $14, vault_version_id = $15, told_id = coalesce(told_id, $15),
    updated_by = coalesce($16, updated_by)
WHERE incarnation = $1 AND version = $2

-- name: put_head
UPDATE secrets_vault SET
    display_name = $2, state = $3, revision = nextval('secret_revisions'), attestation = $4,
    metadata = $5::text::jsonb, vault_version_id = $6, vault_updated_at = $7, verified_at = $8,
    deleted_at = $9, scheduled_purge_at = $10, drift = $11, provisional = $12, told_id = coalesce(told_id, $6)
WHERE incarnation = $1
RETURNING revision, pg_notify('holdfast', 'secret:' || secret_name || ':' || revision)

-- name: remove
WITH gone AS (DELETE FROM secrets_vault WHERE incarnation = $1),
     locked AS MATERIALIZED (SELECT FROM access_epoch FOR UPDATE),
     grants AS (DELETE FROM secret_access_control USING locked WHERE secret_name = $2 RETURNING 1),
     roles AS (DELETE FROM role_assignments USING locked WHERE pattern = $2 RETURNING 1),
     emergencies AS (DELETE FROM break_glass_grants USING locked WHERE pattern = $2 RETURNING 1),
     void AS (UPDATE break_glass_requests SET state = 'void', ended_at = clock_timestamp(), attestation = ''
              WHERE pattern = $2 AND (state = 'requested' AND open_until > clock_timestamp()
                                      OR state = 'approved' AND expires_at > clock_timestamp()) RETURNING id),
     votes AS (UPDATE break_glass_votes SET attestation = '' FROM void WHERE request_id = void.id),
     bumped AS (UPDATE access_epoch SET epoch = epoch + 1
                WHERE EXISTS (SELECT FROM grants) OR EXISTS (SELECT FROM roles) OR EXISTS (SELECT FROM emergencies)
                RETURNING epoch),
     schedule AS (DELETE FROM secret_rotation_schedule WHERE secret_name = $2),
     answers AS (DELETE FROM idempotency_records WHERE secret_name = $2),
     next AS MATERIALIZED (SELECT nextval('secret_revisions') AS revision)
SELECT revision, pg_notify('holdfast', 'secret:' || $2 || ':' || revision),
       (SELECT pg_notify('holdfast', 'rules:' || epoch || ':') FROM bumped),
       nextval('secret_purges')
FROM next

-- name: add_intent
INSERT INTO secret_intents (id, incarnation, secret_name, display_name, kind, version, attributes)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb)

-- name: lock_name
SELECT pg_advisory_xact_lock(1751215723, hashtext($1))

-- name: proposed
SELECT intent FROM secret_proposals WHERE secret_name = $1

-- name: propose
WITH held AS (
    UPDATE secret_intents SET attempts = 1, doubts = 1, fence = 1, lease_until = now() + $4::interval
    WHERE id = $1
)
INSERT INTO secret_proposals (intent, secret_name, change) VALUES ($1, $2, $3)
ON CONFLICT (secret_name) DO NOTHING
RETURNING 1

-- name: conclude
WITH held AS (
    UPDATE secret_intents SET state = $3, lease_until = NULL, last_error = $4, next_attempt_at = now() + $5::interval,
        settled_at = CASE WHEN $3 = 'refused' THEN now() END
    WHERE id = $1 AND fence = $2 AND state = 'open'
    RETURNING id
)
DELETE FROM secret_proposals p USING held WHERE p.intent = held.id
RETURNING 1

-- name: concluded
SELECT state FROM secret_intents i
WHERE id = $1 AND fence = $2 AND NOT EXISTS (SELECT 1 FROM secret_proposals p WHERE p.intent = i.id)

-- name: supersede_intents
UPDATE secret_intents SET state = 'superseded', settled_at = now(), fence = fence + 1
WHERE incarnation = $1 AND state IN ('open', 'parked') AND id <> $2

-- name: supersede_purges
UPDATE secret_intents SET state = 'superseded', settled_at = now(), fence = fence + 1
WHERE secret_name = $1 AND kind = 'purge' AND state IN ('open', 'parked') AND id <> $2

-- name: supersede_refused
WITH overtaken AS (
    UPDATE secret_intents SET state = 'superseded', settled_at = now(), fence = fence + 1
    WHERE incarnation = $1 AND kind = ANY($3::text[]) AND state = 'parked' AND id <> $2
      AND (kind <> 'update' OR version = $4) AND (lease_until IS NULL OR lease_until <= now())
    RETURNING kind, version
), moot AS (
    UPDATE secret_intents u SET state = 'superseded', settled_at = now(), fence = u.fence + 1
    FROM overtaken o
    WHERE o.kind = 'set' AND u.incarnation = $1 AND u.version = o.version AND u.kind = 'update' AND u.state IN ('open', 'parked')
)
SELECT version FROM overtaken ORDER BY version

-- name: is_in_vault
-- Whether Key Vault may ever have had anything of this life of the name.
SELECT EXISTS (SELECT 1 FROM secrets_vault WHERE incarnation = $1 AND vault_version_id IS NOT NULL)
    OR EXISTS (SELECT 1 FROM secret_versions WHERE incarnation = $1 AND vault_version_id IS NOT NULL)
    OR EXISTS (SELECT 1 FROM secret_intents
               WHERE incarnation = $1 AND (state = 'done' OR doubts > 0 OR restored) AND id <> $2)

-- name: recall
SELECT fingerprint, answer::text FROM idempotency_records
WHERE user_id = $1 AND idempotency_key = $2 AND created_at > now() - interval '24 hours'

-- name: remember
INSERT INTO idempotency_records (user_id, idempotency_key, secret_name, fingerprint, answer)
VALUES ($1, $2, $3, $4, $5::text::jsonb)
ON CONFLICT (user_id, idempotency_key) DO UPDATE
    SET secret_name = $3, fingerprint = $4, answer = $5::text::jsonb, created_at = now()
    WHERE idempotency_records.created_at <= now() - interval '24 hours'
RETURNING 1

-- name: answer_otherwise
UPDATE idempotency_records SET answer = $3::text::jsonb WHERE secret_name = $1 AND answer ->> 'intent' = $2::uuid::text

-- name: put_schedule
INSERT INTO secret_rotation_schedule (secret_name, rotation_policy, next_rotation_at)
VALUES ($1, $2::text::jsonb, now() + make_interval(days => $3))
ON CONFLICT (secret_name) DO UPDATE
    SET rotation_policy = $2::text::jsonb, updated_at = now(),
        next_rotation_at = coalesce(secret_rotation_schedule.last_rotated_at, secret_rotation_schedule.created_at)
                           + make_interval(days => $3)

-- name: remove_schedule
DELETE FROM secret_rotation_schedule WHERE secret_name = $1

-- name: confirm
UPDATE secrets_vault v SET verified_at = now()
FROM unnest($1::uuid[], $2::bigint[]) AS seen (incarnation, revision)
WHERE v.incarnation = seen.incarnation AND v.revision = seen.revision
  AND NOT EXISTS (SELECT 1 FROM secret_intents i
                  WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked'))

-- name: unconfirmed
SELECT v.secret_name FROM secrets_vault v
WHERE v.state = 'active' AND v.vault_version_id IS NOT NULL AND v.verified_at < $1 AND v.secret_name > $2
  AND NOT EXISTS (SELECT 1 FROM secret_intents i
                  WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked'))
ORDER BY v.secret_name LIMIT $3

-- name: drifting
SELECT v.secret_name, v.display_name, v.incarnation, v.state, v.revision, v.version, v.version_id, v.metadata, v.attestation,
       v.verified_at, v.vault_version_id, v.vault_updated_at, v.deleted_at, v.scheduled_purge_at, v.drift, v.provisional,
       (SELECT count(*) FROM secret_intents i
        WHERE i.secret_name = v.secret_name AND i.state IN ('open', 'parked')) AS open_intents
FROM secrets_vault v WHERE v.drift IS NOT NULL ORDER BY v.secret_name LIMIT $1

-- name: overdue
SELECT secret_name FROM secrets_vault
WHERE state = 'deleted' AND scheduled_purge_at <= $1
  AND NOT EXISTS (SELECT 1 FROM secret_intents i
                  WHERE i.secret_name = secrets_vault.secret_name AND i.state IN ('open', 'parked'))
ORDER BY scheduled_purge_at LIMIT 100
