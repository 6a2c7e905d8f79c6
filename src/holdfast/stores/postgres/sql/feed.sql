-- name: beat
SELECT clock_timestamp() AS now, a.epoch AS rules, i.epoch AS identities,
       (SELECT key_id FROM encryption_keys WHERE state = 'active') AS sealing
FROM access_epoch a, identity_epoch i
