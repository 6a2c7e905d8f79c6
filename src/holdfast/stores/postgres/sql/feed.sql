-- name: beat
SELECT clock_timestamp() AS now, a.epoch AS rules, i.epoch AS identities FROM access_epoch a, identity_epoch i
