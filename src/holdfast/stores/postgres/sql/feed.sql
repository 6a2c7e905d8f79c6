-- name: beat
SELECT clock_timestamp() AS now, a.epoch AS rules, i.epoch AS identities,
       k.key_id AS sealing, (extract(epoch FROM k.activated_at) * 1000000)::bigint AS activation
FROM access_epoch a CROSS JOIN identity_epoch i LEFT JOIN encryption_keys k ON k.state = 'active'
