-- name: vault_totals
SELECT count(*) FILTER (WHERE state = 'active') AS total,
       count(*) FILTER (WHERE state = 'active' AND expires_at <= now()) AS expired,
       count(*) FILTER (WHERE state = 'active' AND expires_at > now() AND expires_at <= now() + interval '30 days')
           AS expiring_soon,
       count(*) FILTER (WHERE state = 'active' AND NOT EXISTS (
           SELECT 1 FROM secret_rotation_schedule s
           WHERE s.secret_name = v.secret_name AND (s.rotation_policy ->> 'enabled')::boolean))
           AS without_rotation_policy,
       count(*) FILTER (WHERE state = 'deleted') AS deleted,
       count(*) FILTER (WHERE drift IS NOT NULL) AS drifting,
       count(*) FILTER (WHERE state = 'active' AND carried ? 'expires_at_seconds') AS beyond_dates
FROM secrets_vault v
