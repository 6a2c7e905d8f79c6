-- name: beat
WITH gone AS (
    DELETE FROM nodes WHERE seen_at < now() - interval '1 hour'
)
INSERT INTO nodes (id, name, release, schema_version, started_at, backends)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), backends = $6

-- name: leave
DELETE FROM nodes WHERE id = $1

-- name: present
SELECT * FROM nodes WHERE seen_at > now() - $1::interval ORDER BY started_at, id

-- name: vanished
SELECT * FROM nodes n WHERE seen_at <= now() - $1::interval AND NOT EXISTS (
    SELECT FROM nodes later
    WHERE split_part(later.name, ':', 1) = split_part(n.name, ':', 1) AND later.started_at > n.seen_at)
ORDER BY started_at, id

-- name: older
SELECT name, release FROM nodes WHERE schema_version < $1 AND seen_at > now() - $2::interval ORDER BY name

-- name: presences
SELECT (SELECT max(version) FROM holdfast_migrations), (SELECT count(*) FROM nodes WHERE seen_at > now() - $1::interval)
