-- name: look
SELECT pg_catalog.clock_timestamp() AS now, (SELECT max(timestamp) FROM secret_access_logs) AS newest

-- name: acceptance
SELECT number, moment, believed, accepted_by, attestation FROM clock_acceptance WHERE number > 0

-- name: last
SELECT number, moment, believed, accepted_by, attestation FROM clock_acceptance FOR UPDATE

-- name: accept
INSERT INTO clock_acceptance (number, moment, believed, accepted_by, attestation) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET number = $1, moment = $2, believed = $3, accepted_by = $4, attestation = $5
